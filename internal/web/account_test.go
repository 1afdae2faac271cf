package web_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/bearer"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/realtest"
	"crmgate/internal/session"
)

// own is what stands behind the person's own page. It shows what it is told and keeps what it was asked.
type own struct {
	fakeFactors
	owner    string
	sessions []*session.Session
	events   []audit.Event
	filter   audit.Filter
	tokens   []bearer.Token
	gone     bool
	fail     error
}

func (o *own) Rename(_ context.Context, id, name string) (*account.Account, error) {
	o.note("name", id, name)
	return &account.Account{ID: id, Name: strings.TrimSpace(name)}, o.fail
}

func (o *own) NotMe(_ context.Context, id string) (*account.Account, error) {
	o.note("not me", id)
	return &account.Account{ID: id, Owner: o.owner, Email: "ann@contoso.com"}, o.fail
}

func (o *own) PeekNotice(_ context.Context, secret string) (*account.Account, account.Notice, error) {
	if o.gone || secret != goodLink {
		return nil, account.Notice{}, fault.New(fault.Expired, "Over.")
	}
	return &account.Account{ID: "acc-1", Owner: o.owner, Email: "ann@contoso.com"}, account.Notice{About: "new_device"}, o.fail
}

func (o *own) NotMeByLink(_ context.Context, secret string) (*account.Account, error) {
	o.note("not me by link")
	a, _, err := o.PeekNotice(context.Background(), secret)
	o.gone = true
	return a, err
}

func (o *own) ListOwn(context.Context, string) ([]*session.Session, error) { return o.sessions, nil }
func (o *own) EndOwn(_ context.Context, who, id string) error {
	o.note("end", who, id)
	return o.fail
}

func (o *own) EndAccount(_ context.Context, who, except string) error {
	o.note("end all", who, "but", except)
	return o.fail
}

func (o *own) ListEvents(_ context.Context, f audit.Filter) ([]audit.Event, error) {
	o.filter = f
	return o.events, o.fail
}

func (o *own) Record(_ context.Context, e audit.Event) {
	o.note("record", string(e.Kind), e.AccountID, e.Reason)
}

// browsers are the sessions of one account; ownTokens its access tokens. They are apart from own because their methods have the same names.
type ownSessions struct{ *own }

func (o ownSessions) Rename(_ context.Context, who, name string) error {
	o.note("rename sessions", who, name)
	return nil
}

type ownTokens struct{ *own }

func (o ownTokens) Create(_ context.Context, w bearer.Wanted, actor string) (bearer.Token, string, error) {
	o.note("create", w.AccountID, w.Name, fmt.Sprint(w.Paths, w.Methods, w.Lifetime), actor)
	return bearer.Token{Name: w.Name, Paths: w.Paths}, "cmg_SECRET", o.fail
}

func (o ownTokens) List(context.Context, string) ([]bearer.Token, error) { return o.tokens, nil }

func (o ownTokens) Revoke(_ context.Context, who, id, actor string) error {
	o.note("revoke", who, id, actor)
	return o.fail
}

var ownNow = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func (o *own) in(w *world, provider string) *own {
	s := annSession(provider)
	s.UserAgent, s.Address = "Mozilla/5.0 (Windows NT 10.0; Win64) Firefox/140.0", "192.0.2.1"
	other := *s
	other.ID, other.UserAgent, other.LastSeen = "session-2", "<b>odd</b>", ownNow.Add(-time.Hour)
	o.owner, o.sessions = provider, []*session.Session{&other, s}
	w.Sessions, w.Account.OwnAccount, w.Account.OwnSessions, w.Account.Events, w.Account.Audit = fakeSessions{s: s}, o, ownSessions{o}, o, o
	w.Account.Tokens, w.Account.TokenLifetime = ownTokens{o}, 365*24*time.Hour
	o.serve(w.Handler)
	w.Account.Notices = &o.fakeFactors
	w.Now = func() time.Time { return ownNow }
	return o
}

// everything fills all lists.
func everything(w *world, o *own) {
	at := ownNow.Add(-24 * time.Hour)
	for i := range 5 {
		s := *o.sessions[0]
		s.ID = fmt.Sprint("more-", i)
		o.sessions = append(o.sessions, &s)
	}
	o.sessions[1].LastSignIn, o.sessions[1].Device = at, "d1"
	o.list = []mfa.Enrolment{{ID: "f1", Kind: mfa.TOTP, Name: "<b>Phone</b>", CreatedAt: at, UsedAt: at}, {ID: "f2", Kind: mfa.Recovery}}
	o.devices = []mfa.Device{{ID: "d1", Name: "Mozilla/5.0 (iPhone)", Address: "192.0.2.9", UsedAt: at, ExpiresAt: at}, {ID: "d2", Name: "<b>"}}
	o.tokens = []bearer.Token{
		{ID: "t1", Name: "<b>import</b>", Paths: []string{"/api/**"}, Methods: []string{"GET", "HEAD"}, CreatedAt: at, ExpiresAt: ownNow.Add(time.Hour), LastUsedAt: at, LastUsedFrom: "192.0.2.8"},
		{ID: "t2", Name: "old", Paths: []string{"/**"}, CreatedAt: at, ExpiresAt: at},
	}
	for _, k := range []audit.Kind{audit.SignIn, audit.SignInRefused, audit.FactorRefused, audit.NewDevice, audit.NotMe, "of_another_time"} {
		o.events = append(o.events, audit.Event{Kind: k, Time: at, Address: "192.0.2.1", UserAgent: "<b>odd</b>", Provider: "local", Detail: "pwd otp mfa"})
	}
	o.events = append(o.events, audit.Event{Kind: audit.SessionRevoked, Time: at, Actor: "contoso"}, audit.Event{Kind: audit.AccountEnabled, Time: at, Actor: "cli"})
}

func stale(_ *world, o *own) { o.stale = true }

// ownPages are the pages of somebody's own account in all their states.
var ownPages = map[string]struct {
	method, target, body, provider string
	change                         func(*world, *own)
	status                         int
	problem                        bool
	want                           []string
}{
	"overview": {"GET", "/_gate/account", "", "local", nil, 200, false, []string{"Hello, Ann Archer", "Change my password", "Firefox on Windows this browser"}},
	"overview, everything": {"GET", "/_gate/account", "", "local", everything, 200, false,
		[]string{"Welcome back, Ann Archer", "You last signed in on 21 Nov 2026, 12:00 UTC", "<b>Phone</b>", "And 4 more", "You have 1 for programs", "You signed in with your password and a code"}},
	"overview of somebody with long names": {"GET", "/_gate/account", "", "local", func(_ *world, o *own) {
		o.sessions[1].Name, o.sessions[1].Email, o.sessions[1].Groups = strings.Repeat("Maximiliane", 18), strings.Repeat("maximiliane", 20)+"@contoso.com", []string{strings.Repeat("group", 50)}
	}, 200, false, nil},
	"overview of somebody from a provider": {"GET", "/_gate/account", "", "contoso", everything, 200, false,
		[]string{"These come from Contoso and are changed there", "Change my password at Contoso"}},
	"overview of somebody whose provider is gone": {"GET", "/_gate/account", "", "gone", nil, 200, false, []string{"These come from gone"}},
	"overview, password ends": {"GET", "/_gate/account", "", "local", func(_ *world, o *own) { o.sessions[1].PasswordExpires = ownNow.Add(75 * time.Hour) }, 200, false,
		[]string{"Your password expires in 3 days"}},
	"name":                 {"GET", "/_gate/account/name", "", "local", nil, 200, false, []string{"As your colleagues know you"}},
	"name, stale":          {"GET", "/_gate/account/name", "", "local", stale, 200, false, []string{"confirm first that it is you"}},
	"name of the provider": {"GET", "/_gate/account/name", "", "contoso", nil, 200, false, []string{"It comes from Contoso and is changed there"}},
	"name, bad": {"POST", "/_gate/account/name", "name=%3Cscript%3E", "local", func(_ *world, o *own) { o.fail = fault.New(fault.Invalid, "Not a name.") }, 422, true,
		[]string{"Not a name."}},
	"devices":             {"GET", "/_gate/account/devices", "", "local", everything, 200, false, []string{"Sign out all 6 other browsers", "Not asked for the second step", "A browser on an iPhone"}},
	"devices, one":        {"GET", "/_gate/account/devices", "", "contoso", func(_ *world, o *own) { o.sessions = o.sessions[1:] }, 200, false, []string{"You are signed in nowhere else", "with Contoso"}},
	"devices, stale":      {"GET", "/_gate/account/devices", "", "local", stale, 200, false, []string{"confirm first that it is you"}},
	"history":             {"GET", "/_gate/account/history", "", "local", everything, 200, false, []string{"A sign-in was refused", "A sign-in from a new browser in a new network", "by Contoso", "by an administrator"}},
	"history, empty":      {"GET", "/_gate/account/history", "", "local", nil, 200, false, []string{"Nothing yet"}},
	"tokens":              {"GET", "/_gate/account/tokens", "", "local", everything, 200, false, []string{"May read /api/**", "May read and change everything that you may", "ended", "Revoke"}},
	"tokens, none, stale": {"GET", "/_gate/account/tokens", "", "local", stale, 200, false, []string{"You have none"}},
	"tokens, short lives": {"GET", "/_gate/account/tokens", "", "local", func(w *world, _ *own) { w.Account.TokenLifetime = time.Hour }, 200, false, []string{"1 hour"}},
	"tokens, off":         {"GET", "/_gate/account/tokens", "", "local", func(w *world, _ *own) { w.Account.Tokens = nil }, 404, false, []string{"switched off"}},
	"token made":          {"POST", "/_gate/account/tokens", "name=import&paths=/api/**&days=7", "local", nil, 200, false, []string{"cmg_SECRET", "never shown again", "https://crm.example.com/api/"}},
	"token, bad": {"POST", "/_gate/account/tokens", "name=+&paths=%3Cscript%3E&days=7&write=1", "local", func(_ *world, o *own) { o.fail = fault.New(fault.Invalid, "Give it a name.") }, 422, true,
		[]string{"Give it a name."}},
	"not me":                      {"GET", "/_gate/account/not-me", "", "local", stale, 200, false, []string{"Your password no longer works", "It was me: leave it open"}},
	"not me, of a provider":       {"GET", "/_gate/account/not-me", "", "contoso", func(w *world, _ *own) { w.Account.ReportsTo = true }, 200, false, []string{"Nobody gets in with Contoso either", "The help desk is told"}},
	"not me, done":                {"POST", "/_gate/account/not-me", "x=1", "local", stale, 200, false, []string{"Your account is locked", "send you a link for a new password"}},
	"not me, done for a provider": {"POST", "/_gate/account/not-me", "x=1", "contoso", nil, 200, false, []string{"Change your password at Contoso"}},
	"not me by link":              {"GET", "/_gate/not-me", "", "local", nil, 200, false, []string{"Lock your account?", "ann@contoso.com"}},
	"not me by link, done":        {"POST", "/_gate/not-me", "x=1", "local", nil, 200, false, []string{"Your account is locked"}},
	"not me by link, gone":        {"GET", "/_gate/not-me", "", "local", func(_ *world, o *own) { o.gone = true }, 410, false, []string{"used already or is too old"}},
}

func withNotMeLink(r *http.Request) {
	r.AddCookie(&http.Cookie{Name: "crmgate_not_me", Value: goodLink})
}

func TestOwnPages(t *testing.T) {
	for name, tc := range ownPages {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := (&own{}).in(w, tc.provider)
			if tc.change != nil {
				tc.change(w, o)
			}
			rec := w.do(tc.method, tc.target, tc.body, withNotMeLink)
			if rec.Code != tc.status {
				t.Fatalf("status %d, want %d\n%s", rec.Code, tc.status, rec.Body)
			}
			checkPage(t, rec, tc.problem)
			body := rec.Body.String()
			for _, want := range tc.want {
				if words := parse(t, body).words(); !strings.Contains(words, want) {
					t.Errorf("no %q in %s", want, words)
				}
			}
			for _, bad := range []string{"<script>", "<b>", goodLink, "raw-id-token"} {
				if strings.Contains(body, bad) {
					t.Errorf("%q is in the page", bad)
				}
			}
		})
	}
}

// Every page of somebody's own account fits a telephone, and needs nothing that its policy forbids.
func TestOwnPagesFit(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/page/{name}", func(rw http.ResponseWriter, r *http.Request) {
		w, tc := newWorld(t), ownPages[r.PathValue("name")]
		o := (&own{}).in(w, tc.provider)
		if tc.change != nil {
			tc.change(w, o)
		}
		rec := w.do(tc.method, tc.target, tc.body, withNotMeLink)
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	})
	mux.Handle("/_gate/", newWorld(t).Routes())
	srv := httptest.NewServer(mux)
	defer srv.Close()
	b := realtest.Open(t)
	b.Phone()
	axe := realtest.Axe(t)
	for name := range ownPages {
		b.Go(srv.URL + "/page/" + url.PathEscape(name))
		if got := b.Barriers(axe); len(got) > 0 {
			t.Errorf("%s: axe finds %q", name, got)
		}
		if got := b.Eval(misfits); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, e := range b.Errors() {
		if !strings.Contains(e, "the server responded with a status of") {
			t.Errorf("the browser complains: %s", e)
		}
	}
}

// What forms do, and where they lead. Each needs a proof that is not too old, but for those that lock the account.
func TestOwnForms(t *testing.T) {
	for _, tt := range []struct {
		name, target, body string
		asked              []string
		location           string
		anytime            bool
	}{
		{"name", "/account/name", "name=Ann+B", []string{"name acc-1 Ann B", "rename sessions acc-1 Ann B"}, "/_gate/account", false},
		{"end one", "/account/devices/end", "id=session-2", []string{"end acc-1 session-2", "record session_revoked acc-1 own_page"}, "/_gate/account/devices", false},
		{"end this one", "/account/devices/end", "id=session-id", nil, "/_gate/sign-out", false},
		{"end others", "/account/devices/end-others", "x=1", []string{"end all acc-1 but session-id", "record session_revoked acc-1 others"}, "/_gate/account/devices", false},
		{"forget a device", "/account/devices/forget", "id=d1", []string{"forget acc-1 d1"}, "/_gate/account/devices", false},
		{"make a token", "/account/tokens", "name=n&paths=/a/**%0d%0a/b&days=30", []string{"create acc-1 n [/a/** /b] [GET HEAD] 720h0m0s ",
			"token mail acc-1 n"}, "", false},
		{"make a token that changes things", "/account/tokens", "name=n&paths=/**&days=-9&write=1", []string{"create acc-1 n [/**] [] 0s ",
			"token mail acc-1 n"}, "", false},
		{"revoke a token", "/account/tokens/revoke", "id=t1", []string{"revoke acc-1 t1 "}, "/_gate/account/tokens", false},
		{"not me", "/account/not-me", "x=1", []string{"not me acc-1"}, "", true},
		{"not me by link", "/not-me", "x=1", []string{"not me by link"}, "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			o := (&own{}).in(w, "local")
			rec := w.do("POST", "/_gate"+tt.target, tt.body, withNotMeLink)
			if d := cmp.Diff(tt.asked, o.asked); d != "" {
				t.Errorf("asked (-want +got):\n%s", d)
			}
			if got := rec.Header().Get("Location"); got != tt.location || rec.Code >= 400 {
				t.Errorf("%d to %q, want %q", rec.Code, got, tt.location)
			}

			o.asked, o.stale, o.gone = nil, true, false
			rec = w.do("POST", "/_gate"+tt.target, tt.body, withNotMeLink)
			if led := strings.HasPrefix(rec.Header().Get("Location"), "/_gate/factor/step-up?return_to=%2F_gate%2Faccount%2F"); led == tt.anytime || led != (len(o.asked) == 0) {
				t.Errorf("not lately: %d to %q, asked %v", rec.Code, rec.Header().Get("Location"), o.asked)
			}

			if tt.target != "/not-me" {
				o.asked, o.stale, w.Sessions = nil, false, fakeSessions{}
				rec := w.do("POST", "/_gate"+tt.target, tt.body)
				if rec.Code != 303 || !strings.HasPrefix(rec.Header().Get("Location"), "/_gate/sign-in?") || len(o.asked) > 0 {
					t.Errorf("nobody: %d, asked %v", rec.Code, o.asked)
				}
				if said := w.do("GET", rec.Header().Get("Location"), "").Body.String(); !strings.Contains(said, "was not saved") {
					t.Errorf("nobody is told that it was not saved: %q", rec.Header().Get("Location"))
				}
			}
			o.asked = nil
			w.do("GET", "/_gate"+tt.target+"?"+tt.body, "", withNotMeLink)
			if len(o.asked) > 0 {
				t.Errorf("an address alone did %v", o.asked)
			}
		})
	}
}

// Opening the mailed link moves its token into a cookie of its page; the page asks; the button acts, once.
func TestNotMeLink(t *testing.T) {
	w := newWorld(t)
	o := (&own{}).in(w, "local")
	w.Sessions = fakeSessions{}
	for range 3 {
		rec := w.do("GET", "/_gate/not-me/"+goodLink, "")
		cookies := rec.Result().Cookies()
		if rec.Code != 303 || rec.Header().Get("Location") != "/_gate/not-me" || rec.Header().Get("Referrer-Policy") != "no-referrer" || len(cookies) != 1 || cookies[0].Path != "/_gate/not-me" || !cookies[0].HttpOnly {
			t.Fatalf("%d to %q, cookies %v", rec.Code, rec.Header().Get("Location"), cookies)
		}
		if rec = w.do("GET", "/_gate/not-me", "", withNotMeLink); rec.Code != 200 || len(o.asked) > 0 {
			t.Fatalf("%d, asked %v", rec.Code, o.asked)
		}
	}
	rec := w.do("POST", "/_gate/not-me", "x=1", withNotMeLink)
	if got := rec.Result().Cookies(); rec.Code != 200 || len(got) != 1 || got[0].MaxAge >= 0 {
		t.Errorf("%d, cookies afterwards %v", rec.Code, got)
	}
	twice := func(r *http.Request) { withNotMeLink(r); withNotMeLink(r) }
	o.asked = nil
	for name, edit := range map[string]func(*http.Request){"again": withNotMeLink, "without the link": func(*http.Request) {}, "two cookies": twice} {
		for _, method := range []string{"GET", "POST"} {
			if rec := w.do(method, "/_gate/not-me", "x=1", edit); rec.Code != 410 || len(o.asked) > 0 {
				t.Errorf("%s %s: %d, asked %v", method, name, rec.Code, o.asked)
			}
		}
	}
	if rec := w.do("GET", "/_gate/not-me/junk", ""); rec.Code != 410 || len(rec.Result().Cookies()) > 0 {
		t.Errorf("junk: %d", rec.Code)
	}
}

// A page with a new token that is loaded again makes no second one.
func TestTokenFormSentTwice(t *testing.T) {
	w := newWorld(t)
	o := (&own{}).in(w, "local")
	seen := parse(t, w.do("GET", "/_gate/account/tokens", "").Body.String()).one(t, "input[name=newest]").attr["value"]
	form := "name=n&paths=/a/**&days=30&newest=" + seen
	if rec := w.do("POST", "/_gate/account/tokens", form); rec.Code != 200 || len(o.asked) == 0 {
		t.Fatalf("the first time: %d", rec.Code)
	}
	o.asked, o.tokens = nil, []bearer.Token{{ID: "t9", Name: "n", ExpiresAt: ownNow.Add(time.Hour)}}
	rec := w.do("POST", "/_gate/account/tokens", form)
	page := parse(t, rec.Body.String())
	if rec.Code != http.StatusConflict || len(o.asked) > 0 || !strings.Contains(page.one(t, "[role=alert]").words(), "perhaps it was sent twice") {
		t.Fatalf("the second time: %d, asked %v", rec.Code, o.asked)
	}
	if again := fields(t, rec.Body.String()); again.Get("newest") != "t9" || again.Get("name") != "n" {
		t.Errorf("the form afterwards: %v", again)
	} else if rec := w.do("POST", "/_gate/account/tokens", "name=n&paths=/a/**&days=30&newest=t9"); rec.Code != 200 || len(o.asked) == 0 {
		t.Errorf("on purpose: %d", rec.Code)
	}
}

func TestHistoryAsksForWhatConcernsItsReader(t *testing.T) {
	w := newWorld(t)
	o := (&own{}).in(w, "local")
	w.do("GET", "/_gate/account/history", "")
	if o.filter.AccountID != "acc-1" || o.filter.Limit != 50 || len(o.filter.Kinds) < 20 {
		t.Errorf("asked for %+v", o.filter)
	}
	for _, k := range o.filter.Kinds {
		if k == audit.AccessRefused || k == audit.FactorProven {
			t.Errorf("%s crowds out what matters", k)
		}
	}
}
