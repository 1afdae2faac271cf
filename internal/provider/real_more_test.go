package provider_test

import (
	"context"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"crmgate/internal/identity"
	"crmgate/internal/provider"
	"crmgate/internal/realtest"
)

// TestRealProviderInDepth holds what the certified provider makes of our keys, pushed requests, refreshes and sign-outs.
func TestRealProviderInDepth(t *testing.T) {
	keyFile := writeKey(t, ecKey(t, elliptic.P256()))
	tokens := make(chan string, 8)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { tokens <- r.FormValue("logout_token") }))
	t.Cleanup(receiver.Close)
	jwks := publishedKeys(t, keyFile)
	base := realtest.OIDCClient{Secret: "s3cret", RedirectURIs: []string{redirectURI}, Refresh: true}
	client := func(id string, change func(*realtest.OIDCClient)) realtest.OIDCClient {
		c := base
		c.ID = id
		if change != nil {
			change(&c)
		}
		return c
	}
	op := realtest.OIDCProvider(t,
		client("basic", nil),
		client("key", func(c *realtest.OIDCClient) { c.Secret, c.AuthMethod, c.JWKS = "", "private_key_jwt", jwks }),
		client("pushed", func(c *realtest.OIDCClient) { c.RequirePAR = true }),
		client("signed", func(c *realtest.OIDCClient) { c.SignedUserinfo = "ES256" }),
		client("told", func(c *realtest.OIDCClient) {
			c.BackchannelLogoutURI, c.PostLogoutRedirectURIs = receiver.URL, []string{signedOut}
		}),
	)
	open := func(t *testing.T, client string, change func(*provider.Config)) identity.Redirector {
		t.Helper()
		c := provider.Config{}.Default()
		c.ID, c.Type, c.Issuer, c.ClientID, c.ClientSecret = "real", "oidc", op.Issuer, client, "s3cret"
		c.Claims.Groups = "groups"
		if change != nil {
			change(&c)
		}
		p, err := provider.Open(c, provider.Env{RedirectURI: redirectURI, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
		if err != nil {
			t.Fatal(err)
		}
		return p.(identity.Redirector)
	}
	signIn := func(t *testing.T, r identity.Redirector) identity.Identity {
		t.Helper()
		id, err := roundTrip(t, r, "alice")
		if err != nil {
			t.Fatal(err)
		}
		return id
	}

	t.Run("private_key_jwt", func(t *testing.T) {
		r := open(t, "key", withKey(keyFile))
		if _, err := revalidate(r, grantOf(signIn(t, r))); err != nil {
			t.Errorf("refresh: %v", err)
		}
		if _, err := roundTrip(t, open(t, "key", withKey(writeKey(t, ecKey(t, elliptic.P256())))), "alice"); refusal(err) != "unavailable: client_refused" {
			t.Errorf("with another key: %v", err)
		}
	})
	t.Run("pushed request", func(t *testing.T) {
		r := open(t, "pushed", nil)
		address, err := r.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: nonce, Verifier: pkce})
		if err != nil || !strings.Contains(address, "request_uri=urn") || strings.Contains(address, "state=") {
			t.Errorf("AuthURL = %s, %v", address, err)
		}
		signIn(t, r)
		never := open(t, "pushed", func(c *provider.Config) { c.Request.PAR = "never" })
		if _, err := roundTrip(t, never, "alice"); err == nil {
			t.Error("the provider takes a request that was not pushed, so the test above says nothing")
		}
	})
	t.Run("signed userinfo", func(t *testing.T) {
		// A refresh whose ID token lacks a wanted claim asks for it.
		r := open(t, "signed", func(c *provider.Config) { c.Claims.Groups = "given_groups" })
		if id := signIn(t, r); id.Email != "alice@example.test" {
			t.Errorf("identity: %+v", id)
		}
	})
	t.Run("rotation of refresh tokens", func(t *testing.T) {
		r := open(t, "basic", nil)
		first := signIn(t, r)
		op.PatchUser(t, "alice", map[string]any{"claims": map[string]any{"groups": []string{"board"}}})
		second, err := revalidate(r, grantOf(first))
		if err != nil || len(second.Groups) != 1 || second.Groups[0] != "board" || second.RefreshToken == first.RefreshToken {
			t.Fatalf("first refresh: %+v, %v", second, err)
		}
		third, err := revalidate(r, grantOf(second))
		if err != nil {
			t.Fatalf("second refresh: %v", err)
		}
		// A token that comes twice has been stolen: the provider ends them all.
		if _, err := revalidate(r, grantOf(first)); refusal(err) != "unauthenticated: invalid_grant" {
			t.Errorf("an old token: %v", err)
		}
		if _, err := revalidate(r, grantOf(third)); refusal(err) != "unauthenticated: invalid_grant" {
			t.Errorf("the family of an old token: %v", err)
		}
	})
	t.Run("refresh after a rotation of keys", func(t *testing.T) {
		r := open(t, "basic", nil)
		id := signIn(t, r)
		op.Rotate(t, true)
		// Its grants live in memory and are gone with the keys; the sign-in after it has the new key.
		if _, err := revalidate(r, grantOf(id)); refusal(err) != "unauthenticated: invalid_grant" && err != nil {
			t.Errorf("refresh: %v", err)
		}
		signIn(t, r)
	})
	t.Run("disabled", func(t *testing.T) {
		r := open(t, "basic", nil)
		id, err := roundTrip(t, r, "bob")
		if err != nil {
			t.Fatal(err)
		}
		op.PatchUser(t, "bob", map[string]any{"disabled": true})
		if _, err := revalidate(r, grantOf(id)); refusal(err) != "unauthenticated: invalid_grant" {
			t.Errorf("refresh: %v", err)
		}
	})
	t.Run("back-channel logout", func(t *testing.T) {
		r := open(t, "told", nil)
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		id, err := roundTripWith(t, r, "alice", jar)
		if err != nil {
			t.Fatal(err)
		}
		logOutThere(t, r, id.IDToken, jar)
		got, err := r.(identity.LogoutReceiver).BackChannel(context.Background(), nextToken(t, tokens))
		if err != nil || got.Session != id.SessionID || got.Issuer != op.Issuer || got.TokenID == "" {
			t.Errorf("after a sign-out there: %+v, %v; the session was %q", got, err, id.SessionID)
		}
		signIn(t, r)
		op.LogOutEverywhere(t, "alice")
		got, err = r.(identity.LogoutReceiver).BackChannel(context.Background(), nextToken(t, tokens))
		if err != nil || got.Subject != "sub-alice" || got.Session != "" {
			t.Errorf("everywhere: %+v, %v", got, err)
		}
	})
	t.Run("iss", func(t *testing.T) {
		// roundTrip hands the parameters on as they came; without iss the response is refused, because this provider advertises it.
		_, err := open(t, "basic", nil).Exchange(context.Background(), identity.Callback{Params: url.Values{"code": {"x"}, "state": {"s"}}, Nonce: nonce, Verifier: pkce})
		if refusal(err) != "invalid: response_issuer" {
			t.Errorf("Exchange without iss: %v", err)
		}
	})
}

// publishedKeys is the set that the gateway publishes for a key, as the provider would fetch it.
func publishedKeys(t *testing.T, keyFile string) json.RawMessage {
	t.Helper()
	c := provider.Config{}.Default()
	c.ID, c.Type, c.Issuer, c.ClientID = "real", "oidc", "https://id.example", "key"
	withKey(keyFile)(&c)
	p, err := provider.Open(c, provider.Env{RedirectURI: redirectURI})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := p.(identity.KeyPublisher).PublicKeys()
	if err != nil {
		t.Fatal(err)
	}
	return json.RawMessage(`{"keys":[` + string(keys[0]) + `]}`)
}

// nextToken waits for a logout token.
func nextToken(t *testing.T, tokens <-chan string) string {
	t.Helper()
	select {
	case raw := <-tokens:
		return raw
	case <-time.After(time.Minute):
		t.Fatal("no logout token came")
		return ""
	}
}

var formAction = regexp.MustCompile(`action="([^"]+)"`)

// logOutThere walks through the provider's sign-out page.
func logOutThere(t *testing.T, r identity.Redirector, idToken string, jar http.CookieJar) {
	t.Helper()
	address, err := r.(identity.SignOuter).SignOutURL(context.Background(), identity.SignOut{IDToken: idToken, State: "s", ReturnTo: signedOut})
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), signedOut) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{"logout": {"yes"}}
	for _, field := range regexp.MustCompile(`name="(xsrf)" value="([^"]+)"`).FindAllStringSubmatch(string(page), -1) {
		form.Set(field[1], field[2])
	}
	action := formAction.FindStringSubmatch(string(page))
	if action == nil {
		t.Fatalf("no form: %s", page)
	}
	done, err := browser.PostForm(html.UnescapeString(action[1]), form)
	if err != nil {
		t.Fatal(err)
	}
	defer done.Body.Close()
	if to := done.Header.Get("Location"); !strings.HasPrefix(to, signedOut) {
		t.Fatal(fmt.Errorf("the sign-out there ended with %s, Location %q", done.Status, to))
	}
}
