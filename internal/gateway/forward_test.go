package gateway_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
