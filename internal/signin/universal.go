package signin

import (
	"context"
	"fmt"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// UniversalLogout ends every session of a person whom a provider names from its servers, also those that it knows nothing of, and with
// them what was kept for asking it again. A token that is not good or was used before is fault.Unauthenticated, a request that names nobody
// fault.Invalid, somebody who has no account here fault.NotFound: only the provider itself learns that.
func (f *Flow) UniversalLogout(ctx context.Context, providerID, bearer string, body []byte) error {
	p, _ := f.Realms.Get(providerID)
	receiver, ok := p.(identity.UniversalLogoutReceiver)
	if !ok {
		return fault.New(fault.NotFound, "There is no such provider here.").WithReason("provider_unknown")
	}
	who, err := receiver.UniversalLogout(ctx, bearer, body)
	if err != nil {
		return err
	}
	// Remembered a while longer than it is good, for replicas whose clocks differ.
	err = f.Once.UseOnce(ctx, "universal_logout:"+providerID, who.TokenID, who.Expires.Add(backWithin))
	if fault.Is(err, fault.Conflict) {
		return fault.Wrap(fault.Unauthenticated, "This request was sent before.", err).WithReason("revocation_replayed")
	}
	if err != nil {
		return err
	}
	accounts, err := f.Accounts.FindOwned(ctx, providerID, who)
	if err != nil {
		return err
	}
	if len(accounts) == 0 {
		return fault.New(fault.NotFound, "Nobody of that name has an account here.").WithReason("revocation_unknown")
	}
	for _, a := range accounts {
		if err := f.Sessions.EndAccount(ctx, a.ID, ""); err != nil {
			return fmt.Errorf("end sessions of account: %w", err)
		}
		f.Audit.Record(ctx, audit.Event{
			Kind: audit.SessionRevoked, AccountID: a.ID, Actor: providerID, Provider: providerID, Reason: "universal_logout",
		}.From(ctx))
	}
	if f.Count != nil {
		f.Count(providerID, "universal_logout")
	}
	return nil
}
