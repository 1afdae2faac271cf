package provider_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

// octopus plays GitHub Enterprise Server: the token endpoint and the API as its documentation describes them.
type octopus struct {
	*httptest.Server

	mu      sync.Mutex
	answers map[string]any // by path; a number is a status
	token   map[string]any
	asked   []url.Values // of the token endpoint
	bearers []string
}

func newOctopus(t *testing.T) *octopus {
	t.Helper()
	o := &octopus{
		token: map[string]any{"access_token": "gho_1", "token_type": "bearer", "scope": "read:user"},
		answers: map[string]any{
			"/api/v3/user": map[string]any{"id": 42, "login": "ann-l", "name": "Ann Lindqvist", "email": "shown@elsewhere.example"},
			"/api/v3/user/emails": []map[string]any{
				{"email": "old@contoso.example", "primary": false, "verified": true},
				{"email": "ann@contoso.example", "primary": true, "verified": true},
			},
			"/api/v3/user/orgs":  []map[string]any{{"login": "Contoso"}, {"login": "chess-club"}},
			"/api/v3/user/teams": []map[string]any{{"slug": "sales", "organization": map[string]any{"login": "Contoso"}}},
		},
	}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *octopus) serve(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var answer any
	switch {
	case r.URL.Path == "/login/oauth/access_token" && r.Method == http.MethodPost:
		_ = r.ParseForm()
		o.asked = append(o.asked, r.PostForm)
		answer = o.token
	case r.URL.Path == "/login/oauth/authorize":
		fmt.Fprint(w, "<!doctype html>")
		return
	default:
		o.bearers = append(o.bearers, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		answer = o.answers[r.URL.Path]
		if pages, ok := answer.([][]map[string]any); ok {
			n := int(r.URL.Query().Get("page")[0] - '1')
			answer = pages[min(n, len(pages)-1)]
		}
	}
	if status, ok := answer.(int); ok {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func (o *octopus) set(path string, answer any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answers[path] = answer
}

func (o *octopus) open(t *testing.T, change func(*provider.Config)) identity.Redirector {
	t.Helper()
	c := provider.Config{}.Default()
	c.ID, c.Type, c.Name, c.Issuer, c.ClientID, c.ClientSecret = "gh", "github", "Contoso", o.URL, "crm", "s3cret"
	if change != nil {
		change(&c)
	}
	if problems := slices.DeleteFunc(c.Validate(), func(p fault.Problem) bool { return p.Warning }); len(problems) > 0 {
		t.Fatalf("Validate: %+v", problems)
	}
	p, err := provider.Open(c, provider.Env{RedirectURI: redirectURI, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return p.(identity.Redirector)
}

func exchange(r identity.Redirector, params url.Values) (identity.Identity, error) {
	return r.Exchange(context.Background(), identity.Callback{Params: params, Verifier: pkce})
}

func TestGitHub(t *testing.T) {
	o := newOctopus(t)
	r := o.open(t, func(c *provider.Config) { c.Groups.Map = []provider.GroupMap{{From: "Contoso/sales", To: "sales"}} })
	address, err := r.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce, LoginHint: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if !strings.HasPrefix(address, o.URL+"/login/oauth/authorize?") || q.Get("scope") != "read:user user:email read:org" || q.Get("login") != "ann" ||
		q.Get("state") != "s" || q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
		t.Errorf("AuthURL = %s", address)
	}
	id, err := exchange(r, url.Values{"code": {"c"}, "state": {"s"}})
	if err != nil {
		t.Fatal(err)
	}
	want := identity.Identity{
		Provider: "gh", Issuer: o.URL, Subject: "42", Email: "ann@contoso.example", EmailVerified: true, Name: "Ann Lindqvist", Username: "ann-l",
		Groups: []string{"Contoso", "chess-club", "sales"}, RefreshToken: "gho_1",
	}
	if diff := cmp.Diff(want, id); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
	form := o.asked[0]
	if form.Get("code") != "c" || form.Get("code_verifier") != pkce || form.Get("client_secret") != "s3cret" || form.Get("redirect_uri") != redirectURI {
		t.Errorf("the token endpoint was asked %v", form)
	}
	if slices.ContainsFunc(o.bearers, func(b string) bool { return b != "gho_1" }) {
		t.Errorf("bearers %q", o.bearers)
	}
	if err := r.(identity.Pinger).Ping(context.Background()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	o.Close()
	if err := r.(identity.Pinger).Ping(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Ping of a closed one: %v", err)
	}
}

func TestGitHubRefuses(t *testing.T) {
	code := url.Values{"code": {"c"}, "state": {"s"}}
	many := make([][]map[string]any, 25)
	for i := range many {
		many[i] = slices.Repeat([]map[string]any{{"login": "x"}}, 100)
	}
	for _, tt := range []struct {
		name   string
		params url.Values
		path   string
		answer any
		token  map[string]any
		change func(*provider.Config)
		want   string
	}{
		{name: "good", want: "signed in"},
		{name: "its issuer", params: url.Values{"code": {"c"}, "iss": {"?"}}, want: "invalid: response_issuer"},
		{name: "code twice", params: url.Values{"code": {"c", "d"}}, want: "invalid: response_repeated"},
		{name: "code and error", params: url.Values{"code": {"c"}, "error": {"x"}}, want: "invalid: response_ambiguous"},
		{name: "nothing", params: url.Values{}, want: "invalid: response_empty"},
		{name: "denied", params: url.Values{"error": {"access_denied"}}, want: "forbidden: access_denied"},
		{name: "code is used", token: map[string]any{"error": "bad_verification_code", "error_description": "<b>"}, want: "unauthenticated: code_refused"},
		{name: "wrong secret", token: map[string]any{"error": "incorrect_client_credentials"}, want: "unavailable: client_refused"},
		{name: "no token", token: map[string]any{}, want: "unavailable: provider_unreachable"},
		{name: "no number", path: "user", answer: map[string]any{"login": "ann"}, want: "unauthenticated: token_subject"},
		{name: "number a text", path: "user", answer: map[string]any{"id": "42"}, want: "unavailable: provider_unreachable"},
		{name: "down", path: "user", answer: 503, want: "unavailable: provider_unreachable"},
		{name: "withdrawn", path: "user", answer: 401, want: "unauthenticated: invalid_grant"},
		{name: "no addresses", path: "user/emails", answer: 404, want: "unavailable: provider_unreachable"},
		{name: "a member", change: func(c *provider.Config) { c.Organizations = []string{"contoso"} }, want: "signed in"},
		{name: "a stranger", change: func(c *provider.Config) { c.Organizations = []string{"fabrikam"} }, want: "forbidden: wrong_organisation"},
		{name: "in the team", change: func(c *provider.Config) { c.Organizations = []string{"Contoso/sales"} }, want: "signed in"},
		{name: "organisations cannot be read", path: "user/orgs", answer: 403, change: func(c *provider.Config) { c.Organizations = []string{"contoso"} },
			want: "unavailable: provider_unreachable"},
		{name: "organisations without end", path: "user/orgs", answer: many, change: func(c *provider.Config) { c.Organizations = []string{"contoso"} },
			want: "forbidden: groups_overage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOctopus(t)
			if tt.path != "" {
				o.set("/api/v3/"+tt.path, tt.answer)
			}
			if tt.token != nil {
				o.token = tt.token
			}
			params := code
			if tt.params != nil {
				params = tt.params
			}
			_, err := exchange(o.open(t, tt.change), params)
			if refusal(err) != tt.want {
				t.Errorf("Exchange: %s, want %s (%v)", refusal(err), tt.want, err)
			}
			if err != nil {
				wantPlain(t, err, "<b>", "gho_1")
				if strings.Contains(err.Error(), "gho_1") || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the log would show a secret: %v", err)
				}
			}
		})
	}
}

func TestGitHubAddresses(t *testing.T) {
	entry := func(email string, primary, verified bool) map[string]any {
		return map[string]any{"email": email, "primary": primary, "verified": verified}
	}
	for _, tt := range []struct {
		name     string
		list     []map[string]any
		email    string
		verified bool
	}{
		{"primary", []map[string]any{entry("a@x.example", false, true), entry("b@x.example", true, true)}, "b@x.example", true},
		{"primary, not verified", []map[string]any{entry("a@x.example", false, true), entry("b@x.example", true, false)}, "b@x.example", false},
		{"none is primary", []map[string]any{entry("a@x.example", false, true)}, "", false},
		{"no address", []map[string]any{entry("nonsense", true, true)}, "", false},
	} {
		o := newOctopus(t)
		o.set("/api/v3/user/emails", tt.list)
		id, err := exchange(o.open(t, nil), url.Values{"code": {"c"}})
		if err != nil || id.Email != tt.email || id.EmailVerified != tt.verified {
			t.Errorf("%s: %q, %v, %v", tt.name, id.Email, id.EmailVerified, err)
		}
		if len(o.bearers) != 2 || id.Groups != nil {
			t.Errorf("%s: the API was asked %d times although nobody wants groups", tt.name, len(o.bearers))
		}
	}
}

func TestGitHubIsAskedAgain(t *testing.T) {
	o := newOctopus(t)
	r := o.open(t, func(c *provider.Config) { c.Organizations = []string{"contoso"} })
	first, err := exchange(r, url.Values{"code": {"c"}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := revalidate(r, grantOf(first))
	if err != nil || second.Subject != "42" || second.RefreshToken != "" {
		t.Errorf("again: %+v, %v", second, err)
	}
	o.set("/api/v3/user/orgs", []any{})
	if _, err := revalidate(r, grantOf(first)); refusal(err) != "forbidden: wrong_organisation" {
		t.Errorf("out of the organisation: %v", err)
	}
	o.set("/api/v3/user/orgs", []map[string]any{{"login": "Contoso"}})
	o.set("/api/v3/user", 503)
	if _, err := revalidate(r, grantOf(first)); !fault.Is(err, fault.Unavailable) {
		t.Errorf("down: %v", err)
	}
	o.set("/api/v3/user", map[string]any{"id": 43})
	if _, err := revalidate(r, grantOf(first)); refusal(err) != "unauthenticated: token_subject" {
		t.Errorf("somebody else: %v", err)
	}
	o.set("/api/v3/user", 401)
	if _, err := revalidate(r, grantOf(first)); refusal(err) != "unauthenticated: invalid_grant" {
		t.Errorf("withdrawn: %v", err)
	}
}

func TestGitHubAppsRefresh(t *testing.T) {
	o := newOctopus(t)
	o.token = map[string]any{"access_token": "ghu_1", "refresh_token": "ghr_1"}
	r := o.open(t, nil)
	first, err := exchange(r, url.Values{"code": {"c"}})
	if err != nil || first.RefreshToken != "ghr_1" {
		t.Fatalf("%+v, %v", first, err)
	}
	o.token = map[string]any{"access_token": "ghu_2", "refresh_token": "ghr_2"}
	second, err := revalidate(r, grantOf(first))
	if err != nil || second.RefreshToken != "ghr_2" || o.asked[1].Get("refresh_token") != "ghr_1" {
		t.Errorf("again: %+v, %v", second, err)
	}
	o.set("/api/v3/user", 503)
	if got, err := revalidate(r, grantOf(second)); !fault.Is(err, fault.Unavailable) || got.RefreshToken != "ghr_2" {
		t.Errorf("the rotated token is lost: %+v, %v", got, err)
	}
	o.token = map[string]any{"error": "bad_refresh_token"}
	if _, err := revalidate(r, grantOf(second)); refusal(err) != "unauthenticated: invalid_grant" {
		t.Errorf("withdrawn: %v", err)
	}
}
