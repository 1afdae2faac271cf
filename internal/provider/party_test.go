package provider_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
	"crmgate/internal/realtest"
)

const (
	redirectURI = "https://crm.example.test/_gate/callback/contoso"
	signedOut   = "https://crm.example.test/_gate/signed-out"
	pkce        = "a-verifier-of-more-than-forty-three-characters-0123"
	nonce       = "the-nonce-of-this-attempt"
)

// patience with one question to a provider. A test of one that hangs takes as long, so it is short; a busy machine needs some.
const patience = 5 * time.Second

// clock is a clock that tests move.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// party is a misbehaving provider and the gateway's side of it.
type party struct {
	t     *testing.T
	idp   *fakeidp.Running
	clock *clock
	identity.Redirector
}

// newParty starts a provider that signs Ann in without a page, and opens it as type oidc. Both changes may be nil.
func newParty(t *testing.T, changeIDP func(*fakeidp.Config), change func(*provider.Config)) *party {
	t.Helper()
	c := fakeidp.Config{
		Address: realtest.Addr(t), // so that it can come back after it was down
		Algs:    []string{"ES256"},
		Clients: []fakeidp.Client{
			{ID: "crm", Secret: "s3cret & so/on", RedirectURIs: []string{redirectURI}, PostLogoutRedirectURIs: []string{signedOut}},
			{ID: "public", RedirectURIs: []string{redirectURI}},
		},
		Users: []fakeidp.User{{
			Subject: "u-ann", Email: "ann@contoso.example", Username: "ann", Name: "Ann Lindqvist", Password: "pw",
			Groups: []string{"sales, north", "staff"}, AMR: []string{"pwd", "otp"},
		}},
	}
	if changeIDP != nil {
		changeIDP(&c)
	}
	idp, err := fakeidp.Listen(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idp.Close() })
	idp.SignInAs("ann@contoso.example")
	p := &party{t: t, idp: idp, clock: &clock{}}
	p.Redirector = p.open(change)
	return p
}

// open opens another entry for the same provider.
func (p *party) open(change func(*provider.Config)) identity.Redirector {
	p.t.Helper()
	c := provider.Config{}.Default()
	c.ID, c.Type, c.Name, c.Issuer = "contoso", "oidc", "Contoso", p.idp.Issuer()
	c.ClientID, c.ClientSecret = "crm", "s3cret & so/on"
	if change != nil {
		change(&c)
	}
	if problems := slices.DeleteFunc(c.Validate(), func(p fault.Problem) bool { return p.Warning }); len(problems) > 0 {
		p.t.Fatalf("Validate: %+v", problems)
	}
	opened, err := provider.Open(c, provider.Env{RedirectURI: redirectURI, Now: p.clock.now, Timeout: patience})
	if err != nil {
		p.t.Fatal(err)
	}
	return opened.(identity.Redirector)
}

// respond walks the browser's part: the authorization request and the response to it.
func (p *party) respond(r identity.Redirector) (url.Values, error) {
	p.t.Helper()
	address, err := r.AuthURL(context.Background(), identity.AuthRequest{State: "the-state", Nonce: nonce, Verifier: pkce})
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := browser.Get(address)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return p.form(res.Body), nil
	}
	rest, ok := strings.CutPrefix(res.Header.Get("Location"), redirectURI+"?")
	if !ok {
		p.t.Fatalf("the provider answers %d, Location %q", res.StatusCode, res.Header.Get("Location"))
	}
	params, err := url.ParseQuery(rest)
	if err != nil {
		p.t.Fatal(err)
	}
	return params, nil
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// form reads the response out of the page that would send it (response_mode=form_post).
func (p *party) form(page io.Reader) url.Values {
	p.t.Helper()
	body, err := io.ReadAll(page)
	if err != nil {
		p.t.Fatal(err)
	}
	params := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(string(body), -1) {
		params.Add(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	if len(params) == 0 {
		p.t.Fatalf("the provider shows a page: %s", body)
	}
	return params
}

// signInWith is one whole sign-in.
func (p *party) signInWith(r identity.Redirector) (identity.Identity, error) {
	p.t.Helper()
	params, err := p.respond(r)
	if err != nil {
		return identity.Identity{}, err
	}
	return r.Exchange(context.Background(), identity.Callback{Params: params, Nonce: nonce, Verifier: pkce})
}

func (p *party) signIn() (identity.Identity, error) { p.t.Helper(); return p.signInWith(p) }

// mustSignIn is a sign-in that works.
func (p *party) mustSignIn() identity.Identity {
	p.t.Helper()
	id, err := p.signIn()
	if err != nil {
		p.t.Fatalf("sign-in: %v", err)
	}
	return id
}

// refusal says how a sign-in was refused: its kind and reason, and "signed in" where it was not.
func refusal(err error) string {
	var f *fault.Error
	switch {
	case err == nil:
		return "signed in"
	case errors.Is(err, identity.ErrWrongPassword):
		return "wrong password"
	case errors.As(err, &f):
		return fmt.Sprintf("%s: %s", f.Kind, f.Reason)
	}
	return "no fault: " + err.Error()
}

// wantPlain fails where a sentence shows what it must not, or is none.
func wantPlain(t *testing.T, err error, secret ...string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("%v is no fault", err)
	}
	if !strings.HasSuffix(f.Sentence, ".") && !strings.HasSuffix(f.Sentence, ")") {
		t.Errorf("%q is no sentence", f.Sentence)
	}
	for _, s := range secret {
		if strings.Contains(f.Sentence, s) {
			t.Errorf("the page would show %q: %s", s, f.Sentence)
		}
	}
}
