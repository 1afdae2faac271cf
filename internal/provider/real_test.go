package provider_test

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
	"crmgate/internal/realtest"
)

// roundTrip signs a person in at the real provider: through its redirects, without its form.
func roundTrip(t *testing.T, r identity.Redirector, person string) (identity.Identity, error) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return roundTripWith(t, r, person, jar)
}

func roundTripWith(t *testing.T, r identity.Redirector, person string, jar http.CookieJar) (identity.Identity, error) {
	t.Helper()
	address, err := r.AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: nonce, Verifier: pkce, LoginHint: "auto:" + person})
	if err != nil {
		return identity.Identity{}, err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), redirectURI) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	u, err := url.Parse(res.Header.Get("Location"))
	if err != nil || u.RawQuery == "" {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("the provider answers %s: %s", res.Status, body)
	}
	return r.Exchange(context.Background(), identity.Callback{Params: u.Query(), Nonce: nonce, Verifier: pkce})
}

func TestRealProvider(t *testing.T) {
	var clients []realtest.OIDCClient
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384"} {
		clients = append(clients, realtest.OIDCClient{ID: alg, Secret: "s3cret", IDTokenAlg: alg, RedirectURIs: []string{redirectURI}})
	}
	clients = append(clients,
		realtest.OIDCClient{ID: "post", Secret: "s3cret", AuthMethod: "client_secret_post", RedirectURIs: []string{redirectURI}},
		realtest.OIDCClient{ID: "public", AuthMethod: "none", RedirectURIs: []string{redirectURI}})
	op := realtest.OIDCProvider(t, clients...)
	k := &clock{}
	open := func(change func(*provider.Config)) identity.Redirector {
		t.Helper()
		c := provider.Config{}.Default()
		c.ID, c.Type, c.Issuer, c.ClientID, c.ClientSecret = "real", "oidc", op.Issuer, "RS256", "s3cret"
		if change != nil {
			change(&c)
		}
		p, err := provider.Open(c, provider.Env{RedirectURI: redirectURI, Now: k.now})
		if err != nil {
			t.Fatal(err)
		}
		return p.(identity.Redirector)
	}
	client := func(id, how string) func(*provider.Config) {
		return func(c *provider.Config) {
			c.ClientID, c.ClientAuth = id, how
			if how == "none" {
				c.ClientSecret = ""
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*provider.Config)
		want   string
	}{
		{"RS256", client("RS256", ""), "signed in"},
		{"PS256", client("PS256", ""), "signed in"},
		{"ES256", client("ES256", ""), "signed in"},
		{"ES384", client("ES384", ""), "signed in"},
		{"secret in the form", client("post", "client_secret_post"), "signed in"},
		{"no secret", client("public", "none"), "signed in"},
		{"wrong secret", func(c *provider.Config) { c.ClientSecret = "wrong" }, "unavailable: client_refused"},
		{"another spelling of the issuer", func(c *provider.Config) { c.Issuer += "/" }, "unavailable: issuer_mismatch"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := roundTrip(t, open(tt.change), "alice"); refusal(err) != tt.want {
				t.Errorf("sign-in: %s, want %s (%v)", refusal(err), tt.want, err)
			}
		})
	}

	r := open(func(c *provider.Config) { c.Claims.Groups = "groups" })
	t.Run("people", func(t *testing.T) {
		for _, want := range []identity.Identity{
			{Subject: "sub-alice", Email: "alice@example.test", EmailVerified: true, Groups: []string{"crm-users", "crm-admins"}},
			{Subject: "sub-bob", Email: "bob@example.test", EmailDoubtful: true, Groups: []string{"crm-users"}},
		} {
			person := strings.TrimPrefix(want.Subject, "sub-")
			got, err := roundTrip(t, r, person)
			if err != nil {
				t.Fatal(err)
			}
			want.Provider, want.Issuer, want.Username = "real", op.Issuer, person
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(identity.Identity{}, "Name", "AMR", "AuthTime", "SessionID", "IDToken", "RefreshToken")); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		}
		// Her claims are hostile: Alice's address in capitals, verified as a string, groups as one string.
		mallory, err := roundTrip(t, r, "mallory")
		if err != nil {
			t.Fatal(err)
		}
		if mallory.EmailVerified || len(mallory.Groups) != 1 {
			t.Errorf("mallory: %+v", mallory)
		}
	})
	t.Run("sign-out address", func(t *testing.T) {
		address, err := r.(identity.SignOuter).SignOutURL(context.Background(), identity.SignOut{ReturnTo: signedOut})
		if err != nil || !strings.HasPrefix(address, op.Issuer+"/") {
			t.Errorf("SignOutURL = %q, %v", address, err)
		}
	})
	t.Run("rotation", func(t *testing.T) {
		op.Rotate(t, false)
		if _, err := roundTrip(t, r, "alice"); err != nil {
			t.Errorf("after a rotation: %v", err)
		}
	})
	t.Run("outage", func(t *testing.T) {
		op.Stop(t)
		_, err := open(nil).AuthURL(context.Background(), identity.AuthRequest{State: "s", Nonce: "n", Verifier: pkce})
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("a stopped provider: %v", err)
		}
		op.Restart(t)
		if _, err := roundTrip(t, r, "alice"); err != nil {
			t.Errorf("after the restart: %v", err)
		}
	})
}
