package account

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/throttle"
)

// Find returns the accounts with an address or, where there is none, the local one with that username. Nobody is no error.
func (s *Service) Find(ctx context.Context, identifier string) ([]*Account, error) {
	name := identity.Normalize(identifier)
	all, err := s.withAddress(ctx, name)
	if err != nil || len(all) > 0 {
		return all, err
	}
	a, err := s.findLocal(ctx, name)
	if err != nil || a == nil {
		return nil, err
	}
	return []*Account{a}, nil
}

// Disable keeps an account out at once: its sessions end and its one-time links die. Disabling twice does it all again.
func (s *Service) Disable(ctx context.Context, id, actor string) error {
	a, err := s.Store.UpdateAccount(ctx, id, func(b *Account) error {
		b.State, b.UpdatedAt = Disabled, s.now()
		return nil
	})
	if err != nil {
		return fmt.Errorf("disable account: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.AccountDisabled, AccountID: id, Actor: actor, Provider: a.Owner})
	if err := s.Sessions.EndAccount(ctx, id, ""); err != nil {
		return fault.Wrap(fault.Unavailable, "The account is disabled, but its sessions could not be ended. Please try again.", fmt.Errorf("end sessions: %w", err))
	}
	return nil
}

// Enable lets a disabled account in again. One that never had a password waits for an invitation again; one that is not disabled
// stays as it is.
func (s *Service) Enable(ctx context.Context, id, actor string) error {
	a, err := s.Store.GetAccount(ctx, id)
	if err != nil {
		return fmt.Errorf("get account: %w", err)
	}
	if !a.DeletedAt.IsZero() {
		return fault.New(fault.Conflict, "This account was removed. Restore it instead.")
	}
	state := Active
	if l, ok := a.Local(); ok {
		p, err := s.Passwords.GetPassword(ctx, l)
		if err != nil {
			return fmt.Errorf("get password: %w", err)
		}
		if p.Hash == "" {
			state = Invited
		}
	}
	enabled := false
	_, err = s.Store.UpdateAccount(ctx, id, func(b *Account) error {
		if enabled = b.State == Disabled && b.DeletedAt.IsZero(); enabled {
			b.State, b.UpdatedAt = state, s.now()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("enable account: %w", err)
	}
	if enabled {
		s.record(ctx, audit.Event{Kind: audit.AccountEnabled, AccountID: id, Actor: actor, Provider: a.Owner})
	}
	return nil
}

// Unlock ends a lockout.
func (s *Service) Unlock(ctx context.Context, id, actor string) error {
	a, err := s.Store.GetAccount(ctx, id)
	if err != nil {
		return fmt.Errorf("get account: %w", err)
	}
	for _, key := range []string{lockoutKey(id), throttle.FactorKey(id)} {
		if err := s.Lockout.Unlock(ctx, key); err != nil {
			return err
		}
	}
	s.record(ctx, audit.Event{Kind: audit.AccountUnlocked, AccountID: id, Actor: actor, Provider: a.Owner})
	return nil
}

// UnlockNetwork lets the network of an address try again that was kept out after too many failed sign-ins.
func (s *Service) UnlockNetwork(ctx context.Context, address, actor string) error {
	if err := s.Lockout.UnlockNetwork(ctx, address); err != nil {
		return err
	}
	s.record(ctx, audit.Event{Kind: audit.AccountUnlocked, Actor: actor, Reason: "network", Identifier: address})
	return nil
}

// ListLocked returns when the lock of each locked account ends, by account id.
func (s *Service) ListLocked(ctx context.Context, all []*Account) (map[string]time.Time, error) {
	locks, err := s.Lockout.ListLocked(ctx)
	if err != nil {
		return nil, err
	}
	until := map[string]time.Time{}
	for _, a := range all {
		if t, ok := locks[lockoutKey(a.ID)]; ok {
			until[a.ID] = t
		}
	}
	return until, nil
}

// Revoke ends every session of an account.
func (s *Service) Revoke(ctx context.Context, id, actor string) error {
	a, err := s.Store.GetAccount(ctx, id)
	if err != nil {
		return fmt.Errorf("get account: %w", err)
	}
	if err := s.Sessions.EndAccount(ctx, id, ""); err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.SessionRevoked, AccountID: id, Actor: actor, Provider: a.Owner, Reason: "all"})
	return nil
}
