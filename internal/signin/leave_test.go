package signin

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// op is a provider whose logout tokens are "subject sid jti".
type op struct {
	stub
	there string
	err   error
	asked identity.SignOut
}

func (p *op) BackChannel(_ context.Context, raw string) (identity.Logout, error) {
	parts := strings.Split(raw, " ")
	if len(parts) != 3 {
		return identity.Logout{}, fault.New(fault.Invalid, "Bad.")
	}
	return identity.Logout{Issuer: "i", Subject: parts[0], Session: parts[1], TokenID: parts[2], Expires: time.Now().Add(time.Minute)}, nil
}

func (p *op) FrontChannel(params url.Values) (identity.Logout, error) {
	if params.Get("sid") == "" || params.Get("iss") != "i" {
		return identity.Logout{}, fault.New(fault.Invalid, "Bad.")
	}
	return identity.Logout{Issuer: "i", Session: params.Get("sid")}, nil
}

func (p *op) SignOutURL(ctx context.Context, out identity.SignOut) (string, error) {
	p.asked = out
	if p.there == "hang" {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return p.there, p.err
}

// once is a token.OnceStore in memory.
type once struct {
	token.OnceStore
	used sync.Map
	err  error
}

func (o *once) UseOnce(_ context.Context, purpose, id string, until time.Time) error {
	if o.err != nil {
		return o.err
	}
	if _, taken := o.used.LoadOrStore(purpose+"\x00"+id, until); taken {
		return fault.New(fault.Conflict, "Used.")
	}
	return nil
}

func newLeave(t *testing.T) (*Flow, *op, *memory, *recorder) {
	t.Helper()
	sealer, err := token.NewSealer(token.NewSealKey(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	p, store, events := &op{stub: stub{ID: "contoso"}}, &memory{sessions: map[string]session.Session{}}, &recorder{}
	other := &op{stub: stub{ID: "fabrikam"}}
	return &Flow{
		Realms: identity.NewRealms(p, other, stub{ID: "plain"}), Sessions: &session.Manager{Store: store, Config: session.Config{}.Default()},
		Sealer: sealer, Once: &once{}, Audit: events, Prefix: "/_gate", BaseURL: "https://crm.test/_gate",
	}, p, store, events
}

func TestLogoutsFromTheProvider(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(f *Flow) error
		kind  fault.Kind // of the last error; -1 is none
		left  string
		event string
	}{
		{"a session", func(f *Flow) error { return f.BackChannel(t.Context(), "contoso", "ann s1 1") }, -1, "ann2 bob", "back_channel a"},
		{"a person", func(f *Flow) error { return f.BackChannel(t.Context(), "contoso", "ann  1") }, -1, "bob", "back_channel a"},
		{"a stranger", func(f *Flow) error { return f.BackChannel(t.Context(), "contoso", "eve  1") }, -1, "ann1 ann2 bob", ""},
		{"a bad token", func(f *Flow) error { return f.BackChannel(t.Context(), "contoso", "x") }, fault.Invalid, "ann1 ann2 bob", ""},
		{"twice", func(f *Flow) error {
			return errors.Join(f.BackChannel(t.Context(), "contoso", "eve  1"), f.BackChannel(t.Context(), "contoso", "ann  1"))
		}, fault.Invalid, "ann1 ann2 bob", ""},
		{"the same name of another provider's token", func(f *Flow) error {
			return errors.Join(f.BackChannel(t.Context(), "fabrikam", "ann  1"), f.BackChannel(t.Context(), "contoso", "ann  1"))
		}, -1, "bob", "back_channel a"},
		{"another provider's", func(f *Flow) error { return f.BackChannel(t.Context(), "fabrikam", "ann s1 1") }, -1, "ann1 ann2 bob", ""},
		{"nobody's", func(f *Flow) error { return f.BackChannel(t.Context(), "none", "ann  1") }, fault.NotFound, "ann1 ann2 bob", ""},
		{"one that sends none", func(f *Flow) error { return f.BackChannel(t.Context(), "plain", "ann  1") }, fault.NotFound, "ann1 ann2 bob", ""},
		{"nobody can tell whether it is the first", func(f *Flow) error {
			f.Once.(*once).err = fault.New(fault.Unavailable, "Down.")
			return f.BackChannel(t.Context(), "contoso", "ann  1")
		}, fault.Unavailable, "ann1 ann2 bob", ""},
		{"front channel", func(f *Flow) error {
			iss, err := f.FrontChannel(t.Context(), "contoso", url.Values{"iss": {"i"}, "sid": {"s1"}})
			if iss != "i" {
				t.Errorf("issuer %q", iss)
			}
			return err
		}, -1, "ann2 bob", "front_channel a"},
		{"front channel of nobody", func(f *Flow) error {
			_, err := f.FrontChannel(t.Context(), "contoso", url.Values{"sid": {"s1"}})
			return err
		}, fault.Invalid, "ann1 ann2 bob", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _, store, events := newLeave(t)
			for _, s := range []session.Session{
				{ID: "ann1", AccountID: "a", Provider: "contoso", Issuer: "i", Subject: "ann", ProviderSession: "s1"},
				{ID: "ann2", AccountID: "a", Provider: "contoso", Issuer: "i", Subject: "ann", ProviderSession: "s2"},
				{ID: "bob", AccountID: "b", Provider: "contoso", Issuer: "i", Subject: "bob", ProviderSession: "s3"},
			} {
				store.put(s)
			}
			err := tt.do(f)
			if (err != nil) != (tt.kind >= 0) || err != nil && !fault.Is(err, tt.kind) {
				t.Errorf("error %v", err)
			}
			var left []string
			for _, id := range []string{"ann1", "ann2", "bob"} {
				if _, err := store.GetSession(t.Context(), id); err == nil {
					left = append(left, id)
				}
			}
			if got := strings.Join(left, " "); got != tt.left {
				t.Errorf("left %s, want %s", got, tt.left)
			}
			event := ""
			for _, e := range events.events {
				if e.Kind != audit.SessionRevoked || e.Actor != "contoso" {
					t.Errorf("event %+v", e)
				}
				event = e.Reason + " " + e.AccountID
			}
			if event != tt.event {
				t.Errorf("recorded %q, want %q", event, tt.event)
			}
		})
	}
}

func TestSignOut(t *testing.T) {
	for _, tt := range []struct {
		name, there string
		err         error
		provider    string
		idToken     string
		want, hint  string
	}{
		{"at the provider, too", "https://id.test/logout", nil, "contoso", "raw", "https://id.test/logout", "raw"},
		{"a provider without an address", "", nil, "contoso", "raw", "/_gate/signed-out", "raw"},
		{"a provider that is down", "", errors.New("down"), "contoso", "raw", "/_gate/signed-out", "raw"},
		{"a provider that knows no sign-out", "", nil, "plain", "raw", "/_gate/signed-out", ""},
		{"a provider that is gone", "", nil, "former", "raw", "/_gate/signed-out", ""},
		{"a token that fits into no address", "https://id.test/logout", nil, "contoso", strings.Repeat("x", 9000), "https://id.test/logout", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, p, store, _ := newLeave(t)
			p.there, p.err = tt.there, tt.err
			s := session.Session{AccountID: "a", Provider: tt.provider, Issuer: "i", Subject: "ann"}
			f.keep(&s, identity.Identity{IDToken: tt.idToken})
			w := httptest.NewRecorder()
			if _, err := f.Sessions.Start(w, httptest.NewRequest("GET", "/", nil), s); err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest("POST", "/_gate/sign-out", nil)
			r.AddCookie(w.Result().Cookies()[0])
			w = httptest.NewRecorder()
			to, err := f.SignOut(w, r)
			if err != nil || to != tt.want || len(store.sessions) != 0 {
				t.Errorf("SignOut = %q, %v with %d sessions left; want %q", to, err, len(store.sessions), tt.want)
			}
			if p.asked.IDToken != tt.hint {
				t.Errorf("hint of %d bytes, want %q", len(p.asked.IDToken), tt.hint)
			}
			if p.asked.ReturnTo != "" && (p.asked.ReturnTo != "https://crm.test/_gate/signed-out" || f.SignedOutAt(p.asked.State) != "contoso") {
				t.Errorf("asked with %+v", p.asked)
			}
			r = httptest.NewRequest("GET", "/", nil)
			for _, c := range w.Result().Cookies() {
				if c.MaxAge >= 0 {
					r.AddCookie(c)
				}
			}
			if got := f.Sessions.Pace(httptest.NewRecorder(), r); got != session.PaceWait {
				t.Errorf("after the sign-out Pace = %d: the next sign-in must wait for a click", got)
			}
		})
	}
}

func TestSignOutState(t *testing.T) {
	f, p, _, _ := newLeave(t)
	p.there = "https://id.test/logout"
	if f.leave(t.Context(), &session.Session{Provider: "contoso"}) == "" {
		t.Fatal("no address")
	}
	good := p.asked.State
	for name, state := range map[string]string{"none": "", "junk": "x", "changed": good[:len(good)-2] + "AA", "an ID token": sealIDToken(f.Sealer, &session.Session{}, "1 contoso")} {
		if got := f.SignedOutAt(state); got != "" {
			t.Errorf("%s: SignedOutAt = %q", name, got)
		}
	}
	if got := f.SignedOutAt(good); got != "contoso" {
		t.Errorf("SignedOutAt = %q", got)
	}
	f.Now = func() time.Time { return time.Now().Add(backWithin + time.Minute) }
	if got := f.SignedOutAt(good); got != "" {
		t.Errorf("an hour later SignedOutAt = %q", got)
	}
}
