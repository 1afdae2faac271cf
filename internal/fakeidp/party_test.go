package fakeidp_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/fakeidp"
)

const (
	callback  = "http://rp.invalid/callback"
	signedOut = "http://rp.invalid/signed-out"
	verifier  = "a-verifier-of-more-than-forty-three-characters-0123"
)

// clock is a clock that tests move.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(c.at.Load(), 0) }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d.Seconds())) }

// party is a browser and a relying party in one, written over net/http and go-jose only.
type party struct {
	t     *testing.T
	idp   *fakeidp.Server
	clock *clock
	http  *http.Client
	base  string
	// clientID, secret and how authenticate at the token endpoint.
	clientID, secret, how string
}

// newParty starts a provider; change may alter its configuration and be nil.
func newParty(t *testing.T, change func(*fakeidp.Config)) *party {
	t.Helper()
	p := &party{t: t, clock: &clock{}, clientID: "crm", secret: "s3cret", how: "client_secret_basic"}
	p.clock.at.Store(1_800_000_000)
	srv := httptest.NewUnstartedServer(nil)
	t.Cleanup(srv.Close)
	c := fakeidp.Config{
		Issuer: "http://" + srv.Listener.Addr().String() + "/idp",
		Algs:   []string{"ES256"},
		Now:    p.clock.now,
		Clients: []fakeidp.Client{
			{ID: "crm", Name: "The CRM", Secret: "s3cret", RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{signedOut}},
			{ID: "spa", RedirectURIs: []string{callback}},
		},
		Users: []fakeidp.User{
			{Subject: "u-ann", Email: "ann@contoso.example", Username: "ann", Name: "Ann Lindqvist", Password: "correct horse", Groups: []string{"sales", "staff"}},
			{Subject: "u-bob", Email: "bob@contoso.example", Name: "Bob Marsh", Password: "battery staple", EmailUnverified: true},
			{Subject: "u-dis", Email: "gone@contoso.example", Password: "correct horse", Disabled: true},
		},
	}
	if change != nil {
		change(&c)
	}
	idp, err := fakeidp.New(c)
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = idp
	srv.Start()
	p.idp, p.base = idp, strings.TrimSuffix(idp.Issuer(), "/")
	p.http = browser(t)
	return p
}

// browser keeps cookies and does not follow redirects.
func browser(t *testing.T) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// answer is a response with its body.
type answer struct {
	*http.Response
	body string
}

func (p *party) do(req *http.Request) answer {
	p.t.Helper()
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{res, string(b)}
}

func (p *party) get(address string) answer {
	p.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,*/*;q=0.8")
	return p.do(req)
}

func (p *party) post(address string, v url.Values) answer {
	p.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, strings.NewReader(v.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "text/html,*/*;q=0.8")
	return p.do(req)
}

// request returns an authorization request; pairs replace parameters, an empty value drops one.
func (p *party) request(pairs ...string) string {
	d := sha256.Sum256([]byte(verifier))
	v := url.Values{
		"client_id": {p.clientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email profile"},
		"state": {"st"}, "nonce": {"no"}, "code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(d[:])},
	}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return p.base + "/authorize?" + v.Encode()
}

// back returns the parameters of an authorization response, nil where the answer is a page.
func (p *party) back(a answer) url.Values {
	p.t.Helper()
	rest, ok := strings.CutPrefix(a.Header.Get("Location"), callback+"?")
	if !ok {
		return nil
	}
	v, err := url.ParseQuery(rest)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// signIn fills in the form behind an authorization request.
func (p *party) signIn(request, email, password string) answer {
	p.t.Helper()
	a := p.get(request)
	if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `name="password"`) {
		p.t.Fatalf("GET /authorize: %d, Location %q, want the sign-in form", a.StatusCode, a.Header.Get("Location"))
	}
	return p.post(p.base+"/sign-in", url.Values{"request": {p.hidden(a, "request")}, "email": {email}, "password": {password}})
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

// hidden returns the value of a hidden field.
func (p *party) hidden(a answer, name string) string {
	p.t.Helper()
	for _, m := range hiddenField.FindAllStringSubmatch(a.body, -1) {
		if m[1] == name {
			return html.UnescapeString(m[2])
		}
	}
	p.t.Fatalf("no hidden field %q in %s", name, a.body)
	return ""
}

// tokens is an answer of the token endpoint.
type tokens struct {
	status  int
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	Error   string `json:"error"`
}

func (p *party) token(v url.Values) tokens {
	p.t.Helper()
	if p.how != "client_secret_basic" {
		v.Set("client_id", p.clientID)
	}
	if p.how == "client_secret_post" {
		v.Set("client_secret", p.secret)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, p.base+"/token", strings.NewReader(v.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.how == "client_secret_basic" {
		req.SetBasicAuth(url.QueryEscape(p.clientID), url.QueryEscape(p.secret))
	}
	a := p.do(req)
	out := tokens{status: a.StatusCode}
	// A member of the wrong type is left empty: some faults are just that.
	var wrongType *json.UnmarshalTypeError
	if err := json.Unmarshal([]byte(a.body), &out); err != nil && !errors.As(err, &wrongType) && a.StatusCode == http.StatusOK {
		p.t.Fatalf("token answer %q: %v", a.body, err)
	}
	return out
}

func (p *party) exchange(code string) tokens {
	return p.token(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}})
}

func (p *party) refresh(token string) tokens {
	return p.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// quick signs Ann in without the form and returns her tokens.
func (p *party) quick(pairs ...string) tokens {
	p.t.Helper()
	p.idp.SignInAs("ann@contoso.example")
	defer p.idp.SignInAs("")
	code := p.back(p.get(p.request(pairs...))).Get("code")
	if code == "" {
		p.t.Fatal("no code")
	}
	return p.exchange(code)
}

// published fetches the keys.
func (p *party) published() jose.JSONWebKeySet {
	p.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(p.get(p.base+"/jwks").body), &set); err != nil {
		p.t.Fatal(err)
	}
	return set
}

// verify checks a token against the published keys with go-jose.
func (p *party) verify(raw string, algs ...jose.SignatureAlgorithm) (map[string]any, error) {
	if len(algs) == 0 {
		algs = []jose.SignatureAlgorithm{jose.ES256}
	}
	t, err := jose.ParseSignedCompact(raw, algs)
	if err != nil {
		return nil, err
	}
	payload, err := t.Verify(p.published())
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	return claims, json.Unmarshal(payload, &claims)
}

// unverified reads header and claims without looking at the signature.
func unverified(t *testing.T, raw string) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	for i, into := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}
