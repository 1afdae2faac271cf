package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
)

func TestBadIDTokensAreRefused(t *testing.T) {
	p := newParty(t, nil, nil)
	p.mustSignIn() // the keys are known, as they are in life
	for _, tt := range fakeidp.BadIDTokens() {
		t.Run(tt.Name, func(t *testing.T) {
			before := len(p.idp.TokenRequests())
			p.idp.SetFaults(tt.Faults)
			id, err := p.signIn()
			if !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("sign-in: %s, %+v (%v)", refusal(err), id, err)
			}
			wantPlain(t, err, "evil", "nonce", "aud")
			if n := len(p.idp.TokenRequests()) - before; n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
	if n := p.idp.Calls(fakeidp.EndpointForeignKeys); n != 0 {
		t.Errorf("the address in a header was asked %d times", n)
	}
	p.idp.SetFaults(fakeidp.Faults{})
	p.mustSignIn()
}

func TestMoreBadIDTokens(t *testing.T) {
	id := func(f func(c map[string]any)) fakeidp.Faults { return fakeidp.Faults{EditIDToken: f} }
	tests := []struct {
		name   string
		faults fakeidp.Faults
		reason string
	}{
		{"at_hash of another token", id(func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }), "token_at_hash"},
		{"access token exchanged", fakeidp.Faults{EditToken: func(b map[string]any) { b["access_token"] = "another" }}, "token_at_hash"},
		{"sub too long", id(func(c map[string]any) { c["sub"] = strings.Repeat("x", 256) }), "token_subject"},
		{"sub blank", id(func(c map[string]any) { c["sub"] = "  " }), "token_subject"},
		{"sub twice in different letters", id(func(c map[string]any) { c["ſub"] = "admin" }), "token_malformed"},
		{"nonce twice in different letters", id(func(c map[string]any) { c["Nonce"], c["nonce"] = c["nonce"], "x" }), ""},
		{"iat missing", id(func(c map[string]any) { delete(c, "iat") }), "token_iat"},
		{"iat long ago", id(func(c map[string]any) { c["iat"] = c["iat"].(int64) - 7*86400 }), "token_iat"},
		{"ten minutes expired", id(func(c map[string]any) { c["exp"] = c["iat"].(int64) - 600 }), "token_expired"},
		{"huge", id(func(c map[string]any) { c["padding"] = strings.Repeat("x", 200<<10) }), "token_size"},
		{"encrypted", fakeidp.Faults{EditToken: func(b map[string]any) { b["id_token"] = "a.b.c.d.e" }}, "token_malformed"},
	}
	p := newParty(t, nil, nil)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.idp.SetFaults(tt.faults)
			_, err := p.signIn()
			if got := refusal(err); !strings.HasPrefix(got, "unauthenticated: "+tt.reason) {
				t.Errorf("sign-in: %s, want %s (%v)", got, tt.reason, err)
			}
		})
	}
}

func TestClockDifferences(t *testing.T) {
	p := newParty(t, nil, nil)
	for _, tt := range []struct {
		name     string
		iat, exp int64 // seconds from now
		good     bool
	}{
		{"expired a minute ago", -600, -60, true},
		{"issued in a minute", 60, 660, true},
		{"ten minutes expired", -1200, -600, false},
		{"an hour in the future", 3600, 4200, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.idp.SetFaults(fakeidp.Faults{EditIDToken: func(c map[string]any) {
				now := c["iat"].(int64)
				c["iat"], c["exp"] = now+tt.iat, now+tt.exp
			}})
			if _, err := p.signIn(); (err == nil) != tt.good {
				t.Errorf("sign-in: %v, want good %v", err, tt.good)
			}
		})
	}
}

func TestAlgorithms(t *testing.T) {
	all := []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
	p := newParty(t, func(c *fakeidp.Config) {
		c.Algs = all
		for _, a := range all {
			c.Clients = append(c.Clients, fakeidp.Client{ID: a, Secret: "s", Alg: a, RedirectURIs: []string{redirectURI}})
		}
	}, nil)
	open := func(alg string) identity.Redirector {
		return p.open(func(c *provider.Config) { c.ClientID, c.ClientSecret = alg, "s" })
	}
	list := func(algs ...string) fakeidp.Faults {
		return fakeidp.Faults{EditDiscovery: func(m map[string]any) { m["id_token_signing_alg_values_supported"] = algs }}
	}
	for _, alg := range all {
		others := slices.DeleteFunc(slices.Clone(all), func(a string) bool { return a == alg })
		for _, tt := range []struct {
			name   string
			faults fakeidp.Faults
			good   bool
		}{
			{"listed", fakeidp.Faults{}, true},
			{"not listed", list(others...), false},
			{"nothing listed", fakeidp.Faults{EditDiscovery: func(m map[string]any) { delete(m, "id_token_signing_alg_values_supported") }}, alg == "RS256"},
			{"only what nobody may use", list("none", "HS256", "HS512"), false},
		} {
			t.Run(alg+" "+tt.name, func(t *testing.T) {
				p.idp.SetFaults(tt.faults)
				_, err := p.signInWith(open(alg))
				if (err == nil) != tt.good {
					t.Errorf("sign-in: %v, want good %v", err, tt.good)
				}
				if strings.HasPrefix(tt.name, "only") && !fault.Is(err, fault.Unavailable) {
					t.Errorf("the person is sent away although nothing can come of it: %v", err)
				}
			})
		}
	}
}

func TestBadResponsesAreRefused(t *testing.T) {
	p := newParty(t, nil, nil)
	for _, tt := range fakeidp.BadResponses() {
		if tt.Name == "state wrong" || tt.Name == "state missing" {
			continue // the caller's to check: it finds no attempt
		}
		t.Run(tt.Name, func(t *testing.T) {
			p.idp.SetFaults(tt.Faults)
			want := "invalid: response_"
			if tt.Name == "access denied" {
				want = "forbidden: access_denied"
			}
			_, err := p.signIn()
			if got := refusal(err); !strings.HasPrefix(got, want) {
				t.Errorf("sign-in: %s, want %s", got, want)
			}
			if n := len(p.idp.TokenRequests()); n != 0 {
				t.Errorf("the token endpoint was asked %d times", n)
			}
		})
	}
	p.idp.SetFaults(fakeidp.WithoutResponseIss())
	if _, err := p.signInWith(p.open(nil)); err != nil {
		t.Errorf("a provider that does not know RFC 9207: %v", err)
	}
	p.idp.SetFaults(fakeidp.Faults{
		EditDiscovery: fakeidp.WithoutResponseIss().EditDiscovery,
		EditResponse:  func(v url.Values) { v.Set("iss", "https://login.evil.example") },
	})
	if _, err := p.signInWith(p.open(nil)); !fault.Is(err, fault.Invalid) {
		t.Errorf("a wrong iss that was not advertised: %v", err)
	}
}

func TestBadTokenEndpoints(t *testing.T) {
	var led atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { led.Add(1) }))
	defer elsewhere.Close()
	cases := append(fakeidp.BadTokenEndpoints(elsewhere.URL),
		fakeidp.Case{Name: "redirect to itself", Faults: fakeidp.Faults{Token: fakeidp.Trouble{Redirect: "/token"}}})
	for _, tt := range cases {
		t.Run(tt.Name, func(t *testing.T) {
			p := newParty(t, nil, nil)
			p.mustSignIn()
			p.idp.SetFaults(tt.Faults)
			start := time.Now()
			_, err := p.signIn()
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("sign-in: %s (%v)", refusal(err), err)
			}
			wantPlain(t, err, "127.0.0.1", "<p>")
			if n := len(p.idp.TokenRequests()); n != 2 {
				t.Errorf("the token endpoint was asked %d times, want once for each sign-in", n)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
	t.Cleanup(func() {
		if led.Load() != 0 {
			t.Error("a code was sent to where a redirect led")
		}
	})
}

func TestBadDiscovery(t *testing.T) {
	for _, tt := range fakeidp.BadDiscovery() {
		t.Run(tt.Name, func(t *testing.T) {
			p := newParty(t, nil, nil)
			p.idp.SetFaults(tt.Faults)
			_, err := p.signIn()
			if !fault.Is(err, fault.Unavailable) {
				t.Fatalf("sign-in: %s", refusal(err))
			}
			wantPlain(t, err, "evil", "127.0.0.1")
			if strings.HasPrefix(tt.Name, "issuer") && (!strings.Contains(err.Error(), p.idp.Issuer()) || !strings.HasPrefix(refusal(err), "unavailable: issuer_mismatch")) {
				t.Errorf("the log does not name both issuers: %v", err)
			}
			p.idp.SetFaults(fakeidp.Faults{})
			p.clock.advance(6 * time.Second)
			p.mustSignIn()
		})
	}
}

func TestBadUserinfo(t *testing.T) {
	withoutEmail := func(c map[string]any) { delete(c, "email"); delete(c, "email_verified") }
	withoutGroups := func(c map[string]any) { delete(c, "groups") }
	p := newParty(t, nil, nil)
	wanting := p.open(func(c *provider.Config) { c.Claims.Groups = "groups" })
	for _, tt := range fakeidp.BadUserinfo() {
		for _, lack := range []struct {
			name string
			edit func(map[string]any)
			r    identity.Redirector
			good bool
		}{
			{"e-mail", withoutEmail, p, false},
			{"wanted groups", withoutGroups, wanting, false},
			{"groups that nobody wants", withoutGroups, p, true},
			{"nothing", nil, wanting, true},
		} {
			t.Run(tt.Name+", the token lacks "+lack.name, func(t *testing.T) {
				f := tt.Faults
				f.EditIDToken = lack.edit
				p.idp.SetFaults(f)
				if _, err := p.signInWith(lack.r); (err == nil) != lack.good {
					t.Errorf("sign-in: %v, want good %v", err, lack.good)
				}
			})
		}
	}
}

func TestOddClaims(t *testing.T) {
	const ann = "ann@contoso.example"
	type seen struct {
		Email    string
		Verified bool
		Groups   []string
		Refused  string
	}
	groups := []string{"sales, north", "staff"}
	tests := map[string]struct {
		want   seen
		wanted string // how it ends where groups are wanted; empty is the same
	}{
		"email_verified a string":  {want: seen{Email: ann, Groups: groups}},
		"email_verified a number":  {want: seen{Email: ann, Groups: groups}},
		"email_verified null":      {want: seen{Email: ann, Groups: groups}},
		"email_verified absent":    {want: seen{Email: ann, Groups: groups}},
		"email only in userinfo":   {want: seen{Email: ann, Verified: true, Groups: groups}},
		"email absent":             {want: seen{Groups: groups}},
		"groups only in userinfo":  {want: seen{Email: ann, Verified: true}, wanted: "in"},
		"groups a string":          {want: seen{Email: ann, Verified: true, Groups: []string{"staff"}}},
		"groups empty":             {want: seen{Email: ann, Verified: true}},
		"groups null":              {want: seen{Email: ann, Verified: true}},
		"groups of numbers":        {want: seen{Email: ann, Verified: true}, wanted: "forbidden: groups_malformed"},
		"groups absent":            {want: seen{Email: ann, Verified: true}},
		"groups over the limit":    {want: seen{Refused: "forbidden: groups_overage"}},
		"iat ten years ago":        {want: seen{Refused: "unauthenticated: token_iat"}},
		"exp half a minute ago":    {want: seen{Email: ann, Verified: true, Groups: groups}},
		"iat half a minute ahead":  {want: seen{Email: ann, Verified: true, Groups: groups}},
		"azp right":                {want: seen{Email: ann, Verified: true, Groups: groups}},
		"aud a list of one":        {want: seen{Email: ann, Verified: true, Groups: groups}},
		"groups with a comma":      {want: seen{Email: ann, Verified: true, Groups: []string{"staff,admins"}}},
		"groups an object":         {want: seen{Email: ann, Verified: true}, wanted: "forbidden: groups_malformed"},
		"groups with a line break": {want: seen{Email: ann, Verified: true}, wanted: "forbidden: groups_malformed"},
		"email of two at signs":    {want: seen{Refused: "forbidden: malformed_email"}},
		"email with a space":       {want: seen{Refused: "forbidden: malformed_email"}},
		"email with a closing dot": {want: seen{Refused: "forbidden: malformed_email"}},
		"hasgroups":                {want: seen{Refused: "forbidden: groups_overage"}},
	}
	edit := func(name string, f func(c map[string]any)) fakeidp.Case {
		return fakeidp.Case{Name: name, Faults: fakeidp.Faults{EditIDToken: f, EditUserinfo: f}}
	}
	cases := append(fakeidp.OddClaims(),
		edit("groups with a comma", func(c map[string]any) { c["groups"] = "staff,admins" }),
		edit("groups an object", func(c map[string]any) { c["groups"] = map[string]any{"admins": true} }),
		edit("groups with a line break", func(c map[string]any) { c["groups"] = []string{"staff\r\nX-Forwarded-User: root"} }),
		edit("email of two at signs", func(c map[string]any) { c["email"] = "a@evil.test@contoso.example" }),
		edit("email with a space", func(c map[string]any) { c["email"] = "ann@contoso.example " }),
		edit("email with a closing dot", func(c map[string]any) { c["email"] = "ann@contoso.example." }),
		edit("hasgroups", func(c map[string]any) { delete(c, "groups"); c["hasgroups"] = true }),
	)
	p := newParty(t, nil, nil)
	wanting := p.open(func(c *provider.Config) { c.Claims.Groups = "groups" })
	for _, tt := range cases {
		t.Run(tt.Name, func(t *testing.T) {
			expected, ok := tests[tt.Name]
			if !ok {
				t.Fatal("nobody has decided what this means")
			}
			p.idp.SetFaults(tt.Faults)
			id, err := p.signIn()
			got := seen{Email: id.Email, Verified: id.EmailVerified, Groups: id.Groups}
			if err != nil {
				got.Refused = refusal(err)
			}
			if diff := cmp.Diff(expected.want, got); diff != "" {
				t.Errorf("sign-in (-want +got):\n%s", diff)
			}
			id, err = p.signInWith(wanting)
			switch expected.wanted {
			case "":
				if refused := refusal(err); refused != "signed in" && refused != expected.want.Refused {
					t.Errorf("with wanted groups: %s", refused)
				}
			case "in":
				if diff := cmp.Diff(groups, id.Groups); diff != "" {
					t.Errorf("wanted groups (-want +got):\n%s", diff)
				}
			default:
				if got := refusal(err); got != expected.wanted {
					t.Errorf("with wanted groups: %s, want %s", got, expected.wanted)
				}
			}
		})
	}
}
