package app

import (
	"testing"
	"time"

	"crmgate/internal/config"
	"crmgate/internal/policy"
)

// factors.fresh holds for upstreams with ignore_case as for the others.
func TestFactorFreshWhereCaseIsIgnored(t *testing.T) {
	cfg := &config.Config{}
	cfg.Factors.Fresh = time.Minute
	cfg.Access = policy.Config{DefaultAllow: "signed_in", Rules: []policy.RuleConfig{
		{Name: "payroll", Paths: []string{"/Payroll/**"}, Allow: policy.Allow{Word: "signed_in"}, RequireFactor: true},
	}}
	rules, folded, err := newRules(cfg)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	who := policy.Subject{SignedIn: true, At: now, FactorAt: now.Add(-2 * time.Minute)}
	for name, of := range map[string]*policy.Rules{"rules": rules, "folded": folded} {
		if d := of.Decide(0, who); d.Outcome != policy.StepUp {
			t.Errorf("%s: a factor proven two minutes ago counted although fresh is one: %+v", name, d)
		}
	}
}
