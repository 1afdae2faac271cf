package web_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/page"
	"crmgate/internal/session"
	"crmgate/internal/signin"
	"crmgate/internal/token"
	"crmgate/internal/web"
	"crmgate/templates"
)

// goodLink is the one token that fakeAccounts knows.
var goodLink = strings.Repeat("A", 42) + "A"

// directory is a provider that takes passwords on our page, corporate one that has its own.
var (
	contoso = identity.Info{
		ID: "contoso", Name: "Contoso", Domains: []string{"contoso.com"}, Redirects: true,
		Password: identity.PasswordHelp{ResetURL: "https://reset.contoso.com/", ChangeURL: "https://change.contoso.com/", Help: "Keep your badge at hand."},
	}
	fabrikam  = identity.Info{ID: "fabrikam", Name: "Fabrikam", Domains: []string{"fabrikam.com"}, Redirects: true, Password: identity.PasswordHelp{ResetURL: "https://reset.fabrikam.com/"}}
	directory = identity.Info{ID: "directory", Name: "Corporate directory", Domains: []string{"corp.example.com"}}
	staff     = identity.Info{ID: "staff", Name: "Staff directory", Domains: []string{"staff.example.com"}, Password: identity.PasswordHelp{ChangeHere: true}}
)

type fakeProvider identity.Info

func (p fakeProvider) Info() identity.Info { return identity.Info(p) }

// fakeFlow answers by identifier or provider and keeps what it was asked.
type fakeFlow struct {
	requests []signin.Request
	params   url.Values
	provider string
	step     signin.Step
	err      error
	signOut  string
}

func (f *fakeFlow) Begin(_ http.ResponseWriter, _ *http.Request, req signin.Request) (signin.Step, error) {
	f.requests = append(f.requests, req)
	return f.step, f.err
}

func (f *fakeFlow) Password(_ http.ResponseWriter, _ *http.Request, req signin.Request) (signin.Step, error) {
	f.requests = append(f.requests, req)
	return f.step, f.err
}

func (f *fakeFlow) ChangePassword(_ http.ResponseWriter, _ *http.Request, req signin.Request) (signin.Step, error) {
	f.requests = append(f.requests, req)
	return f.step, f.err
}

func (f *fakeFlow) Callback(_ http.ResponseWriter, _ *http.Request, id string, params url.Values) (signin.Step, error) {
	f.provider, f.params = id, params
	return f.step, f.err
}

func (f *fakeFlow) SignOut(http.ResponseWriter, *http.Request) (string, error) {
	return f.signOut, f.err
}

func (f *fakeFlow) last() signin.Request {
	if len(f.requests) == 0 {
		return signin.Request{}
	}
	return f.requests[len(f.requests)-1]
}

// fakeAccounts knows the realms and one good link for Ann; it refuses the password "password".
type fakeAccounts struct {
	realms   *identity.Realms
	asked    []string
	used     bool
	password string
	username string
	err      error
}

func (f *fakeAccounts) Withdraw(ctx context.Context, link string) error {
	if _, err := f.PeekToken(ctx, account.ForWithdrawal, link); err != nil {
		return err
	}
	f.used = true
	return nil
}

func (f *fakeAccounts) MinLength(context.Context, *account.Account) int { return 15 }

func (f *fakeAccounts) Weakness(_ context.Context, password string, names ...string) error {
	if f.err != nil {
		return f.err
	}
	for _, known := range append(names, "password") {
		if password == known {
			return &account.PasswordError{Sentence: "Everybody's first guess is this password. Choose another one."}
		}
	}
	return nil
}

func (f *fakeAccounts) RequestReset(_ context.Context, req account.ResetRequest) (account.ResetAnswer, error) {
	f.asked = append(f.asked, strings.TrimSpace(req.Identifier+" "+req.Username))
	if p, ok := f.realms.Find(req.Identifier); ok {
		info := p.Info()
		return account.ResetAnswer{Provider: &info}, f.err
	}
	return account.ResetAnswer{}, f.err
}

func (f *fakeAccounts) PeekToken(_ context.Context, _ account.Purpose, link string) (*account.Account, error) {
	if f.err != nil {
		return nil, f.err
	}
	if f.used || link != goodLink {
		return nil, fault.New(fault.Expired, "This link no longer works.")
	}
	return &account.Account{ID: "1", Owner: account.OwnerLocal, Email: "ann@partner.example", Name: "Ann Archer", Username: f.username}, nil
}

func (f *fakeAccounts) RedeemToken(ctx context.Context, p account.Purpose, link, password string) (*account.Account, error) {
	a, err := f.PeekToken(ctx, p, link)
	if err != nil {
		return nil, err
	}
	if password == "password" {
		return nil, &account.PasswordError{Sentence: "Everybody's first guess is this password. Choose another one."}
	}
	f.used, f.password = true, password
	return a, nil
}

type fakeSessions struct {
	s    *session.Session
	err  error
	pace session.Pace
}

func (f fakeSessions) Lookup(*http.Request) (*session.Session, error) { return f.s, f.err }

func (f fakeSessions) Pace(http.ResponseWriter, *http.Request) session.Pace { return f.pace }

// world is a Handler over fakes, with real pages.
type world struct {
	*web.Handler
	flow     *fakeFlow
	accounts *fakeAccounts
	log      *bytes.Buffer
}

func newWorld(t testing.TB, change ...func(*world)) *world {
	t.Helper()
	log := &bytes.Buffer{}
	cfg := page.Config{
		Product: "Example CRM", Organisation: "Example Ltd", Color: "#1f5fbf",
		Support: page.Support{Email: "help@example.com", Phone: "+1 555 0100", Hours: "Mon to Fri, 8 to 17"},
	}
	pages, err := page.New(cfg, templates.FS, "/_gate", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	realms := identity.NewRealms(fakeProvider(contoso), fakeProvider(fabrikam), fakeProvider(directory), fakeProvider(staff))
	w := &world{flow: &fakeFlow{}, accounts: &fakeAccounts{realms: realms}, log: log}
	site := &web.Site{Sessions: fakeSessions{}, Realms: realms, Pages: pages, Prefix: "/_gate", BaseURL: "https://crm.example.com/_gate", Local: true, MailedReset: true}
	w.Handler = &web.Handler{
		Site: site, SignIn: web.SignInPages{Site: site, Flow: w.flow}, SignOut: web.SignOutPages{Site: site, SignOuts: w.flow},
		Reset:   web.ResetPages{Site: site, Accounts: w.accounts, LinkLifetime: 30 * time.Minute, MailFrom: "no-reply@example.com"},
		Account: web.AccountPages{Site: site}, Factor: web.FactorPages{Site: site}, Help: web.HelpPages{Site: site, LockDuration: 20 * time.Minute},
	}
	for _, c := range change {
		c(w)
	}
	return w
}

// do sends a request as a browser would and returns the answer. A body makes it a form.
func (w *world) do(method, target, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Accept", "text/html")
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r = r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{Address: "192.0.2.1", Reference: "ref-1"}))
	for _, e := range edit {
		e(r)
	}
	rec := httptest.NewRecorder()
	w.Routes().ServeHTTP(rec, r)
	return rec
}

func annSession(provider string) *session.Session {
	return &session.Session{
		ID: "session-id", SecretDigest: token.Digest("x"), AccountID: "acc-1", Email: "ann@contoso.com", Name: "Ann Archer",
		Groups: []string{"sales", "crm-admins"}, Provider: provider, IDToken: "raw-id-token", AMR: []string{"pwd"},
		SignedInAt: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC), ExpiresAt: time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC),
	}
}
