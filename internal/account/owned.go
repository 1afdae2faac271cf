package account

import (
	"context"
	"fmt"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// FindOwned returns the accounts that a provider owns and a revocation names, by link or by address; none is no error. By address it may
// be several: an address can be given away again, and all whom it named are meant.
func (s *Service) FindOwned(ctx context.Context, provider string, who identity.Revocation) ([]*Account, error) {
	if who.Subject == "" {
		if who.Email == "" {
			return nil, nil
		}
		found, err := s.Store.ListAccounts(ctx, Filter{Email: who.Email, Owner: provider})
		if err != nil {
			return nil, fmt.Errorf("list accounts by address: %w", err)
		}
		return found, nil
	}
	a, err := s.Store.FindByLink(ctx, Link{Provider: provider, Issuer: who.Issuer, Subject: who.Subject})
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("find account by link: %w", err)
	}
	return []*Account{a}, nil
}
