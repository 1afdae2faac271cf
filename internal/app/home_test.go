package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"crmgate/internal/fakeidp"
)

// Where the sign-in page sends an address: by the single address, the domain, the nearest domain above, the one that takes the rest.
func TestHomeRealmThroughThePage(t *testing.T) {
	world := func(t *testing.T, rest string) string {
		t.Helper()
		l, gate := listen(t)
		idp := company(t, gate, func(c *fakeidp.Config) {
			c.Users = []fakeidp.User{{Subject: "u", Email: "u@contoso.test", Password: "p"}}
		})
		provider := func(id, of string) string {
			return fmt.Sprintf("\n  - {id: %s, type: oidc, name: %s, issuer: %q, client_id: crm, client_secret: s, %s}", id, id, idp.Issuer(), of)
		}
		start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
providers: %s%s%s%s
`, gate, t.TempDir(), recordingCRM(t).URL, provider("contoso", "domains: [Contoso.test], emails: [Eve@partner.test]"),
			provider("german", "domains: [de.contoso.test]"), provider("partner", "domains: [partner.test]"), takesTheRest(rest, provider)))
		return gate
	}
	for _, half := range []struct {
		name, rest string
		unknown    string // where an address goes that nobody has
	}{
		{"with one that takes the rest", "rest", "rest"},
		{"without", "", "password"},
	} {
		gate := world(t, half.rest)
		for _, tt := range []struct{ name, identifier, want string }{
			{"domain", "ann@contoso.test", "contoso"},
			{"domain, capitals and space", "  ANN@CONTOSO.Test ", "contoso"},
			{"single address before domain", "eve@partner.test", "contoso"},
			{"single address in capitals", "EVE@Partner.test", "contoso"},
			{"neighbour of the single address", "adam@partner.test", "partner"},
			{"sub-domain", "ann@mail.contoso.test", "contoso"},
			{"the nearest domain above", "ann@mail.de.contoso.test", "german"},
			{"a domain of its own below another's", "ann@de.contoso.test", "german"},
			{"the same letters at the end", "ann@notcontoso.test", half.unknown},
			{"the domain as a sub-domain of another", "ann@contoso.test.evil.test", half.unknown},
			{"the domain above", "ann@test", half.unknown},
			{"nobody's", "ann@nowhere.test", half.unknown},
			{"a bare name is local", "ann", "password"},
			{"two @ are no address", "ann@evil.test@contoso.test", "password"},
		} {
			t.Run(half.name+"/"+tt.name, func(t *testing.T) {
				if got := sentTo(t, gate, tt.identifier); got != tt.want {
					t.Errorf("%q is sent to %s, want %s", tt.identifier, got, tt.want)
				}
			})
		}
	}
}

func takesTheRest(id string, provider func(id, of string) string) string {
	if id == "" {
		return ""
	}
	return provider(id, `domains: ["*"]`)
}

// sentTo posts an identifier to the sign-in page and returns the provider that it leads to, or "password" for our own page.
func sentTo(t *testing.T, gate, identifier string) string {
	t.Helper()
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.PostForm(gate+"/_gate/sign-in", url.Values{"identifier": {identifier}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return "password"
	}
	to, err := resp.Location()
	if err != nil {
		t.Fatalf("%d without a Location", resp.StatusCode)
	}
	back := to.Query().Get("redirect_uri")
	return back[strings.LastIndexByte(back, '/')+1:]
}
