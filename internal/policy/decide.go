package policy

// The sentences that do not depend on a rule.
const (
	reasonNobody = "Nobody is signed in."
	reasonFactor = "This needs a second factor in this session."
)

// Decide answers whether s may pass under the rule that Match found. An index that Match cannot have returned refuses.
func (r *Rules) Decide(index int, s Subject) Decision {
	switch {
	case index == -1:
		return r.last.decide(s)
	case index < 0 || index >= len(r.rules):
		return Decision{Outcome: Refuse, Rule: "unknown", Reason: "There is no such rule."}
	}
	return r.rules[index].decide(s)
}

func (r *rule) decide(s Subject) Decision {
	d := Decision{Rule: r.cfg.Name}
	switch {
	case r.cfg.Allow.Word == anyone:
		d.Outcome, d.Reason = Allowed, r.allowed
		return d
	case !s.SignedIn:
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
	if r.cfg.RequireFactor && !s.Factor {
		d.Outcome, d.Reason = StepUp, reasonFactor
		return d
	}
	d.Outcome, d.Reason = Allowed, r.allowed
	return d
}
