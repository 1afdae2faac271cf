package signin

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/mfa"
	"crmgate/internal/realtest/softkey"
	"crmgate/internal/session"
	"crmgate/internal/storetest"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

// world is a Flow over memory, with people, browsers and a clock that moves when it is told to.
type world struct {
	*Flow
	t      testing.TB
	store  *storetest.Memory
	now    time.Time
	people []*person
	// codes are the newest codes that were mailed, by account; mails counts them.
	codes map[string]string
	mails int
}

// person is somebody with an account, and what they hold.
type person struct {
	*account.Account
	apps     []*app
	keys     *softkey.Authenticator
	recovery []string
}

// app is an authenticator app, written once more so that the test does not believe the code.
type app struct {
	secret []byte
	last   int64
}

func (a *app) code(now time.Time) (string, int64) {
	step := now.Unix() / 30
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(step))
	h := hmac.New(sha1.New, a.secret)
	h.Write(b[:])
	sum := h.Sum(nil)
	o := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[o:])&0x7fffffff)%1_000_000), step
}

const testOrigin = "https://crm.example.test"

type mailbox struct{ w *world }

func (m mailbox) MailCode(_ context.Context, who mfa.Person, _, code string, _ time.Duration) error {
	m.w.codes[who.ID] = code
	m.w.mails++
	return nil
}

type noMail struct{}

func (noMail) Send(context.Context, mail.Message) error { return nil }

func newWorld(t testing.TB, change func(*mfa.Config), providers ...identity.Provider) *world {
	t.Helper()
	w := &world{t: t, store: storetest.NewMemory(), now: time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC), codes: map[string]string{}}
	clock := func() time.Time { return w.now }
	sealer, err := token.NewSealer(token.NewSealKey(w.now))
	if err != nil {
		t.Fatal(err)
	}
	cfg := mfa.Config{}.Default()
	if change != nil {
		change(&cfg)
	}
	public, _ := url.Parse(testOrigin)
	factors, err := mfa.New(mfa.Env{Config: cfg, Public: public, Product: "Deal Desk", Mail: mailbox{w}}, mfa.Deps{Store: w.store, Devices: w.store, Sealer: sealer, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	realms := identity.NewRealms(providers...)
	sessions := &session.Manager{Store: w.store, Config: session.Config{}.Default(), Secure: true, Now: clock}
	accounts := &account.Service{
		Config: account.Config{}.Default(), Store: w.store, Passwords: w.store, Realms: realms, Sessions: sessions, Mail: noMail{}, Audit: audit.Discard, Now: clock,
		Lockout: &throttle.Lockout{Store: w.store, Config: throttle.Config{}.Default(), Now: clock},
	}
	w.Flow = &Flow{
		Realms: realms, Accounts: accounts, Sessions: sessions, Audit: audit.Discard, LocalEnabled: true, BaseURL: testOrigin + "/_gate", Prefix: "/_gate",
		Factors: factors, Pending: w.store, Sealer: sealer, Once: w.store, Now: clock,
		IsAdmin: func(email string, _ []string) bool { return strings.HasPrefix(email, "admin") },
	}
	return w
}

// add makes an account.
func (w *world) add(name, owner string, groups ...string) *person {
	w.t.Helper()
	p := &person{Account: &account.Account{ID: token.NewID(), Owner: owner, Email: name + "@partner.test", Name: name, Groups: groups, State: account.Active},
		keys: &softkey.Authenticator{Origin: testOrigin}}
	if err := w.store.CreateAccount(w.t.Context(), p.Account, nil); err != nil {
		w.t.Fatal(err)
	}
	if l, ok := p.Local(); ok {
		if err := w.store.SetPassword(w.t.Context(), l, "hash", 0, w.now); err != nil {
			w.t.Fatal(err)
		}
	}
	w.people = append(w.people, p)
	return p
}

// browser holds cookies.
type browser struct {
	w       *world
	cookies map[string]string
}

func (w *world) browser() *browser { return &browser{w: w, cookies: map[string]string{}} }

// do runs something as a request of this browser and keeps the cookies it sets.
func (b *browser) do(f func(http.ResponseWriter, *http.Request) (Step, error)) (Step, error) {
	r := httptest.NewRequest(http.MethodPost, testOrigin+"/", nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	next, err := f(rec, r)
	for _, c := range rec.Result().Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return next, err
}

// session returns the browser's live session, nil for none.
func (b *browser) session() *session.Session {
	var found *session.Session
	_, err := b.do(func(_ http.ResponseWriter, r *http.Request) (s Step, err error) {
		found, err = b.w.Sessions.Lookup(r)
		return s, err
	})
	if err != nil {
		b.w.t.Fatal(err)
	}
	return found
}

// prove is a right password or a provider's word for somebody.
func (b *browser) prove(p *person, amr ...string) (Step, error) {
	return b.do(func(w http.ResponseWriter, r *http.Request) (Step, error) {
		a, err := b.w.store.GetAccount(r.Context(), p.ID)
		if err != nil {
			return Step{}, err
		}
		pr := progress{account: a, via: a.Owner, returnTo: "/deals", identity: identity.Identity{AMR: amr}}
		if l, ok := a.Local(); ok {
			password, err := b.w.store.GetPassword(r.Context(), l)
			if err != nil {
				return Step{}, err
			}
			a.PasswordChangedAt = password.ChangedAt
		} else {
			pr.identity.IDToken, pr.identity.Issuer, pr.identity.Subject = "token", "ldap", "u1"
		}
		return b.w.Next(w, r, pr)
	})
}

// ticket is the step that a Step leads to.
func ticket(s Step) string {
	u, err := url.Parse(s.URL)
	if err != nil {
		return ""
	}
	return u.Query().Get("step")
}

func (b *browser) check(ticket string, k mfa.Kind, form url.Values, remember bool) (Step, error) {
	return b.do(func(w http.ResponseWriter, r *http.Request) (Step, error) {
		return b.w.CheckFactor(w, r, ticket, k, form, remember)
	})
}

func (b *browser) page(ticket string, k mfa.Kind) (page FactorPage, err error) {
	_, err = b.do(func(_ http.ResponseWriter, r *http.Request) (s Step, err error) {
		page, err = b.w.Factor(r, ticket, k)
		return s, err
	})
	return page, err
}

func (b *browser) send(ticket string, k mfa.Kind) (Step, error) {
	return b.do(func(_ http.ResponseWriter, r *http.Request) (Step, error) { return b.w.SendFactor(r, ticket, k) })
}

func (b *browser) beginEnrol(ticket string, k mfa.Kind) (Step, error) {
	return b.do(func(_ http.ResponseWriter, r *http.Request) (Step, error) {
		return b.w.BeginEnrol(r, ticket, "/deals", k, nil)
	})
}

func (b *browser) enrolment(ticket string, k mfa.Kind) (page EnrolPage, err error) {
	_, err = b.do(func(_ http.ResponseWriter, r *http.Request) (s Step, err error) {
		page, err = b.w.Enrolment(r, ticket, k)
		return s, err
	})
	return page, err
}

func (b *browser) confirmEnrol(ticket string, k mfa.Kind, form url.Values) (Step, error) {
	return b.do(func(w http.ResponseWriter, r *http.Request) (Step, error) {
		return b.w.ConfirmEnrol(w, r, ticket, k, form)
	})
}

func (b *browser) skip(ticket string) (Step, error) {
	return b.do(func(w http.ResponseWriter, r *http.Request) (Step, error) { return b.w.SkipEnrol(w, r, ticket) })
}

func (b *browser) stepUp(to string) (next Step, c *Confirm, err error) {
	next, err = b.do(func(_ http.ResponseWriter, r *http.Request) (s Step, err error) {
		s, c, err = b.w.StepUp(r, to)
		return s, err
	})
	return next, c, err
}

// passkey signs in with a passkey alone.
func (b *browser) passkey(answer func(options string) (string, error)) (Step, error) {
	var sealed, options string
	if _, err := b.do(func(w http.ResponseWriter, r *http.Request) (s Step, err error) {
		sealed, options, err = b.w.PasskeyChallenge(w, r)
		return s, err
	}); err != nil {
		return Step{}, err
	}
	c, err := answer(options)
	if err != nil {
		return Step{}, err
	}
	return b.do(func(w http.ResponseWriter, r *http.Request) (Step, error) {
		return b.w.Passkey(w, r, sealed, Request{ReturnTo: "/deals"}, url.Values{"credential": {c}})
	})
}

func typed(code string) url.Values { return url.Values{"code": {code}} }

// setUpApp enrols an authenticator app where a ticket, or a session for "", lets it.
func (b *browser) setUpApp(p *person, tk string) (Step, error) {
	next, err := b.beginEnrol(tk, mfa.TOTP)
	if err != nil || ticket(next) == "" {
		return next, err
	}
	a, form, err := b.app(ticket(next))
	if err != nil {
		return Step{}, err
	}
	next, err = b.confirmEnrol(ticket(next), mfa.TOTP, form)
	if err == nil {
		p.apps = append(p.apps, a)
		p.recovery = append(p.recovery, next.Codes...)
	}
	return next, err
}

// app scans the page of an enrolment and returns the answer to it.
func (b *browser) app(tk string) (*app, url.Values, error) {
	page, err := b.enrolment(tk, mfa.TOTP)
	if err != nil {
		return nil, nil, err
	}
	view, _ := page.View.(mfa.TOTPView)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(view.Secret, " ", ""))
	a := &app{secret: secret}
	code, step := a.code(b.w.now)
	a.last = step
	return a, typed(code), err
}

// sessionsOf returns the ids of an account's sessions.
func (w *world) sessionsOf(id string) []string {
	list, err := w.store.ListSessions(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids
}
