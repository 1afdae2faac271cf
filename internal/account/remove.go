package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// KeepRemoved is how long a removed account can be restored.
const KeepRemoved = 30 * 24 * time.Hour

// Remove takes an account away: nobody signs in with it, its sessions end, and its names are free for another. For KeepRemoved
// it can be restored. Removing twice does it all again.
func (s *Service) Remove(ctx context.Context, id, actor string) error {
	a, err := s.Store.GetAccount(ctx, id)
	if err != nil {
		return fmt.Errorf("get account: %w", err)
	}
	if err := s.Removed.RemoveAccount(ctx, id, s.now()); err != nil {
		return fmt.Errorf("remove account: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.AccountDeleted, AccountID: id, Actor: actor, Provider: a.Owner})
	if err := s.Sessions.EndAccount(ctx, id, ""); err != nil {
		return fault.Wrap(fault.Unavailable, "The account is removed, but its sessions could not be ended. Please try again.", fmt.Errorf("end sessions: %w", err))
	}
	return nil
}

// Restore brings a removed account back as it was, with the password it had.
func (s *Service) Restore(ctx context.Context, id, actor string) error {
	a, err := s.Removed.RestoreAccount(ctx, id, s.now())
	if err != nil {
		return fmt.Errorf("restore account: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.AccountRestored, AccountID: id, Actor: actor, Provider: a.Owner})
	return nil
}

// FindRemoved returns the removed accounts with an address, or with a user name where no address was given.
func (s *Service) FindRemoved(ctx context.Context, address string) ([]*Account, error) {
	all, err := s.Store.ListAccounts(ctx, Filter{Email: address, Deleted: true})
	if err == nil && len(all) == 0 && !strings.Contains(address, "@") {
		if all, err = s.Store.ListAccounts(ctx, Filter{Deleted: true}); err == nil {
			all = slices.DeleteFunc(all, func(a *Account) bool { return address == "" || identity.Normalize(a.Username) != address })
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list removed accounts: %w", err)
	}
	return all, nil
}

// PurgeRemoved deletes for good what was removed longer ago than KeepRemoved, and returns how many.
func (s *Service) PurgeRemoved(ctx context.Context, now time.Time) (int, error) {
	return s.Removed.PurgeAccounts(ctx, now.Add(-KeepRemoved))
}
