package account

import (
	"context"
	"fmt"
	"slices"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Confirm takes over what a provider says now about somebody who is signed in, and returns the account. An account that Admit would not
// let in any more is fault.Forbidden, with the reason. It creates and links nothing, is no sign-in, and records no refusal.
func (s *Service) Confirm(ctx context.Context, accountID string, id identity.Identity) (*Account, error) {
	a, err := s.Store.FindByLink(ctx, Link{Provider: id.Provider, Issuer: id.Issuer, Subject: id.Subject})
	switch {
	case fault.Is(err, fault.NotFound), err == nil && a.ID != accountID:
		return nil, unconfirmed("unlinked")
	case err != nil:
		return nil, fmt.Errorf("find account by link: %w", err)
	}
	if err := confirmable(a, id.Provider); err != nil {
		return nil, err
	}
	who, now := profileOf(id), s.now()
	look := *a
	changed := look.takeOver(who)
	if !changed && slices.Equal(a.Groups, look.Groups) {
		return a, nil // as nearly always: then nothing is written
	}
	var refusal error
	written, err := s.Store.UpdateAccount(ctx, a.ID, func(b *Account) error {
		if refusal = confirmable(b, id.Provider); refusal != nil {
			return errRefused
		}
		b.takeOver(who)
		b.UpdatedAt = now
		return nil
	})
	switch {
	case refusal != nil:
		return nil, refusal
	case fault.Is(err, fault.NotFound):
		return nil, unconfirmed("unlinked")
	case err != nil:
		return nil, fmt.Errorf("update account: %w", err)
	}
	if changed {
		s.record(ctx, audit.Event{Kind: audit.AccountUpdated, AccountID: a.ID, Provider: id.Provider, Reason: "profile"})
	}
	return written, nil
}

// confirmable refuses an account that a provider may not speak for, or that nobody may use.
func confirmable(a *Account, provider string) error {
	if reason := unwelcome(a, provider); reason != "" {
		return unconfirmed(reason)
	}
	return nil
}

func unconfirmed(reason string) error {
	return fault.New(fault.Forbidden, "Your account may not be used any more. Please ask your CRM support.").WithReason(reason)
}
