package gateway_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/gateway"
)

func TestForward(t *testing.T) {
	up := record(t)
	trusted := guard(t, up.url, func(s *setup) { s.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	stranger := guard(t, up.url, nil)
	about := func(method, uri string, more ...string) []string {
		return append([]string{"X-Forwarded-Method: " + method, "X-Forwarded-Uri: " + uri, "X-Forwarded-Host: crm.example.com", "X-Forwarded-Proto: https"}, more...)
	}
	for _, tc := range []struct {
		name    string
		g       *gate
		headers []string
		status  int
		user    []string // X-Forwarded-User of the answer; nil: not there
	}{
		{"signed in", trusted, about("GET", "/contacts?x=1", asAnn), 200, []string{"account-1"}},
		{"public, signed in", trusted, about("GET", "/public/a", asAnn), 200, []string{"account-1"}},
		{"public, nobody", trusted, about("GET", "/public/a"), 200, []string{""}},
		{"public, another method", trusted, about("POST", "/public/a"), 401, nil},
		{"nobody", trusted, about("GET", "/contacts"), 401, nil},
		{"nobody, navigation", trusted, about("GET", "/contacts", html, navigate), 401, nil},
		{"no member", trusted, about("GET", "/admin/users", asAnn), 403, nil},
		{"no member, spelled otherwise", trusted, about("GET", "//%61dmin/users", asAnn), 403, nil},
		{"our own page", trusted, about("GET", "/_gate/sign-in"), 403, nil},
		{"dot segments", trusted, about("GET", "/public/../admin", asAnn), 403, nil},
		{"two readings", trusted, about("GET", "/public;/admin", asAnn), 403, nil},
		{"TRACE", trusted, about("TRACE", "/contacts", asAnn), 403, nil},
		{"foreign absolute form", trusted, about("GET", "http://evil.test/public/a", asAnn), 403, nil},
		{"store down", trusted, about("GET", "/contacts", "Cookie: crmgate_session=broken"), 503, nil},
		{"no address", trusted, []string{"X-Forwarded-Method: GET", asAnn}, 403, nil},
		{"no method", trusted, []string{"X-Forwarded-Uri: /public/a", asAnn}, 403, nil},
		{"two addresses", trusted, about("GET", "/admin/users", asAnn, "X-Forwarded-Uri: /public/a"), 403, nil},
		{"two methods", trusted, about("GET", "/public/a", "X-Forwarded-Method: POST"), 401, nil},
		{"two hosts", trusted, about("GET", "/public/a", "X-Forwarded-Host: b"), 401, nil},
		{"a stranger asks", stranger, about("GET", "/contacts", asAnn), 403, nil},
		{"a stranger asks about a public page", stranger, about("GET", "/public/a"), 401, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := tc.g.get("GET /_gate/auth", tc.headers...)
			if res.StatusCode != tc.status {
				t.Fatalf("status %d: %s", res.StatusCode, res.body)
			}
			if diff := cmp.Diff(tc.user, res.Header["X-Forwarded-User"]); diff != "" {
				t.Error(diff)
			}
			if tc.user != nil {
				for _, name := range []string{"Email", "Name", "Preferred-Username", "Groups"} {
					if len(res.Header["X-Forwarded-"+name]) != 1 {
						t.Errorf("X-Forwarded-%s is missing", name)
					}
				}
				if len(res.Header["X-Crmgate-Provider"]) != 1 || len(res.Header["X-Crmgate-Assertion"]) != 1 {
					t.Errorf("%v", res.Header)
				}
			}
			if tc.status == 401 && !strings.Contains(res.body, "sign_in_required") || res.Header.Get("Location") != "" || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%v %s", res.Header, res.body)
			}
			if n := len(up.take(t)); n != 0 {
				t.Error("the upstream was asked")
			}
		})
	}
}

func TestForwardedAddressDoesNotChooseTheRuleOfARealRequest(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, func(s *setup) { s.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} })
	if res := g.get("GET /admin/users", asAnn, "X-Forwarded-Uri: /public/a", "X-Original-Url: /public/a", "X-Forwarded-Method: GET"); res.StatusCode != 403 {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestForwardTellsWhatCredentialsAreTheCRMs(t *testing.T) {
	up := record(t)
	open := guard(t, up.url, loopbackTrusted)
	secret := guard(t, up.url, loopbackTrusted)
	secret.handler.ForwardAuth = gateway.ForwardAuth{Secret: "correct horse battery staple"}
	ask := func(g *gate, more ...string) http.Header {
		t.Helper()
		res := g.get("GET /_gate/auth", append(more, "X-Forwarded-Method: GET", "X-Forwarded-Uri: /public/x", "X-Crmgate-Forward-Secret: correct horse battery staple")...)
		if res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, res.body)
		}
		return res.Header
	}
	for _, tc := range []struct {
		name                  string
		g                     *gate
		headers               []string
		cookie, authorization []string
	}{
		{"nothing", secret, nil, []string{""}, []string{""}},
		{"ours alone", secret, []string{asAnn}, []string{""}, []string{""}},
		{"both", secret, []string{"Cookie: a=1; crmgate_session=ann; b=2"}, []string{"a=1; b=2"}, []string{""}},
		{"several lines", secret, []string{"Cookie: a=1", asAnn, "Cookie: b=2"}, []string{"a=1; b=2"}, []string{""}},
		{"the CRM's own password", secret, []string{"Authorization: Basic eDp5"}, []string{""}, []string{"Basic eDp5"}},
		{"two of them", secret, []string{"Authorization: Basic eDp5", "Authorization: Basic eDp6"}, []string{""}, []string{""}},
		{"a proxy that proved nothing", open, []string{"Cookie: a=1; crmgate_session=ann", "Authorization: Basic eDp5"}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := ask(tc.g, tc.headers...)
			if diff := cmp.Diff([][]string{tc.cookie, tc.authorization}, [][]string{h["Cookie"], h["Authorization"]}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestForwardTurnsAway(t *testing.T) {
	up := record(t)
	plain := guard(t, up.url, loopbackTrusted)
	redirecting := guard(t, up.url, loopbackTrusted)
	redirecting.handler.ForwardAuth = gateway.ForwardAuth{Redirect: true}
	const page = "/_gate/sign-in?return_to=%2Fcontacts%3Fa%3D1%3Bb%3D%252F"
	socket := []string{"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13"}
	for _, tc := range []struct {
		name           string
		g              *gate
		method         string
		headers        []string
		status         int
		signIn, leadTo string
	}{
		{"a navigation", plain, "GET", []string{navigate, html}, 401, page, ""},
		{"a navigation, by redirect", redirecting, "GET", []string{navigate, html}, 303, page, page},
		{"a program, by redirect", redirecting, "GET", []string{"Accept: application/json"}, 401, page, ""},
		{"a form, by redirect", redirecting, "POST", []string{html}, 401, "/_gate/sign-in?return_to=%2F", ""},
		{"a WebSocket of our page", plain, "GET", append(socket, asAnn, "X-Forwarded-Host: crm.example.com", "Origin: https://crm.example.com"), 200, "", ""},
		{"a WebSocket of a program", plain, "GET", append(socket, asAnn), 200, "", ""},
		{"a WebSocket of a foreign page", plain, "GET", append(socket, asAnn, "Origin: https://evil.test"), 403, "", ""},
		{"a WebSocket over HTTP/2, foreign", plain, "GET", []string{socket[1], asAnn, "Origin: https://evil.test"}, 403, "", ""},
		{"a request of a foreign page", plain, "GET", []string{asAnn, "Origin: https://evil.test"}, 200, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := tc.g.get("GET /_gate/auth", append(tc.headers, "X-Forwarded-Method: "+tc.method, "X-Forwarded-Uri: /contacts?a=1;b=%2F")...)
			if res.StatusCode != tc.status || res.Header.Get("X-Crmgate-Sign-In") != tc.signIn || res.Header.Get("Location") != tc.leadTo || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v %s", res.StatusCode, res.Header, res.body)
			}
		})
	}
}
