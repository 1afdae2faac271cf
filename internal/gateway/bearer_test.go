package gateway_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/bearer"
	"crmgate/internal/fault"
	"crmgate/internal/gateway"
	"crmgate/internal/identity"
	"crmgate/internal/policy"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

// vault keeps tokens and accounts.
type vault struct {
	bearer.Store
	mu       sync.Mutex
	tokens   map[string]bearer.Token
	accounts map[string]*account.Account
	down     bool
	asked    int
}

var errDown = errors.New("store is down")

func (v *vault) FindAccessToken(_ context.Context, digest string) (bearer.Token, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	t, ok := v.tokens[digest]
	switch {
	case v.down:
		return t, errDown
	case !ok:
		return t, fault.New(fault.NotFound, "No.")
	}
	return t, nil
}

func (v *vault) TouchAccessToken(context.Context, string, time.Time, string) error { return nil }

func (v *vault) find(match func(*account.Account) bool) (*account.Account, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.down {
		return nil, errDown
	}
	for _, a := range v.accounts {
		if match(a) {
			c := *a
			return &c, nil
		}
	}
	return nil, fault.New(fault.NotFound, "No.")
}

func (v *vault) GetAccount(_ context.Context, id string) (*account.Account, error) {
	return v.find(func(a *account.Account) bool { return a.ID == id })
}

func (v *vault) FindLocal(_ context.Context, identifier string) (*account.Account, error) {
	return v.find(func(a *account.Account) bool { return a.Owner == account.OwnerLocal && a.Email == identifier })
}

func (v *vault) FindByLink(_ context.Context, l account.Link) (*account.Account, error) {
	return v.find(func(a *account.Account) bool { return a.Owner == l.Provider && a.ID == l.Subject })
}

func (v *vault) change(f func()) { v.mu.Lock(); defer v.mu.Unlock(); f() }

// issuer takes tokens of the form jwt.SUBJECT.WORD; the word says what is wrong with them.
type issuer struct {
	mu       sync.Mutex
	verified int
}

func (*issuer) Info() identity.Info {
	return identity.Info{ID: "contoso", Domains: []string{"contoso.com"}}
}

func (*issuer) IssuedBearer(raw string) bool { return strings.HasPrefix(raw, "jwt.") }

func (i *issuer) VerifyBearer(_ context.Context, raw string) (identity.Bearer, error) {
	i.mu.Lock()
	i.verified++
	i.mu.Unlock()
	_, rest, _ := strings.Cut(raw, ".")
	subject, word, _ := strings.Cut(rest, ".")
	b := identity.Bearer{Identity: identity.Identity{Provider: "contoso", Issuer: "i", Subject: subject, Groups: []string{"crm-admins"}}, Expires: time.Now().Add(time.Hour)}
	switch word {
	case "bad":
		return identity.Bearer{}, fault.New(fault.Unauthenticated, "Bad.").WithReason("token_refused")
	case "down":
		return identity.Bearer{}, fault.New(fault.Unavailable, "Down.").WithReason("provider_unreachable")
	case "service":
		b.Service = "robot@example.test"
	case "ended":
		b.Expires = time.Now().Add(-time.Second)
	}
	return b, nil
}

// tokenGate is a gate that takes tokens, with a clock.
type tokenGate struct {
	*gate
	vault  *vault
	issuer *issuer
	mu     sync.Mutex
	ahead  time.Duration
}

func (g *tokenGate) now() time.Time { g.mu.Lock(); defer g.mu.Unlock(); return time.Now().Add(g.ahead) }

func (g *tokenGate) advance(d time.Duration) { g.mu.Lock(); defer g.mu.Unlock(); g.ahead += d }

// give makes a token for an account.
func (g *tokenGate) give(accountID string, paths, methods []string) string {
	secret := bearer.Prefix + token.NewSecret()
	g.vault.change(func() {
		g.vault.tokens[token.Digest(secret)] = bearer.Token{ID: token.NewID(), AccountID: accountID, Name: "import", Paths: paths, Methods: methods,
			CreatedAt: time.Now(), ExpiresAt: time.Now().Add(time.Hour)}
	})
	return secret
}

func guardTokens(t testing.TB, upstream string, change func(*setup)) *tokenGate {
	v := &vault{tokens: map[string]bearer.Token{}, accounts: map[string]*account.Account{
		"pat":   {ID: "pat", Owner: account.OwnerLocal, Email: "pat@example.test", Name: "Pat", Groups: []string{"sales"}, State: account.Active},
		"robot": {ID: "robot", Owner: account.OwnerLocal, Email: "robot@example.test", Groups: []string{"robots"}, State: account.Active},
		"gone":  {ID: "gone", Owner: account.OwnerLocal, Email: "gone@example.test", State: account.Disabled},
		"ann":   {ID: "ann", Owner: "contoso", Email: "ann@contoso.com", Name: "Ann", Groups: []string{"sales"}, State: account.Active, LastSignIn: time.Now()},
		"old":   {ID: "old", Owner: "contoso", Email: "old@contoso.com", State: account.Active, LastSignIn: time.Now().Add(-40 * 24 * time.Hour)},
		"guest": {ID: "guest", Owner: "contoso", Email: "guest@free.test", State: account.Active, LastSignIn: time.Now()},
		"left":  {ID: "left", Owner: "fabrikam", Email: "left@fabrikam.test", State: account.Active, LastSignIn: time.Now()},
	}}
	g := &tokenGate{vault: v, issuer: &issuer{}}
	g.gate = guard(t, upstream, func(s *setup) {
		s.access.Rules = append(s.access.Rules,
			policy.RuleConfig{Name: "secret", Paths: []string{"/secret/**"}, Allow: policy.Allow{Word: "signed_in"}, RequireFactor: true},
			policy.RuleConfig{Name: "colleagues", Paths: []string{"/colleagues/**"}, Allow: policy.Allow{Domains: []string{"contoso.com", "free.test"}}},
			policy.RuleConfig{Name: "hook", Paths: []string{"/hooks/**"}, Methods: []string{"POST"}, Allow: policy.Allow{Word: "anyone"}})
		if change != nil {
			change(s)
		}
	})
	g.handler.Now = g.now
	g.handler.Bearers = &gateway.Bearers{
		Tokens:   &bearer.Service{Config: bearer.Config{}.Default(), Store: v, Now: g.now},
		Accounts: v, Realms: identity.NewRealms(g.issuer), Now: g.now, Limit: &throttle.Limiter{PerMinute: 30, Now: g.now},
		Known: func(id string) bool { return id != "fabrikam" },
	}
	return g
}

func TestBearer(t *testing.T) {
	up := record(t)
	g := guardTokens(t, up.url, nil)
	pat, everything := g.give("pat", []string{"/api/**", "/public/**"}, []string{"GET", "POST"}), []string{"/**"}
	all := func(id string) string { return g.give(id, everything, nil) }
	for _, tc := range []struct {
		name, line, authorization string
		more                      []string
		status                    int
		user, groups              string // as the CRM is told; "" for nobody
		text                      string
	}{
		{"personal", "GET /api/x", "Bearer " + pat, nil, 200, "pat", "sales", ""},
		{"scheme in small letters", "GET /api/x", "bearer  " + pat, nil, 200, "pat", "sales", ""},
		{"HEAD goes with GET", "HEAD /api/x", "Bearer " + pat, nil, 200, "pat", "sales", ""},
		{"beside a session", "GET /api/x", "Bearer " + pat, []string{asAnn}, 200, "pat", "sales", ""},
		{"outside its paths", "GET /contacts", "Bearer " + pat, nil, 403, "", "", "token_scope"},
		{"outside its methods", "DELETE /api/x", "Bearer " + pat, nil, 403, "", "", "token_scope"},
		{"another spelling outside", "GET /api%2f..%2fcontacts", "Bearer " + pat, nil, 400, "", "", ""},
		{"a reading outside", "GET /api;/../contacts", "Bearer " + pat, nil, 400, "", "", ""},
		{"parameters that hide the end", "GET /contacts;/api", "Bearer " + pat, nil, 403, "", "", "token_scope"},
		{"another method by a header", "POST /api/x", "Bearer " + pat, []string{"X-HTTP-Method-Override: DELETE", "Content-Length: 0"}, 403, "", "", "token_scope"},
		{"what anyone may see, outside its scope", "POST /hooks/x", "Bearer " + pat, []string{"Content-Length: 0"}, 200, "", "", ""},
		{"what anyone may see, within", "GET /public/x", "Bearer " + pat, nil, 200, "pat", "sales", ""},
		{"a rule that wants a group", "GET /admin/x", "Bearer " + all("pat"), nil, 403, "", "", "administration"},
		{"closed", "GET /internal/x", "Bearer " + all("pat"), nil, 403, "", "", "closed"},
		{"a second factor", "GET /secret/x", "Bearer " + all("pat"), nil, 403, "", "", "factor_required"},
		{"our own page", "GET /_gate/account", "Bearer " + all("pat"), nil, 200, "", "", "own /_gate/account"},
		{"corporate account", "GET /api/x", "Bearer " + all("ann"), nil, 200, "ann", "sales", ""},
		{"corporate, address of the provider's domain", "GET /colleagues/x", "Bearer " + all("ann"), nil, 200, "ann", "sales", ""},
		{"corporate, address that nobody vouches for", "GET /colleagues/x", "Bearer " + all("guest"), nil, 403, "", "", "colleagues"},
		{"owner not seen", "GET /api/x", "Bearer " + all("old"), nil, 403, "", "", "owner_not_seen"},
		{"provider taken out of the configuration", "GET /api/x", "Bearer " + all("left"), nil, 403, "", "", "unknown_provider"},
		{"disabled", "GET /api/x", "Bearer " + all("gone"), nil, 403, "", "", "account_disabled"},
		{"account deleted", "GET /api/x", "Bearer " + all("nobody"), nil, 403, "", "", "no_account"},
		{"unknown", "GET /api/x", "Bearer cmg_" + token.NewSecret(), nil, 401, "", "", "token_unknown"},
		{"unknown, with a session", "GET /api/x", "Bearer cmg_" + token.NewSecret(), []string{asAnn}, 401, "", "", "token_unknown"},
		{"unknown, public", "GET /public/x", "Bearer cmg_junk", nil, 401, "", "", "token_unknown"},
		{"twice", "GET /api/x", "Bearer " + pat, []string{"Authorization: Bearer x"}, 400, "", "", "authorization_twice"},
		{"behind another", "GET /api/x", "Basic eDp5", []string{"Authorization: Bearer " + pat}, 400, "", "", "authorization_twice"},
		{"behind a tab", "GET /api/x", "Bearer\t" + pat, nil, 400, "", "", "authorization_form"},
		{"behind a tab, public", "GET /hooks/x", "Bearer\t" + pat, []string{asAnn}, 400, "", "", "authorization_form"},
		{"with another scheme", "GET /public/x", "Token token=\"" + pat + "\"", nil, 400, "", "", "authorization_form"},
		{"without a scheme", "GET /public/x", pat, nil, 400, "", "", "authorization_form"},
		{"second in a list", "GET /public/x", "Bearer x, Bearer " + pat, nil, 400, "", "", "authorization_form"},
		{"first in a list", "GET /api/x", "Bearer " + pat + ", Basic eDp5", nil, 401, "", "", "token_unknown"},
		{"as a password", "GET /public/x", "Basic " + base64.StdEncoding.EncodeToString([]byte("pat:"+pat)), nil, 400, "", "", "authorization_form"},
		{"as a name", "GET /public/x", "Basic " + base64.StdEncoding.EncodeToString([]byte(pat+":")), nil, 400, "", "", "authorization_form"},
		{"as a password, without padding", "GET /public/x", "Basic " + strings.TrimRight(base64.StdEncoding.EncodeToString([]byte("pat1:"+pat)), "="), nil, 400, "", "", "authorization_form"},
		{"as a password, behind a tab", "GET /public/x", "basic\t" + base64.StdEncoding.EncodeToString([]byte("pat:"+pat)), nil, 400, "", "", "authorization_form"},
		{"as a password, in the other alphabet", "GET /public/x", "Basic " + base64.URLEncoding.EncodeToString([]byte("??>>\xff:"+pat)), nil, 400, "", "", "authorization_form"},
		{"as a password, with characters that decoders leave out", "GET /public/x", "Basic !=" + base64.StdEncoding.EncodeToString([]byte("pat:"+pat)), nil, 400, "", "", "authorization_form"},
		{"twice in odd forms", "GET /public/x", "Basic eDp5", []string{"Authorization: Bearer\t" + pat}, 400, "", "", "authorization_twice"},
		{"provider's, behind a tab", "GET /public/x", "Bearer\tjwt.ann.ok", nil, 400, "", "", "authorization_form"},
		{"provider's, as a password", "GET /public/x", "Basic " + base64.StdEncoding.EncodeToString([]byte("x:jwt.ann.ok")), nil, 400, "", "", "authorization_form"},
		{"provider's", "GET /api/x", "Bearer jwt.ann.ok", nil, 200, "ann", "crm-admins", ""},
		{"provider's, its groups count", "GET /admin/x", "Bearer jwt.ann.ok", nil, 200, "ann", "crm-admins", ""},
		{"provider's, bad", "GET /api/x", "Bearer jwt.ann.bad", nil, 401, "", "", "token_refused"},
		{"provider's, ended", "GET /api/x", "Bearer jwt.ann.ended", nil, 401, "", "", "token_expired"},
		{"provider's, stranger", "GET /api/x", "Bearer jwt.stranger.ok", nil, 403, "", "", "no_account"},
		{"provider's, a local account's id", "GET /api/x", "Bearer jwt.pat.ok", nil, 403, "", "", "no_account"},
		{"provider's, a client that has an account", "GET /api/x", "Bearer jwt.x.service", nil, 200, "robot", "robots", ""},
		{"provider's, down", "GET /api/x", "Bearer jwt.ann.down", nil, 503, "", "", "provider_unreachable"},
		{"provider's, down, public", "GET /public/x", "Bearer jwt.ann.down", nil, 200, "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := g.get(tc.line, append(tc.more, "Authorization: "+tc.authorization)...)
			if res.StatusCode != tc.status || !strings.Contains(res.body, tc.text) {
				t.Fatalf("status %d, body %q; want %d with %q", res.StatusCode, res.body, tc.status, tc.text)
			}
			if challenge := res.Header.Get("WWW-Authenticate"); (tc.status == 401) != strings.Contains(challenge, "invalid_token") {
				t.Errorf("WWW-Authenticate %q", challenge)
			}
			got := up.take(t)
			if tc.status != 200 || strings.HasPrefix(tc.text, "own") {
				if len(got) != 0 {
					t.Error("the request reached the CRM")
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("%d requests", len(got))
			}
			h := got[0].header
			if strings.Join(h["X-Forwarded-User"], "|") != tc.user || strings.Join(h["X-Forwarded-Groups"], "|") != tc.groups || h["Authorization"] != nil {
				t.Errorf("the CRM was told %v", h)
			}
			if _, ok := h["X-Crmgate-Assertion"]; ok != (tc.user != "") {
				t.Errorf("assertion: %v", ok)
			}
		})
	}
}

func TestForeignAuthorizationPassesOn(t *testing.T) {
	up := record(t)
	g := guardTokens(t, up.url, nil)
	for _, value := range []string{"Basic cGF0OnB3", "Bearer abc", "Bearer a.b.c", "Token cmg_x", "Bearer", "Digest username=\"x\"", "Bearer CMG_x", "Negotiate YII="} {
		if res := g.get("GET /contacts", asAnn, "Authorization: "+value); res.StatusCode != 200 {
			t.Errorf("%s: status %d", value, res.StatusCode)
			continue
		}
		if h := up.one(t).header; strings.Join(h["Authorization"], "|") != value || strings.Join(h["X-Forwarded-User"], "") != "account-1" {
			t.Errorf("%s: the CRM got %v", value, h)
		}
	}
	if res := g.get("GET /contacts", "Authorization: Basic cGF0OnB3"); res.StatusCode != 401 || !strings.Contains(res.body, "sign_in_required") {
		t.Errorf("the CRM's own credentials are no sign-in: %d", res.StatusCode)
	}
	if res := g.get("OPTIONS /api/x", "Origin: https://app.test", "Access-Control-Request-Method: GET"); res.StatusCode != 401 {
		t.Errorf("a preflight: %d", res.StatusCode)
	}
}

func TestTokenEndsSoon(t *testing.T) {
	up := record(t)
	g := guardTokens(t, up.url, nil)
	secret := g.give("pat", []string{"/**"}, nil)
	ask := func(authorization string) int {
		return g.get("GET /x", "Authorization: Bearer "+authorization).StatusCode
	}
	steps := []struct {
		name   string
		do     func()
		status int
	}{
		{"good", func() {}, 200},
		{"account disabled", func() { g.vault.accounts["pat"].State = account.Disabled }, 403},
		{"enabled again", func() { g.vault.accounts["pat"].State = account.Active }, 200},
		{"store down", func() { g.vault.down = true }, 503},
		{"store back", func() { g.vault.down = false }, 200},
		{"revoked", func() { clear(g.vault.tokens) }, 401},
	}
	for _, s := range steps {
		g.vault.change(s.do)
		g.advance(time.Second)
		if got := ask(secret); got != s.status {
			t.Errorf("%s: %d, want %d", s.name, got, s.status)
		}
	}
	if ask("jwt.ann.ok") != 200 {
		t.Fatal("the provider's token is not taken")
	}
	for range 20 {
		g.advance(time.Second)
		ask("jwt.ann.ok")
	}
	g.issuer.mu.Lock()
	if g.issuer.verified != 1 {
		t.Errorf("verified %d times, want once", g.issuer.verified)
	}
	g.issuer.mu.Unlock()
	g.vault.change(func() { g.vault.accounts["ann"].State = account.Disabled })
	g.advance(time.Second)
	if got := ask("jwt.ann.ok"); got != 403 {
		t.Errorf("disabled account with a provider's token: %d", got)
	}
	g.vault.change(func() { g.vault.accounts["ann"].State = account.Active })
	g.advance(2 * time.Hour)
	ask("jwt.ann.ok")
}

func TestBadTokensAreSlowedDown(t *testing.T) {
	up := record(t)
	g := guardTokens(t, up.url, nil)
	good := g.give("pat", []string{"/**"}, nil)
	if res := g.get("GET /x", "Authorization: Bearer "+good); res.StatusCode != 200 {
		t.Fatal(res.StatusCode)
	}
	refused := 0
	for i := range 40 {
		if res := g.get("GET /x", fmt.Sprintf("Authorization: Bearer cmg_%s", token.NewSecret())); res.StatusCode != 401 {
			refused++
			if i < 30 {
				t.Fatalf("bad token %d: %d", i, res.StatusCode)
			}
		}
	}
	if refused != 10 {
		t.Errorf("%d of 40 bad tokens were slowed down, want 10", refused)
	}
	before := g.vault.asked
	g.get("GET /x", "Authorization: Bearer cmg_"+token.NewSecret())
	if g.vault.asked != before {
		t.Error("the store is asked about somebody who has failed too often")
	}
	if res := g.get("GET /x", "Authorization: Bearer "+good); res.StatusCode != 200 {
		t.Errorf("a good token from the same address: %d", res.StatusCode)
	}
}

func TestForwardTakesTokens(t *testing.T) {
	g := guardTokens(t, record(t).url, func(s *setup) { s.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	secret := g.give("pat", []string{"/api/**"}, []string{"GET"})
	for _, tc := range []struct {
		method, uri, authorization string
		status                     int
	}{
		{"GET", "/api/x", secret, 200}, {"POST", "/api/x", secret, 403}, {"GET", "/x", secret, 403}, {"GET", "/api/x", "cmg_junk", 401},
	} {
		res := g.get("GET /_gate/auth", "X-Forwarded-Method: "+tc.method, "X-Forwarded-Uri: "+tc.uri, "Authorization: Bearer "+tc.authorization)
		if res.StatusCode != tc.status || tc.status == 200 && res.Header.Get("X-Forwarded-User") != "pat" {
			t.Errorf("%+v: %d %v", tc, res.StatusCode, res.Header)
		}
	}
}

// TestStreamEndsWithItsToken is an open event stream whose token is revoked.
func TestStreamEndsWithItsToken(t *testing.T) {
	t.Parallel()
	crm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "data: 1\n\n")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer crm.Close()
	g := guardTokens(t, crm.URL, nil)
	secret := g.give("pat", []string{"/**"}, nil)
	req, _ := http.NewRequest(http.MethodGet, "http://"+g.addr+"/events", nil)
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	defer res.Body.Close()
	g.vault.change(func() { clear(g.vault.tokens) })
	done := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, res.Body); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Error("ten seconds after its token was revoked the stream is open")
	}
}
