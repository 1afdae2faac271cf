package policy

import "time"

// The sentences that do not depend on a rule.
const (
	reasonNobody = "Nobody is signed in."
	reasonFactor = "This needs a second factor that was proven a short while ago."
)

// Decide answers whether s may pass under the rule that Match found. An index that Match cannot have returned refuses.
func (r *Rules) Decide(index int, s Subject) Decision {
	switch {
	case index == -1:
		return r.last.decide(s, r)
	case index < 0 || index >= len(r.rules):
		return Decision{Outcome: Refuse, Rule: "unknown", Reason: "There is no such rule."}
	}
	return r.rules[index].decide(s, r)
}

func (r *rule) decide(s Subject, all *Rules) Decision {
	d := Decision{Rule: r.cfg.Name}
	switch {
	case r.cfg.Allow.Word == anyone:
		d.Outcome, d.Reason = Allowed, r.allowed
		return d
	case !s.SignedIn && !r.forAnyone():
		d.Outcome, d.Reason = SignIn, reasonNobody
		return d
	case r.cfg.Allow.Word == signedIn:
	case r.cfg.Allow.Word != "" || len(r.conditions) == 0:
		d.Reason = r.refused
		return d
	default:
		for i, c := range r.conditions {
			if !c.holds(s) {
				d.Reason = r.missing[i]
				return d
			}
		}
	}
	if r.cfg.RequireFactor && !all.factorFresh(s) {
		d.Outcome, d.Reason = StepUp, reasonFactor
		return d
	}
	d.Outcome, d.Reason = Allowed, r.allowed
	return d
}

// forAnyone reports whether nobody need be signed in.
func (r *rule) forAnyone() bool { return r.cfg.Allow.Word == anyone || r.cfg.Allow.Who == anyone }

// factorAhead is how far the clock of the replica that took a second factor may be ahead of ours.
const factorAhead = time.Minute

func (r *Rules) factorFresh(s Subject) bool {
	if s.FactorAt.IsZero() || s.At.IsZero() {
		return false
	}
	ago := s.At.Sub(s.FactorAt)
	return -factorAhead <= ago && ago < r.fresh
}
