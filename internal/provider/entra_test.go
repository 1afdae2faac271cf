package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

const (
	secondTenant  = "1b1b1b1b-2c2c-3d3d-4e4e-5f5f5f5f5f5f"
	strangeTenant = "2c2c2c2c-3d3d-4e4e-5f5f-6a6a6a6a6a6a"
)

// entraPlace is a place of sign-in with a common door and several tenants, each with its own issuer and keys, as Microsoft's.
type entraPlace struct {
	*party
	door *fakeidp.Server
	// of is the tenant whose account signs in; keysOf the one whose keys sign.
	of, keysOf string
	tenants    map[string]*fakeidp.Server
	origin     string
}

func newPlace(t *testing.T, change func(*provider.Config)) *entraPlace {
	t.Helper()
	e := &entraPlace{of: tenant, keysOf: tenant, tenants: map[string]*fakeidp.Server{}}
	web := httptest.NewServer(http.HandlerFunc(e.serve))
	t.Cleanup(web.Close)
	e.origin = web.URL
	for _, id := range []string{"organizations", tenant, secondTenant, strangeTenant} {
		s, err := fakeidp.New(fakeidp.Config{
			Issuer: web.URL + "/" + id + "/v2.0", Algs: []string{"ES256"}, AlwaysRefresh: true,
			Clients: []fakeidp.Client{{ID: "crm", Secret: "s3cret & so/on", RedirectURIs: []string{redirectURI}}},
			Users:   []fakeidp.User{{Subject: "u-ann", Email: "ann@contoso.example", Name: "Ann Lindqvist", Password: "pw"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.SignInAs("ann@contoso.example")
		e.tenants[id] = s
	}
	e.door = e.tenants["organizations"]
	e.door.SetFaults(fakeidp.Faults{EditDiscovery: func(m map[string]any) {
		m["issuer"] = web.URL + "/{tenantid}/v2.0"
		m["authorization_response_iss_parameter_supported"] = false
	}, EditResponse: func(v url.Values) { v.Del("iss") }})
	// The tokens of the door are made by the tenant that the person is of.
	e.party = &party{t: t, clock: &clock{}}
	c := provider.Config{}.Default()
	c.ID, c.Type, c.Name, c.ClientID, c.ClientSecret = "contoso", "entra", "Contoso", "crm", "s3cret & so/on"
	c.Issuer, c.Tenants = web.URL+"/organizations/v2.0", []string{strings.ToUpper(tenant), secondTenant}
	if change != nil {
		change(&c)
	}
	if problems := c.Validate(); len(problems) > 0 {
		t.Fatalf("Validate: %+v", problems)
	}
	opened, err := provider.Open(c, provider.Env{RedirectURI: redirectURI, Now: e.clock.now, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	e.Redirector = opened.(identity.Redirector)
	return e
}

// serve is the place: the door answers for everybody, but its tokens are of a tenant.
func (e *entraPlace) serve(w http.ResponseWriter, r *http.Request) {
	id, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	s := e.tenants[id]
	if s == nil {
		http.NotFound(w, r)
		return
	}
	if id == "organizations" && (strings.HasSuffix(r.URL.Path, "/authorize") || strings.HasSuffix(r.URL.Path, "/token")) {
		signer := e.tenants[e.keysOf]
		signer.SetFaults(fakeidp.Faults{
			EditResponse: func(v url.Values) { v.Del("iss") },
			EditIDToken: func(c map[string]any) {
				c["iss"], c["tid"], c["oid"] = e.origin+"/"+e.of+"/v2.0", e.of, "o-ann"
				delete(c, "email_verified")
			},
		})
		r.URL.Path = strings.Replace(r.URL.Path, "organizations", e.keysOf, 1)
		s = signer
	}
	s.ServeHTTP(w, r)
}

func TestEntraTenants(t *testing.T) {
	tests := []struct {
		name, of, keysOf string
		want             string
	}{
		{"the first", tenant, tenant, "signed in"},
		{"the second", secondTenant, secondTenant, "signed in"},
		{"another one of the world", strangeTenant, strangeTenant, "unauthenticated: wrong_tenant"},
		{"an allowed name under a strange key", tenant, strangeTenant, "unauthenticated: token_refused"},
		{"an allowed name under the other allowed key", tenant, secondTenant, "unauthenticated: token_refused"},
		{"no tenant", "", tenant, "unauthenticated: wrong_tenant"},
		{"the form of an issuer", "{tenantid}", tenant, "unauthenticated: wrong_tenant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := newPlace(t, nil)
			e.of, e.keysOf = tt.of, tt.keysOf
			id, err := e.signIn()
			if got := refusal(err); got != tt.want {
				t.Fatalf("sign-in: %s, want %s", got, tt.want)
			}
			if err != nil {
				return
			}
			// The issuer holds the tenant: the same object id in two tenants is two people.
			if id.Issuer != e.origin+"/"+tt.of+"/v2.0" || id.Subject != "o-ann" {
				t.Errorf("the person is %s at %s", id.Subject, id.Issuer)
			}
		})
	}
}

// Whoever was let in by one tenant keeps the account when others join.
func TestEntraTenantsKeepLinks(t *testing.T) {
	e := newPlace(t, nil)
	several, err := e.signIn()
	if err != nil {
		t.Fatal(err)
	}
	alone := newPlace(t, nil)
	opened, err := provider.Open(provider.Config{
		ID: "contoso", Type: "entra", RedirectConfig: provider.RedirectConfig{
			TenantID: tenant, Issuer: e.origin + "/" + tenant + "/v2.0", ClientConfig: provider.ClientConfig{ClientID: "crm", ClientSecret: "s3cret & so/on"},
		},
	}, provider.Env{RedirectURI: redirectURI, Now: alone.clock.now, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	e.tenants[tenant].SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) { c["tid"], c["oid"] = tenant, "o-ann" }})
	one, err := e.signInWith(opened.(identity.Redirector))
	if err != nil {
		t.Fatal(err)
	}
	if one.Issuer != several.Issuer || one.Subject != several.Subject {
		t.Errorf("alone %s at %s, with others %s at %s", one.Subject, one.Issuer, several.Subject, several.Issuer)
	}
}

// With several tenants one could claim addresses of the other.
func TestEntraTenantsProveNoAddress(t *testing.T) {
	e := newPlace(t, func(c *provider.Config) { c.Domains = []string{"contoso.example"} })
	id, err := e.signIn()
	if err != nil {
		t.Fatal(err)
	}
	if id.EmailVerified || id.EmailDoubtful {
		t.Errorf("verified %v, doubtful %v", id.EmailVerified, id.EmailDoubtful)
	}
}

func TestEntraTenantsRevalidate(t *testing.T) {
	e := newPlace(t, nil)
	id, err := e.signIn()
	if err != nil || id.RefreshToken == "" {
		t.Fatalf("sign-in: %v, refresh token %q", err, id.RefreshToken)
	}
	grant := identity.Grant{Issuer: id.Issuer, Subject: id.Subject, RefreshToken: id.RefreshToken}
	again, err := e.Redirector.(identity.Revalidator).Revalidate(context.Background(), grant)
	if err != nil || again.Issuer != id.Issuer || again.Subject != id.Subject {
		t.Fatalf("revalidate: %v, %s at %s", err, again.Subject, again.Issuer)
	}
	grant.RefreshToken, grant.Issuer = again.RefreshToken, e.origin+"/"+strangeTenant+"/v2.0"
	if _, err := e.Redirector.(identity.Revalidator).Revalidate(context.Background(), grant); refusal(err) != "unauthenticated: grant_issuer" {
		t.Errorf("another tenant's session: %s", refusal(err))
	}
}

func TestEntraPassword(t *testing.T) {
	const microsoft = "https://mysignins.microsoft.com/security-info/password/change"
	tests := []struct {
		name   string
		claims map[string]any
		days   float64
		url    string
	}{
		{"soon", map[string]any{"pwd_exp": 3 * 86400, "pwd_url": microsoft}, 3, microsoft},
		{"as a string", map[string]any{"pwd_exp": "86400", "pwd_url": microsoft}, 1, microsoft},
		{"not said", nil, 0, ""},
		{"an address alone", map[string]any{"pwd_url": microsoft}, 0, ""},
		{"over", map[string]any{"pwd_exp": -5, "pwd_url": microsoft}, 0, ""},
		{"never", map[string]any{"pwd_exp": 1 << 38, "pwd_url": microsoft}, 0, ""},
		{"not a number", map[string]any{"pwd_exp": "soon"}, 0, ""},
		{"elsewhere", map[string]any{"pwd_exp": 86400, "pwd_url": "https://evil.example/password"}, 1, ""},
		{"nearly Microsoft's", map[string]any{"pwd_exp": 86400, "pwd_url": "https://mysignins.microsoft.com.evil.example/"}, 1, ""},
		{"with a name before it", map[string]any{"pwd_exp": 86400, "pwd_url": "https://mysignins.microsoft.com@evil.example/"}, 1, ""},
		{"in the clear", map[string]any{"pwd_exp": 86400, "pwd_url": "http://mysignins.microsoft.com/"}, 1, ""},
		{"a script", map[string]any{"pwd_exp": 86400, "pwd_url": "javascript:alert(1)"}, 1, ""},
		{"the company's own", map[string]any{"pwd_exp": 86400, "pwd_url": "https://adfs.contoso.example/adfs/portal/updatepassword/"}, 1,
			"https://adfs.contoso.example/adfs/portal/updatepassword/"},
	}
	p := newParty(t, nil, nil)
	r := p.open(func(c *provider.Config) {
		c.Type, c.TenantID, c.Password.ResetURL = "entra", tenant, "https://adfs.contoso.example/reset"
	})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
				for name, v := range tt.claims {
					c[name] = v
				}
			}})
			id, err := p.signInWith(r)
			if err != nil {
				t.Fatal(err)
			}
			days := 0.0
			if !id.PasswordExpires.IsZero() {
				days = id.PasswordExpires.Sub(p.clock.now()).Hours() / 24
			}
			if days < tt.days-0.01 || days > tt.days+0.01 || id.PasswordChangeURL != tt.url {
				t.Errorf("expires in %.2f days, changed at %q", days, id.PasswordChangeURL)
			}
		})
	}
}

// Where the administrator wrote where passwords are changed, no claim says otherwise.
func TestEntraPasswordLinkOfOurOwn(t *testing.T) {
	p := newParty(t, nil, nil)
	r := p.open(func(c *provider.Config) {
		c.Type, c.TenantID, c.Password.ChangeURL = "entra", tenant, "https://passwords.contoso.example/"
	})
	p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
		c["pwd_exp"], c["pwd_url"] = 86400, "https://mysignins.microsoft.com/security-info/password/change"
	}})
	id, err := p.signInWith(r)
	if err != nil || id.PasswordExpires.IsZero() || id.PasswordChangeURL != "" {
		t.Errorf("%v, expires %s, changed at %q", err, id.PasswordExpires, id.PasswordChangeURL)
	}
}

func TestEntraLogoutHint(t *testing.T) {
	p := newParty(t, nil, nil)
	r := p.open(func(c *provider.Config) { c.Type, c.TenantID = "entra", tenant })
	for name, claim := range map[string]any{"the opaque claim": "O.CiQ5", "none": nil, "no string": 7} {
		t.Run(name, func(t *testing.T) {
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
				if claim != nil {
					c["login_hint"] = claim
				}
			}})
			id, err := p.signInWith(r)
			if err != nil {
				t.Fatal(err)
			}
			address, err := r.(identity.SignOuter).SignOutURL(context.Background(), identity.SignOut{IDToken: id.IDToken, ReturnTo: signedOut})
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(address)
			if err != nil {
				t.Fatal(err)
			}
			want, _ := claim.(string)
			got := map[string]string{"logout_hint": u.Query().Get("logout_hint"), "id_token_hint": u.Query().Get("id_token_hint")}
			if diff := cmp.Diff(map[string]string{"logout_hint": want, "id_token_hint": id.IDToken}, got); diff != "" {
				t.Errorf("sign-out (-want +got):\n%s", diff)
			}
		})
	}
}

// A certificate in place of a secret, at the code and for Graph alike.
func TestEntraCertificate(t *testing.T) {
	key := serviceKey()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "crm"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile, certificate := writeKey(t, key), writePEM(t, "CERTIFICATE", der)
	p := newEntra(t, fakeidp.Vendor{NoPersonalGraph: true}, nil)
	if err := p.idp.PutClient(fakeidp.Client{ID: "crm", Auth: "private_key_jwt", PublicKey: key.Public(), RedirectURIs: []string{redirectURI}}); err != nil {
		t.Fatal(err)
	}
	r := p.open(func(c *provider.Config) {
		c.Type, c.TenantID, c.GroupsAPI.URL = "entra", tenant, p.idp.Issuer()+"/graph"
		c.ClientSecret, c.ClientKeyFile, c.ClientCertificateFile = "", keyFile, certificate
	})
	id, err := p.signInWith(r)
	if err != nil || len(id.Groups) != 5 {
		t.Fatalf("sign-in: %v, groups %q", err, id.Groups)
	}
	print := sha256.Sum256(der)
	for _, request := range p.idp.TokenRequests() {
		header, claims := assertionParts(t, request.Assertion)
		if header["alg"] != "PS256" || header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(print[:]) || claims["aud"] != p.idp.Issuer()+"/token" {
			t.Errorf("%s: header %v, claims %v", request.GrantType, header, claims)
		}
	}
	c := good("entra")
	c.ClientSecret, c.ClientKeyFile = "", keyFile
	if problems := c.Validate(); len(problems) != 1 || problems[0].Path != "client_certificate_file" {
		t.Errorf("a key without a certificate: %+v", problems)
	}
}
