package mfa_test

import (
	"context"
	"encoding/base32"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/storetest"
	"crmgate/internal/token"
)

// courier keeps the codes that were mailed.
type courier struct{ to, code string }

func (c *courier) MailCode(_ context.Context, _ mfa.Person, to, code string, _ time.Duration) error {
	c.to, c.code = to, code
	return nil
}

type events struct{ kinds []audit.Kind }

func (e *events) Record(_ context.Context, ev audit.Event) { e.kinds = append(e.kinds, ev.Kind) }

// world is a Service over memory, with a clock that stands still until it is moved.
type world struct {
	*mfa.Service
	store *storetest.Memory
	mail  *courier
	audit *events
	now   time.Time
}

const origin = "https://crm.example.test"

func newWorld(t testing.TB, change ...func(*mfa.Config)) *world {
	t.Helper()
	w := &world{store: storetest.NewMemory(), mail: &courier{}, audit: &events{}, now: time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)}
	sealer, err := token.NewSealer(token.NewSealKey(w.now))
	if err != nil {
		t.Fatal(err)
	}
	cfg := mfa.Config{}.Default()
	for _, c := range change {
		c(&cfg)
	}
	public, _ := url.Parse(origin)
	w.Service, err = mfa.New(mfa.Env{Config: cfg, Public: public, Product: "Deal: Desk", Mail: w.mail},
		mfa.Deps{Store: w.store, Devices: w.store, Sealer: sealer, Audit: w.audit, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) person(testing.TB) mfa.Person {
	return mfa.Person{ID: w.store.Person("pat@partner.test"), Name: "Pat", Email: "pat@partner.test"}
}

func code(c string) url.Values { return url.Values{"code": {c}} }

// enrolTOTP gives a person an authenticator app and returns its key.
func (w *world) enrolTOTP(t testing.TB, who mfa.Person) []byte {
	t.Helper()
	state, err := w.Enrol(t.Context(), who, mfa.TOTP, nil)
	if err != nil {
		t.Fatal(err)
	}
	view, err := w.EnrolView(who, mfa.TOTP, state)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(view.(mfa.TOTPView).Secret, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	w.confirm(t, who, mfa.TOTP, state, code(mfa.Code(secret, w.now, 6)))
	return secret
}

func (w *world) confirm(t testing.TB, who mfa.Person, k mfa.Kind, state []byte, form url.Values) {
	t.Helper()
	fresh, err := w.Confirm(t.Context(), who, k, state, form)
	if err == nil {
		_, err = w.Add(t.Context(), who, k, fresh, "", false)
	}
	if err != nil {
		t.Fatalf("confirm %s: %v", k, err)
	}
}

func must(list []mfa.Enrolment, err error) []byte {
	var b strings.Builder
	for _, e := range must2(list, err) {
		b.WriteString(e.Secret)
	}
	return []byte(b.String())
}

func must2(list []mfa.Enrolment, err error) []mfa.Enrolment {
	if err != nil {
		panic(err)
	}
	return list
}

func TestSentCodes(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	enrol := func(form url.Values) []byte {
		state, err := w.Enrol(t.Context(), who, mfa.Email, form)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	state := enrol(url.Values{"email": {"mallory@evil.test"}, "to": {"mallory@evil.test"}})
	if w.mail.to != "pat@partner.test" {
		t.Errorf("the code went to %s", w.mail.to)
	}
	if strings.Contains(string(state), w.mail.code) || len(w.mail.code) != 6 {
		t.Errorf("code %s, state %s", w.mail.code, state)
	}
	if _, err := w.Confirm(t.Context(), who, mfa.Email, state, code("x")); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("a wrong code: %v", err)
	}
	w.confirm(t, who, mfa.Email, state, code(w.mail.code))
	if _, err := w.Enrol(t.Context(), who, mfa.Email, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("a second mailbox: %v", err)
	}

	// The address that was confirmed stays the one, whatever becomes of the account's.
	moved := who
	moved.Email = "mallory@evil.test"
	check, err := w.Begin(t.Context(), moved, mfa.Email)
	if err != nil || w.mail.to != "pat@partner.test" {
		t.Fatalf("the code went to %s, %v", w.mail.to, err)
	}
	first := w.mail.code
	again, err := w.Begin(t.Context(), who, mfa.Email)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Check(t.Context(), who, mfa.Email, again, code(first)); !errors.Is(err, mfa.ErrWrong) && first != w.mail.code {
		t.Errorf("the code of another request: %v", err)
	}
	w.now = w.now.Add(10 * time.Minute)
	if _, err := w.Check(t.Context(), who, mfa.Email, check, code(first)); !fault.Is(err, fault.Expired) {
		t.Errorf("after ten minutes: %v", err)
	}
	if _, err := w.Check(t.Context(), who, mfa.Email, nil, code("")); err == nil {
		t.Error("nothing was sent, and nothing is accepted")
	}
}

// What is weak counts only where there is nothing better; what stands in is no factor.
func TestChoices(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	ways := func() (out []mfa.Kind) {
		c, err := w.Choices(t.Context(), who.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range c.Ways {
			out = append(out, i.Kind)
		}
		return out
	}
	want := func(kinds ...mfa.Kind) {
		t.Helper()
		if d := cmp.Diff(kinds, ways()); d != "" {
			t.Errorf("ways (-want +got):\n%s", d)
		}
	}
	want()
	state, err := w.Enrol(t.Context(), who, mfa.Email, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.confirm(t, who, mfa.Email, state, code(w.mail.code))
	if _, err := w.NewRecoveryCodes(t.Context(), who.ID); err != nil {
		t.Fatal(err)
	}
	want(mfa.Email, mfa.Recovery)
	has, err := w.Has(t.Context(), who.ID)
	if strong, err2 := w.HasStrong(t.Context(), who.ID); !has || strong || errors.Join(err, err2) != nil {
		t.Errorf("a code by mail: has %v, strong %v, %v", has, strong, errors.Join(err, err2))
	}
	w.enrolTOTP(t, who)
	if strong, err := w.HasStrong(t.Context(), who.ID); !strong || err != nil {
		t.Errorf("an app: strong %v, %v", strong, err)
	}
	want(mfa.TOTP, mfa.Recovery)
	if _, err := w.Begin(t.Context(), who, mfa.Email); !fault.Is(err, fault.Conflict) {
		t.Errorf("a code by mail beside an app: %v", err)
	}
	for _, e := range must2(w.List(t.Context(), who.ID)) {
		if e.Kind == mfa.TOTP {
			if _, err := w.Remove(t.Context(), who.ID, e.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	want(mfa.Email, mfa.Recovery)
	for _, e := range must2(w.List(t.Context(), who.ID)) {
		if e.Kind == mfa.Email {
			if _, err := w.Remove(t.Context(), who.ID, e.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	want() // with the last one the codes that stood in for it are gone
}

// A row that is copied to another account opens nothing there.
func TestSecretsAreBoundToTheirAccount(t *testing.T) {
	w := newWorld(t)
	mallory, victim := w.person(t), w.person(t)
	secret := w.enrolTOTP(t, mallory)
	stolen := must2(w.store.ListFactors(t.Context(), mallory.ID))[0]
	stolen.ID, stolen.AccountID, stolen.Lookup = token.NewID(), victim.ID, ""
	if err := w.store.CreateFactor(t.Context(), stolen, 20, false); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(time.Minute)
	if _, err := w.Check(t.Context(), victim, mfa.TOTP, nil, code(mfa.Code(secret, w.now, 6))); !errors.Is(err, token.ErrUnsealable) {
		t.Errorf("a copied row: %v", err)
	}
}

func TestDevices(t *testing.T) {
	w := newWorld(t)
	who, other := w.person(t), w.person(t)
	secret, err := w.RememberDevice(t.Context(), who.ID)
	if err != nil || !token.WellFormed(secret) {
		t.Fatalf("RememberDevice = %q, %v", secret, err)
	}
	found := func(id string, secrets ...string) bool {
		d, err := w.Device(t.Context(), id, secrets)
		if err != nil {
			t.Fatal(err)
		}
		return d != ""
	}
	if !found(who.ID, token.NewSecret(), secret) || found(other.ID, secret) || found(who.ID, "junk", "") {
		t.Error("a device stands in for its own account, and for no other")
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	if found(who.ID, secret) {
		t.Error("it is remembered for ever")
	}
	off := newWorld(t, func(c *mfa.Config) { c.RememberDevice = 0 })
	if secret, err := off.RememberDevice(t.Context(), who.ID); secret != "" || err != nil {
		t.Errorf("switched off: %q, %v", secret, err)
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	w.enrolTOTP(t, who)
	e := must2(w.List(t.Context(), who.ID))[0]
	if err := w.Rename(t.Context(), who.ID, e.ID, " \x00<b>Pat's\u202e\n phone</b> "+strings.Repeat("x", 100)); err != nil {
		t.Fatal(err)
	}
	if got := must2(w.List(t.Context(), who.ID))[0].Name; got != "<b>Pat's phone</b> xxxxxxxxxxxxxxxxxxxxx" {
		t.Errorf("name %q", got)
	}
	if err := w.Rename(t.Context(), who.ID, e.ID, " \n"); !fault.Is(err, fault.Invalid) {
		t.Errorf("an empty name: %v", err)
	}
	if err := w.Rename(t.Context(), w.person(t).ID, e.ID, "mine"); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else's: %v", err)
	}
}

func TestOff(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	w.enrolTOTP(t, who)
	off, err := mfa.New(mfa.Env{Config: mfa.Config{Policy: mfa.PolicyOff, Allowed: []string{"totp"}}, Public: &url.URL{Host: "x"}}, mfa.Deps{Store: w.store, Devices: w.store})
	if err != nil {
		t.Fatal(err)
	}
	has, err := off.Has(t.Context(), who.ID)
	c, err2 := off.Choices(t.Context(), who.ID)
	offer, err3 := off.Offer(t.Context(), who)
	if has || len(c.Ways) > 0 || len(offer) > 0 || errors.Join(err, err2, err3) != nil || !(*mfa.Service)(nil).Off() {
		t.Errorf("off: has %v, ways %v, offer %v, %v", has, c.Ways, offer, errors.Join(err, err2, err3))
	}
}

func TestShown(t *testing.T) {
	for _, tt := range []struct {
		amr  string
		want bool
	}{
		{"", false}, {"pwd", false}, {"pwd rsa", false}, {"pwd mfa", true}, {"mfa", true}, {"ngcmfa", true}, {"otp", false}, {"hwk", false}, {"hwk user", false},
		{"pwd otp", true}, {"pin hwk", true}, {"fpt hwk", true}, {"sms otp", false}, {"pwd pin", false}, {"pwd face", true}, {"MFA", false}, {"unknown pwd", false},
	} {
		if got := mfa.Shown(strings.Fields(tt.amr)); got != tt.want {
			t.Errorf("Shown(%s) = %v", tt.amr, got)
		}
	}
}
