package realtest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"crmgate/internal/realtest"
)

// relyingParty is the least that an application needs to sign somebody in.
type relyingParty struct {
	op     *realtest.OP
	site   *httptest.Server
	logout chan string // logout tokens
	conf   oauth2.Config
	oidc   *oidc.Provider
}

func newRelyingParty(t *testing.T, change func(*realtest.OIDCClient)) *relyingParty {
	t.Helper()
	rp := &relyingParty{logout: make(chan string, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<h1>Back</h1>")) })
	mux.HandleFunc("GET /signed-out", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("<h1>Out</h1>")) })
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { rp.logout <- r.FormValue("logout_token") })
	rp.site = httptest.NewServer(mux)
	t.Cleanup(rp.site.Close)
	client := realtest.OIDCClient{ID: "crm", Secret: "crm-secret", RedirectURIs: []string{rp.site.URL + "/callback"},
		PostLogoutRedirectURIs: []string{rp.site.URL + "/signed-out"}, BackchannelLogoutURI: rp.site.URL + "/logout"}
	if change != nil {
		change(&client)
	}
	rp.op = realtest.OIDCProvider(t, client)
	var err error
	if rp.oidc, err = oidc.NewProvider(t.Context(), rp.op.Issuer); err != nil {
		t.Fatal(err)
	}
	rp.conf = oauth2.Config{ClientID: client.ID, ClientSecret: client.Secret, Endpoint: rp.oidc.Endpoint(),
		RedirectURL: rp.site.URL + "/callback", Scopes: []string{"openid", "profile", "email"}}
	return rp
}

// authorize follows an authorization request without a browser to what comes back at the callback.
func (rp *relyingParty) authorize(t *testing.T, opts ...oauth2.AuthCodeOption) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&http.Client{Jar: jar}).Get(rp.conf.AuthCodeURL("state", opts...))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.Request.URL.Path != "/callback" {
		t.Fatalf("the sign-in ended at %s with %s", r.Request.URL, r.Status)
	}
	return r.Request.URL.Query()
}

// signIn returns the tokens and the claims of the verified ID token.
func (rp *relyingParty) signIn(t *testing.T, user string) (*oauth2.Token, map[string]any) {
	t.Helper()
	verifier := oauth2.GenerateVerifier()
	back := rp.authorize(t, oauth2.S256ChallengeOption(verifier), oauth2.SetAuthURLParam("login_hint", "auto:"+user))
	if back.Get("iss") != rp.op.Issuer || back.Get("state") != "state" {
		t.Errorf("callback = %v, want iss and state", back)
	}
	tokens, err := rp.conf.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := rp.oidc.Verifier(&oidc.Config{ClientID: rp.conf.ClientID}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	return tokens, claims
}

func TestOIDCProviderSignsIn(t *testing.T) {
	rp := newRelyingParty(t, func(c *realtest.OIDCClient) { c.Refresh = true; c.IDTokenAlg = "ES256" })
	tests := []struct {
		user string
		want map[string]any
	}{
		{"alice", map[string]any{"sub": "sub-alice", "email": "alice@example.test", "email_verified": true, "groups": []any{"crm-users", "crm-admins"}}},
		{"bob", map[string]any{"sub": "sub-bob", "email": "bob@example.test", "email_verified": false, "groups": []any{"crm-users"}}},
		{"mallory", map[string]any{"sub": "sub-mallory", "email": "ALICE@example.test", "email_verified": "true", "groups": "crm-admins"}},
	}
	for _, tt := range tests {
		t.Run(tt.user, func(t *testing.T) {
			tokens, claims := rp.signIn(t, tt.user)
			got := map[string]any{}
			for name := range tt.want {
				got[name] = claims[name]
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
			if tokens.RefreshToken == "" {
				t.Error("no refresh token")
			}
		})
	}
	if back := rp.authorize(t, oauth2.SetAuthURLParam("login_hint", "auto:alice")); back.Get("error") != "invalid_request" {
		t.Errorf("without PKCE: %v, want invalid_request", back)
	}
}

func TestOIDCProviderControls(t *testing.T) {
	rp := newRelyingParty(t, nil)
	rp.op.PatchUser(t, "bob", map[string]any{"claims": map[string]any{"groups": []string{"crm-admins"}}})
	if _, claims := rp.signIn(t, "bob"); !cmp.Equal(claims["groups"], any([]any{"crm-admins"})) || claims["email"] != "bob@example.test" {
		t.Errorf("claims after PatchUser = %v, want new groups and the old address", claims)
	}

	before := keyIDs(t, rp.op)
	rp.op.Stop(t)
	if _, err := http.Get(rp.op.Issuer); err == nil {
		t.Error("a stopped provider answers")
	}
	rp.op.Restart(t)
	if diff := cmp.Diff(before, keyIDs(t, rp.op)); diff != "" {
		t.Errorf("keys after Restart (-want +got):\n%s", diff)
	}
	rp.op.Rotate(t, true)
	if got := keyIDs(t, rp.op); len(got) != 2*len(before) {
		t.Errorf("%d keys after Rotate that keeps, want %d", len(got), 2*len(before))
	}
	rp.op.Rotate(t, false)
	after := keyIDs(t, rp.op)
	for id := range after {
		if before[id] {
			t.Errorf("key %s survived Rotate", id)
		}
	}
	rp.signIn(t, "alice")

	rp.op.LogOutEverywhere(t, "alice")
	claims := payload(t, <-rp.logout)
	if _, hasSID := claims["sid"]; hasSID || claims["sub"] != "sub-alice" {
		t.Errorf("logout token = %v, want alice's sub and no sid", claims)
	}
}

func TestOIDCProviderInABrowser(t *testing.T) {
	rp := newRelyingParty(t, nil)
	b := realtest.Open(t)
	start := rp.conf.AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))
	b.Go(start)
	b.Fill("input[name=username]", "alice")
	b.Fill("input[name=password]", "wrong")
	b.Click("#sign-in")
	if got := b.Text("[role=alert]"); got != "Wrong user name or password" {
		t.Errorf("alert = %q", got)
	}
	b.Fill("input[name=username]", "alice")
	b.Fill("input[name=password]", "alice-pw")
	b.Click("#sign-in")
	if got := b.Text("h1"); got != "Back" {
		t.Errorf("after the sign-in: %q at %s", got, b.URL())
	}

	b.Go(rp.op.Issuer + "/session/end?client_id=crm&post_logout_redirect_uri=" + url.QueryEscape(rp.site.URL+"/signed-out"))
	if got := b.Text("h1"); got != "Out" {
		t.Errorf("after the sign-out: %q at %s", got, b.URL())
	}
	if claims := payload(t, <-rp.logout); claims["sid"] == nil {
		t.Errorf("logout token = %v, want a sid", claims)
	}

	b.Go(start)
	b.Click("#cancel")
	if got := b.URL(); !strings.Contains(got, "error=access_denied") {
		t.Errorf("after Cancel: %s, want access_denied", got)
	}
}

func keyIDs(t *testing.T, op *realtest.OP) map[string]bool {
	t.Helper()
	r, err := http.Get(op.Issuer + "/jwks")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.NewDecoder(r.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, k := range set.Keys {
		ids[k.ID] = true
	}
	return ids
}

// payload reads a token's claims unverified.
func payload(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %q", token)
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(data, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}
