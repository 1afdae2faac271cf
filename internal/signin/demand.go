package signin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
)

// demand is what policy asks of a sign-in whose first proof is there.
type demand int

const (
	// demandNothing lets the session start.
	demandNothing demand = iota
	// demandFactor asks for a factor that is enrolled.
	demandFactor
	// demandEnrol asks for enrolling one.
	demandEnrol
)

// need is a demand and what goes with it.
type need struct {
	demand demand
	// choices are the ways to meet demandFactor, the one to begin with first.
	choices []mfa.Info
	// every is true where a remembered device does not stand in.
	every bool
	// until is the end of the grace for demandEnrol.
	until time.Time
	// device is the remembered device that met the demand.
	device string
}

// demanded reads the policy. It is asked again right before the session starts, so what changed meanwhile counts.
func (f *Flow) demanded(ctx context.Context, r *http.Request, p progress) (need, error) {
	if f.Factors.Off() {
		return need{}, nil
	}
	must, every, ask := f.policy(p)
	if !ask {
		return need{}, nil
	}
	choices, err := f.Factors.Choices(ctx, p.account.ID)
	if err != nil {
		return need{}, err
	}
	if p.factor == nil && len(choices.Ways) > 0 && (choices.Enrolled || must) {
		n := need{demand: demandFactor, choices: choices.Ways, every: every}
		if every {
			return n, nil
		}
		if n.device, err = f.Factors.Device(ctx, p.account.ID, f.Sessions.DeviceSecrets(r)); n.device != "" {
			n.demand = demandNothing
		}
		return n, err
	}
	if choices.Enrolled || !must {
		return need{}, nil
	}
	// Nothing but what stands in: a recovery code got somebody in, and now there must be a factor again.
	n := need{demand: demandEnrol}
	if n.until, err = f.Factors.Prompted(ctx, p.account.ID); err == nil && p.later && f.now().Before(n.until) {
		n.demand = demandNothing
	}
	return n, err
}

// policy says for whoever has proven themselves whether there must be a factor of ours, whether at every sign-in, and whether to ask at
// all: a provider that is trusted with it answers for its people.
func (f *Flow) policy(p progress) (must, every, ask bool) {
	if p.via != account.OwnerLocal {
		provider, ok := f.Realms.Get(p.via)
		rule := identity.FactorTrust
		if ok {
			rule = provider.Info().Factor
		}
		switch rule {
		case identity.FactorAlways:
			return true, true, true
		case identity.FactorUnlessAMR:
			shown := mfa.Shown(p.identity.AMR)
			return !shown, false, !shown
		}
		return false, false, false
	}
	cfg := f.Factors.Config()
	must = cfg.Policy == mfa.PolicyRequired ||
		slices.ContainsFunc(cfg.RequiredFor.Groups, func(g string) bool { return slices.Contains(p.account.Groups, g) }) ||
		cfg.RequiredFor.Admins && f.IsAdmin != nil && f.IsAdmin(p.account.Email, p.account.Groups)
	return must, false, true
}

// withFactor adds the methods of a second factor to those of the first (RFC 8176), and says that there were two.
func withFactor(first, second []string) []string {
	out := slices.Clone(first)
	for _, m := range append(slices.Clone(second), "mfa") {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}
