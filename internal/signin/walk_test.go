package signin

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
)

var walks = flag.Int("walks", 30, "random walks through the state machine")

// TestWalk walks the whole state machine at random, as people and as attackers who hold what others hold, and looks after every step whether
// a session exists, or counts as stronger, without what the policy asks for it. What a step may bring about is decided by what the test
// itself has shown in it, not by what the flow says.
func TestWalk(t *testing.T) {
	policies := []func(*mfa.Config){
		func(*mfa.Config) {},
		func(c *mfa.Config) { c.Policy = mfa.PolicyRequired },
		func(c *mfa.Config) { c.Policy, c.EnrolmentGrace = mfa.PolicyRequired, time.Hour },
		func(c *mfa.Config) { c.RequiredFor.Groups, c.RememberDevice = []string{"finance"}, 0 },
		func(c *mfa.Config) { c.RequiredFor.Admins = false },
		func(c *mfa.Config) { c.Policy = mfa.PolicyOff },
	}
	seen := map[string]int{}
	for seed := range *walks {
		w := newWorld(t, policies[seed%len(policies)], stub{ID: "trust"}, stub{ID: "always", Factor: identity.FactorAlways}, stub{ID: "unless", Factor: identity.FactorUnlessAMR})
		k := &walk{world: w, rng: rand.New(rand.NewPCG(uint64(seed), 7)), seed: seed, devices: map[*browser]map[string]time.Time{}, proofs: map[*browser]map[string]proof{}, prompted: map[string]time.Time{}, seen: map[string]int{},
			stoodIn: map[*browser]map[string]time.Time{}}
		for _, p := range []struct {
			name, owner string
			groups      []string
		}{{"pat", "local", nil}, {"admin", "local", nil}, {"fin", "local", []string{"finance"}}, {"ann", "trust", nil}, {"al", "always", nil}, {"una", "unless", nil}} {
			w.add(p.name, p.owner, p.groups...)
		}
		for range 3 {
			k.browsers = append(k.browsers, w.browser())
		}
		for k.n = range 250 {
			k.step()
		}
		for what, n := range k.seen {
			seen[what] += n
		}
	}
	t.Logf("sessions: %v", seen)
	for _, what := range []string{"plain", "factor", "device", "alone", "put off", "stepped up"} {
		if seen[what] < *walks/10 {
			t.Errorf("only %d of %q in %d walks: the walk does not get there", seen[what], what, *walks)
		}
	}
}

// proof is a first proof that was given.
type proof struct {
	at  time.Time
	amr []string
	// password is when the password was set that it was given with.
	password time.Time
}

// walk is one walk and what it has shown so far.
type walk struct {
	*world
	rng      *rand.Rand
	seed, n  int
	browsers []*browser
	tickets  []string
	// seen counts what came about, so that a walk that gets nowhere is noticed.
	seen map[string]int
	// devices are the accounts for which a browser was remembered, and when; proofs the first proofs given in a browser.
	devices  map[*browser]map[string]time.Time
	proofs   map[*browser]map[string]proof
	prompted map[string]time.Time
	again    func()
	// stoodIn is when a recovery code was taken in a browser.
	stoodIn map[*browser]map[string]time.Time

	// What this step shows.
	by      *browser
	what    string
	factor  map[string]bool // accounts whose factor is proven in it
	standIn map[string]bool // those among them that used what only stands in
	alone   map[string]bool // accounts whose passkey is proven as the only step
	skipped bool
}

func pick[T any](k *walk, list []T) T { return list[k.rng.IntN(len(list))] }

func (k *walk) step() {
	k.by, k.factor, k.standIn, k.alone, k.skipped = pick(k, k.browsers), map[string]bool{}, map[string]bool{}, map[string]bool{}, false
	before := k.snapshot()
	needs := map[string]demandSeen{}
	for _, p := range k.people {
		needs[p.ID] = k.asks(p)
	}
	acts := []func(){k.password, k.password, k.password, k.answer, k.answer, k.answer, k.answer, k.answer, k.answer, k.look, k.send, k.enrol, k.enrol, k.skipping, k.stepUpOrNot, k.onlyPasskey, k.forget,
		k.wait, k.administer, k.replay, k.crowd}
	pick(k, acts)()
	k.judge(before, k.snapshot(), needs)
}

func (k *walk) snapshot() map[string]session.Session {
	list, err := k.store.ListSessions(k.t.Context(), "")
	if err != nil {
		k.t.Fatal(err)
	}
	out := map[string]session.Session{}
	for _, s := range list {
		if other, ok := out[s.Bound()]; ok {
			k.fail("two sessions from one sign-in of %s: %s and %s", s.Email, s.ID, other.ID)
		}
		out[s.Bound()] = *s
	}
	return out
}

// demandSeen is what the policy asks for somebody, by the words of the manual.
type demandSeen struct {
	off, trusts, every, must, has, standIn bool
}

func (k *walk) asks(p *person) (d demandSeen) {
	cfg := k.Factors.Config()
	if d.off = cfg.Policy == mfa.PolicyOff; d.off {
		return d
	}
	list, err := k.store.ListFactors(k.t.Context(), p.ID)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, e := range list {
		d.has = d.has || e.Kind != mfa.Recovery
		d.standIn = d.standIn || e.Kind == mfa.Recovery
	}
	switch p.Owner {
	case "trust":
		d.trusts = true
	case "always":
		d.must, d.every = true, true
	case "unless":
		d.must = true
	default:
		d.must = cfg.Policy == mfa.PolicyRequired || p.Name == "admin" && cfg.RequiredFor.Admins || p.Name == "fin" && len(cfg.RequiredFor.Groups) > 0
	}
	return d
}

// judge looks at what a step has brought about.
func (k *walk) judge(before, after map[string]session.Session, needs map[string]demandSeen) {
	for id, s := range after {
		was, old := before[id]
		switch {
		case !old:
			k.count(s)
			if why := k.unearned(s, needs[s.AccountID]); why != "" {
				k.fail("session of %s: %s: %+v", s.Email, why, s)
			}
		case !s.FactorAt.Equal(was.FactorAt) && (!k.factor[s.AccountID] || s.ID == was.ID):
			k.fail("FactorAt of a session of %s moved without a proof, or under the name that it had before", s.Email)
		case !s.FactorAt.Equal(was.FactorAt):
			k.seen["stepped up"]++
		case s.AccountID != was.AccountID || !slices.Equal(s.AMR, was.AMR) && !k.factor[s.AccountID]:
			k.fail("session of %s became another: %v, %v", s.Email, was, s)
		}
	}
}

// count notes what sort of session came about.
func (k *walk) count(s session.Session) {
	what := "plain"
	switch {
	case k.alone[s.AccountID]:
		what = "alone"
	case !s.FactorAt.IsZero():
		what = "factor"
	case s.Device != "":
		what = "device"
	case k.skipped:
		what = "put off"
	}
	k.seen[what]++
}

// unearned says why a new session should not exist, "" where it may.
func (k *walk) unearned(s session.Session, need demandSeen) string {
	p := k.people[slices.IndexFunc(k.people, func(p *person) bool { return p.ID == s.AccountID })]
	first, ok := k.proofs[k.by][p.ID]
	proven := k.factor[p.ID] || k.alone[p.ID]
	grace := k.skipped && k.now.Before(k.prompted[p.ID].Add(k.Factors.Config().EnrolmentGrace))
	earlier := k.stoodIn[k.by][p.ID]
	switch {
	case !ok && !k.alone[p.ID]:
		return "nobody has proven anything in this browser"
	case !k.alone[p.ID] && k.now.Sub(first.at) > AttemptLifetime:
		return "the first proof is too old"
	case !k.alone[p.ID] && p.Owner == account.OwnerLocal && !first.password.Equal(k.changedAt(p)):
		return "the password has changed since"
	case p.State != account.Active:
		return "the account is disabled"
	case k.alone[p.ID] && p.Owner != account.OwnerLocal:
		return "a passkey has gone past the provider"
	case !proven && !s.FactorAt.IsZero() && !s.FactorAt.Equal(earlier):
		return "it claims a factor that was not proven"
	case k.standIn[p.ID] && need.must && !need.has && !need.off && !mfa.Shown(first.amr):
		return "a recovery code is all there is, and a factor is required"
	case proven && s.FactorAt.IsZero() && !need.off:
		return "it forgets the factor that was proven"
	case need.off, need.trusts, p.Owner == "unless" && mfa.Shown(first.amr), proven:
		return ""
	}
	device := k.remembered(p) && !need.every
	if need.has && !device {
		return "a factor is enrolled and was not asked for"
	}
	if s.Device != "" && !device {
		return "it claims a device that is not remembered"
	}
	if need.must && !need.has && !grace {
		return "a factor is required and none was set up"
	}
	return ""
}

func (k *walk) remembered(p *person) bool {
	at, ok := k.devices[k.by][p.ID]
	return ok && k.now.Sub(at) < k.Factors.Config().RememberDevice
}

func (k *walk) fail(format string, args ...any) {
	k.t.Helper()
	k.t.Fatalf("walk %d, step %d (%s): %s", k.seed, k.n, k.what, fmt.Sprintf(format, args...))
}

func (k *walk) changedAt(p *person) time.Time {
	l, _ := p.Local()
	pw, err := k.store.GetPassword(k.t.Context(), l)
	if err != nil {
		k.t.Fatal(err)
	}
	return pw.ChangedAt
}

func (k *walk) took(s Step, err error) {
	var f *fault.Error
	if err != nil && fault.KindOf(err) == fault.Internal {
		k.fail("a surprise: %v (%v)", err, f)
	}
	if t := ticket(s); t != "" {
		k.tickets = append(k.tickets, t)
	}
	if len(k.tickets) > 12 {
		k.tickets = k.tickets[1:]
	}
}
