package signin

import (
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/throttle"
)

// These are the moves that a random walk (walk_test.go) is made of: what people do, and what attackers try. Each does one thing and tells
// the walk what it must expect of it.

func (k *walk) password() {
	p := pick(k, k.people)
	k.what = "password of " + p.Name
	if p.State != account.Active {
		return // package account refuses
	}
	amr := pick(k, [][]string{nil, {"pwd"}, {"pwd", "otp"}, {"mfa"}})
	k.proven(p, amr)
	k.took(k.by.prove(p, amr...))
}

// proven notes a first proof in this step's browser.
func (k *walk) proven(p *person, amr []string) {
	if k.proofs[k.by] == nil {
		k.proofs[k.by] = map[string]proof{}
	}
	pr := proof{at: k.now, amr: amr}
	if p.Owner == account.OwnerLocal {
		pr.password = k.changedAt(p)
	}
	k.proofs[k.by][p.ID] = pr
}

func (k *walk) ticket() string {
	if len(k.tickets) == 0 || k.rng.IntN(20) == 0 {
		return pick(k, []string{"", "junk", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})
	}
	return pick(k, k.tickets[max(0, len(k.tickets)-4):])
}

// answer answers with something of somebody's, right, stale, used or wrong. Whoever it belongs to is proven by it if it is right and the
// step is theirs; the judge demands no more than that.
func (k *walk) answer() {
	p, tk := pick(k, k.people), k.ticket()
	kind := pick(k, []mfa.Kind{mfa.TOTP, mfa.TOTP, mfa.Email, mfa.Recovery, mfa.Passkey})
	if k.rng.IntN(2) == 0 { // as the owner does, on the page that asks
		for _, t := range k.tickets {
			if page, err := k.by.page(t, ""); err == nil {
				i := slices.IndexFunc(k.people, func(p *person) bool { return p.Email == page.Who })
				p, tk, kind = k.people[i], t, page.Kind
			}
		}
	}
	form, right, taken := k.formOf(p, kind, tk)
	remember := k.rng.IntN(2) == 0
	k.what = fmt.Sprintf("answer %s of %s, right %v", kind, p.Name, right)
	by := k.by
	send := func() (Step, error) { return by.check(tk, kind, form, remember) }
	if right {
		k.factor[p.ID], k.standIn[p.ID] = true, kind == mfa.Recovery
	}
	next, err := send()
	k.took(next, err)
	if err == nil && !right {
		k.fail("a wrong answer was taken")
	}
	if err == nil && taken != nil {
		taken()
	}
	if err == nil && kind == mfa.Recovery {
		if k.stoodIn[by] == nil {
			k.stoodIn[by] = map[string]time.Time{}
		}
		k.stoodIn[by][p.ID] = k.now
	}
	if err == nil && remember && kind != mfa.Recovery && next.Kind == StepDone && p.Owner != "always" && k.Factors.Config().RememberDevice > 0 {
		if k.devices[by] == nil {
			k.devices[by] = map[string]time.Time{}
		}
		k.devices[by][p.ID] = k.now
	}
	k.again = func() { k.by = by; k.took(send()) } // replayed: shows nothing new
}

// formOf returns an answer of a kind, whether it is one that may be taken, and what follows where it is.
func (k *walk) formOf(p *person, kind mfa.Kind, tk string) (form url.Values, right bool, taken func()) {
	if k.rng.IntN(3) == 0 {
		return url.Values{"code": {"000000"}, "credential": {"{}"}}, false, nil
	}
	switch kind {
	case mfa.TOTP:
		if len(p.apps) == 0 {
			break
		}
		a := pick(k, p.apps)
		code, step := a.code(k.now)
		return typed(code), step > a.last, func() { a.last = step }
	case mfa.Email:
		code := k.codes[p.ID]
		return typed(code), code != "", nil
	case mfa.Recovery:
		if len(p.recovery) == 0 {
			break
		}
		i := k.rng.IntN(len(p.recovery))
		code := p.recovery[i]
		return typed(code), true, nil
	case mfa.Passkey:
		page, err := k.by.page(tk, mfa.Passkey)
		view, ok := page.View.(mfa.PasskeyView)
		if err != nil || !ok || view.Options == "" {
			break
		}
		if c, err := p.keys.Get(view.Options); err == nil {
			return url.Values{"credential": {c}}, true, nil
		}
	}
	return typed(""), false, nil
}

func (k *walk) look() {
	k.what = "look at a page"
	_, err := k.by.page(k.ticket(), pick(k, []mfa.Kind{"", mfa.TOTP, mfa.Email, mfa.Passkey, mfa.Recovery, "fax"}))
	k.took(Step{}, err)
}

func (k *walk) send() {
	k.what = "send a code"
	k.took(k.by.send(k.ticket(), pick(k, []mfa.Kind{mfa.Email, mfa.TOTP, mfa.SMS})))
}

// enrol sets something up: in a sign-in that asks for it, or signed in.
func (k *walk) enrol() {
	tk := k.ticket()
	if k.rng.IntN(2) == 0 {
		tk = ""
	}
	kind := pick(k, []mfa.Kind{mfa.TOTP, mfa.TOTP, mfa.Email, mfa.Passkey})
	k.what = fmt.Sprintf("enrol %s", kind)
	next, err := k.by.beginEnrol(tk, kind)
	k.took(next, err)
	if err != nil || ticket(next) == "" {
		return
	}
	tk = ticket(next)
	if k.rng.IntN(4) == 0 {
		return // the tab stays open
	}
	k.confirm(tk, kind)
}

func (k *walk) confirm(tk string, kind mfa.Kind) {
	page, err := k.by.enrolment(tk, kind)
	if err != nil {
		k.took(Step{}, err)
		return
	}
	p := k.people[slices.IndexFunc(k.people, func(p *person) bool { return p.Email == page.Who })]
	var form url.Values
	var a *app
	switch kind {
	case mfa.TOTP:
		if a, form, err = k.by.app(tk); err != nil {
			k.took(Step{}, err)
			return
		}
	case mfa.Email:
		form = typed(k.codes[p.ID])
	case mfa.Passkey:
		c, err := p.keys.Create(page.View.(mfa.PasskeyView).Options)
		if err != nil {
			return
		}
		form = url.Values{"credential": {c}}
	}
	if k.rng.IntN(5) == 0 {
		form = url.Values{"code": {"x"}, "credential": {"{}"}}
	}
	k.factor[p.ID] = true
	had, by := k.asks(p).has, k.by.session()
	next, err := k.by.confirmEnrol(tk, kind, form)
	k.took(next, err)
	if err == nil {
		signedIn := by != nil && by.AccountID == p.ID && !by.FactorAt.IsZero() && k.now.Sub(by.FactorAt) < k.Factors.Config().Fresh+AttemptLifetime
		if stood := k.stoodIn[k.by][p.ID]; had && !signedIn && (stood.IsZero() || k.now.Sub(stood) > AttemptLifetime) {
			k.fail("somebody who has not proven a factor of %s has added another", p.Name)
		}
		if a != nil {
			p.apps = append(p.apps, a)
		}
		p.recovery = append(p.recovery, next.Codes...)
	}
}

func (k *walk) skipping() {
	k.what, k.skipped = "put it off", true
	for _, p := range k.people {
		if first, err := k.store.FirstPrompted(k.t.Context(), p.ID, k.now); err == nil {
			k.prompted[p.ID] = first
		}
	}
	k.took(k.by.skip(k.ticket()))
}

func (k *walk) stepUpOrNot() {
	k.what = "step up"
	next, _, err := k.by.stepUp(pick(k, []string{"/admin/users", "/_gate/account", "//evil.test", "/_gate/factor/enrol"}))
	if !fault.Is(err, fault.Forbidden) { // switched off
		k.took(next, err)
	}
}

func (k *walk) onlyPasskey() {
	p := pick(k, k.people)
	k.what = "passkey of " + p.Name + " alone"
	if k.asks(p).off {
		return
	}
	k.alone[p.ID] = len(p.keys.Keys) > 0
	next, err := k.by.passkey(func(options string) (string, error) {
		if len(p.keys.Keys) == 0 {
			return "{}", nil
		}
		return p.keys.Get(options)
	})
	k.took(next, err)
}

func (k *walk) forget() {
	k.what = "forget cookies"
	for name := range k.by.cookies {
		if k.rng.IntN(3) == 0 {
			delete(k.by.cookies, name)
			if name == "__Host-crmgate_device" {
				delete(k.devices, k.by)
			}
		}
	}
}

func (k *walk) wait() {
	k.what = "wait"
	k.now = k.now.Add(pick(k, []time.Duration{time.Second, 31 * time.Second, time.Minute, 4 * time.Minute, time.Minute, 16 * time.Minute, pick(k, []time.Duration{2 * time.Hour, 2 * time.Hour, 31 * 24 * time.Hour})}))
}

func (k *walk) administer() {
	p, ctx := pick(k, k.people), k.t.Context()
	switch k.rng.IntN(6) {
	case 0:
		k.what = "disable or enable " + p.Name
		state := pick(k, []account.State{account.Active, account.Active, account.Disabled})
		if _, err := k.store.UpdateAccount(ctx, p.ID, func(a *account.Account) error { a.State = state; return nil }); err != nil {
			k.t.Fatal(err)
		}
		p.State = state
	case 1:
		if k.rng.IntN(3) > 0 {
			return
		}
		k.what = "new password for " + p.Name
		if l, ok := p.Local(); ok {
			if err := k.store.SetPassword(ctx, l, "hash", 0, k.now); err != nil {
				k.t.Fatal(err)
			}
			k.endDevices(p)
		}
	case 2:
		if k.rng.IntN(3) > 0 {
			return
		}
		k.what = "clear factors of " + p.Name
		if _, err := k.Factors.Clear(ctx, p.ID, "cli"); err != nil {
			k.t.Fatal(err)
		}
		p.apps, p.keys.Keys, p.recovery = nil, nil, nil
		k.endDevices(p)
	case 3:
		k.what = "issue a code to " + p.Name
		if k.Factors.Off() {
			return
		}
		code, err := k.Factors.IssueRecoveryCode(ctx, p.ID, "cli")
		if err != nil {
			k.t.Fatal(err)
		}
		p.recovery = append(p.recovery, code)
	default:
		k.what = "unlock " + p.Name
		if err := k.Accounts.Lockout.Unlock(ctx, throttle.FactorKey(p.ID)); err != nil {
			k.t.Fatal(err)
		}
	}
}

func (k *walk) endDevices(p *person) {
	for _, d := range k.devices {
		delete(d, p.ID)
	}
}

// replay sends the last answer once more. Whatever it was, it shows nothing that was not shown.
func (k *walk) replay() {
	k.what = "replay"
	if k.again != nil {
		k.again()
	}
}

// crowd sends one right answer from several tabs at once: one session comes of it.
func (k *walk) crowd() {
	k.what = "a crowd"
	i := slices.IndexFunc(k.people, func(p *person) bool {
		return p.Owner == account.OwnerLocal && p.State == account.Active && len(p.apps) > 0
	})
	if i < 0 {
		return
	}
	p := k.people[i]
	k.now = k.now.Add(time.Minute)
	k.proven(p, nil)
	next, err := k.by.prove(p)
	if err != nil || ticket(next) == "" {
		k.took(next, err)
		return
	}
	a := p.apps[len(p.apps)-1]
	code, step := a.code(k.now)
	a.last = step
	k.factor[p.ID] = true
	before := len(k.sessionsOf(p.ID))
	var wg sync.WaitGroup
	for range 4 {
		tab := &browser{w: k.world, cookies: map[string]string{}}
		for name, v := range k.by.cookies {
			tab.cookies[name] = v
		}
		delete(tab.cookies, "__Host-crmgate_session")
		wg.Go(func() { _, _ = tab.check(ticket(next), mfa.TOTP, typed(code), false) })
	}
	wg.Wait()
	if n := len(k.sessionsOf(p.ID)) - before; n > 1 {
		k.fail("%d sessions came of one code", n)
	}
}
