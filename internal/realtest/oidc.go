package realtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// OIDCClient is an application registered at the provider. Every client must use PKCE.
type OIDCClient struct {
	// ID and Secret name the client; without a secret AuthMethod must be "none" or "private_key_jwt".
	ID, Secret string
	// RedirectURIs are compared byte for byte.
	RedirectURIs []string
	// PostLogoutRedirectURIs are where a sign-out may lead back to.
	PostLogoutRedirectURIs []string
	// BackchannelLogoutURI takes logout tokens (with sid, if it comes from a session); empty sends none.
	BackchannelLogoutURI string
	// AuthMethod at the token endpoint; empty means client_secret_basic.
	AuthMethod string
	// JWKS is the client's key set {"keys": […]} for private_key_jwt.
	JWKS json.RawMessage
	// IDTokenAlg is RS256, PS256, ES256 or ES384; empty means RS256.
	IDTokenAlg string
	// Refresh gives a rotating refresh token at every sign-in.
	Refresh bool
	// RequirePAR takes no authorization request that was not pushed ahead.
	RequirePAR bool
	// SignedUserinfo is the algorithm that userinfo answers are signed with; empty sends JSON.
	SignedUserinfo string
}

// OP is a running certified OpenID Provider.
//
// Its people are alice (groups crm-users and crm-admins, verified address), bob (crm-users, address not verified) and mallory,
// whose claims are hostile: alice's address in capitals, email_verified "true" as a string, groups as a string. Passwords are
// "alice-pw" and so on, subjects "sub-alice". They sign in at an HTML form (username, password, #sign-in, #cancel); an
// authorization request with login_hint=auto:alice needs no form. Nobody is asked for consent.
type OP struct {
	// Issuer is http://localhost:port. A gateway at 127.0.0.1 is thus another site for the browser, as in real life.
	Issuer string

	server *server
}

// OIDCProvider starts the provider with these clients and stops it when the test ends.
func OIDCProvider(t testing.TB, clients ...OIDCClient) *OP {
	t.Helper()
	node := program(t, "node", "install Node.js 20 or newer")
	source := filepath.Join(root(t), "internal", "realtest", "oidcprovider")
	if _, err := os.Stat(filepath.Join(source, "node_modules", "oidc-provider")); err != nil {
		missing(t, "the npm package oidc-provider", "run `npm ci --prefix internal/realtest/oidcprovider`; `make test` does it")
	}
	dir := t.TempDir()
	_, port, _ := net.SplitHostPort(Addr(t))
	op := &OP{Issuer: "http://localhost:" + port}
	conf := filepath.Join(dir, "config.json")
	if err := os.WriteFile(conf, op.config(t, port, dir, clients), 0o600); err != nil {
		t.Fatalf("start oidc-provider: %v", err)
	}
	op.server = &server{
		name: "oidc-provider", argv: []string{node, filepath.Join(source, "op.mjs"), conf},
		env: []string{"NODE_ENV=production"}, log: filepath.Join(dir, "log"), ready: op.answers,
	}
	op.server.keep(t)
	return op
}

// Stop ends the provider; its address then refuses connections.
func (op *OP) Stop(t testing.TB) { t.Helper(); op.server.stop(t) }

// Restart starts it again at the same address with the same keys. Its sessions, refresh tokens and patches are gone.
func (op *OP) Restart(t testing.TB) {
	t.Helper()
	op.server.stop(t)
	op.server.start(t)
}

// Rotate replaces the signing keys; keep leaves the old ones published beside the new.
func (op *OP) Rotate(t testing.TB, keep bool) {
	t.Helper()
	op.control(t, "rotate", url.Values{"keep": {strconv.FormatBool(keep)}})
}

// PatchUser changes a person: {"disabled": true}, {"password": …}, or {"claims": {"groups": […]}}, claim by claim.
func (op *OP) PatchUser(t testing.TB, name string, patch map[string]any) {
	t.Helper()
	data, err := json.Marshal(patch)
	if err != nil {
		t.Fatalf("patch user: %v", err)
	}
	op.control(t, "user", url.Values{"name": {name}, "patch": {string(data)}})
}

// LogOutEverywhere sends every client with a back channel a logout token for this person that names no session.
// It fails the test if a client refuses the token.
func (op *OP) LogOutEverywhere(t testing.TB, name string) {
	t.Helper()
	op.control(t, "logout", url.Values{"name": {name}})
}

func (op *OP) control(t testing.TB, name string, form url.Values) {
	t.Helper()
	r, err := http.PostForm(op.Issuer+"/control/"+name, form)
	if err != nil {
		t.Fatalf("oidc-provider: %v", err)
	}
	defer r.Body.Close()
	if body, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK {
		t.Fatalf("oidc-provider: %s: %s: %s", name, r.Status, strings.TrimSpace(string(body)))
	}
}

// answers is the ready check.
func (op *OP) answers(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, op.Issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("discovery answers %s", r.Status)
	}
	return nil
}

// config is the file that op.mjs reads.
func (op *OP) config(t testing.TB, port, dir string, clients []OIDCClient) []byte {
	t.Helper()
	person := func(name string, claims map[string]any) map[string]any {
		claims["preferred_username"] = name
		return map[string]any{"password": name + "-pw", "sub": "sub-" + name, "claims": claims}
	}
	n, _ := strconv.Atoi(port)
	registered := make([]map[string]any, len(clients))
	for i, c := range clients {
		registered[i] = c.metadata()
	}
	data, err := json.Marshal(map[string]any{
		"issuer": op.Issuer, "port": n, "state_file": filepath.Join(dir, "state.json"), "clients": registered,
		"users": map[string]any{
			"alice": person("alice", map[string]any{"email": "alice@example.test", "email_verified": true, "name": "Alice Example",
				"given_name": "Alice", "family_name": "Example", "groups": []string{"crm-users", "crm-admins"}}),
			"bob": person("bob", map[string]any{"email": "bob@example.test", "email_verified": false, "name": "Bob Example",
				"given_name": "Bob", "family_name": "Example", "groups": []string{"crm-users"}}),
			"mallory": person("mallory", map[string]any{"email": "ALICE@example.test", "email_verified": "true",
				"name": "Alice Example", "groups": "crm-admins"}),
		},
	})
	if err != nil {
		t.Fatalf("start oidc-provider: %v", err)
	}
	return data
}

// metadata is the client as OpenID Connect Dynamic Client Registration 1.0, section 2, spells it.
func (c OIDCClient) metadata() map[string]any {
	m := map[string]any{
		"client_id": c.ID, "redirect_uris": c.RedirectURIs, "response_types": []string{"code"},
		"grant_types": []string{"authorization_code"},
	}
	if c.Refresh {
		m["grant_types"] = []string{"authorization_code", "refresh_token"}
	}
	if c.RequirePAR {
		m["require_pushed_authorization_requests"] = true
	}
	if c.JWKS != nil {
		m["jwks"] = c.JWKS
		m["token_endpoint_auth_signing_alg"] = "ES256"
	}
	if c.PostLogoutRedirectURIs != nil {
		m["post_logout_redirect_uris"] = c.PostLogoutRedirectURIs
	}
	if c.BackchannelLogoutURI != "" {
		m["backchannel_logout_session_required"] = true
	}
	for name, value := range map[string]string{
		"client_secret": c.Secret, "token_endpoint_auth_method": c.AuthMethod,
		"id_token_signed_response_alg": c.IDTokenAlg, "backchannel_logout_uri": c.BackchannelLogoutURI,
		"userinfo_signed_response_alg": c.SignedUserinfo,
	} {
		if value != "" {
			m[name] = value
		}
	}
	return m
}
