package gateway_test

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/proxy"
)

func TestPathsOnTheWire(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	query := strings.Repeat("a=1;b=%2e%2e%2f&&=;", 3000) + "?x[]=//../"
	for _, tc := range []struct{ name, target, sent string }{
		{"plain", "/contacts/7?edit=1", "/contacts/7?edit=1"},
		{"root", "/", "/"},
		{"empty query", "/a?", "/a?"},
		{"query byte for byte", "/a?" + query, "/a?" + query},
		{"encoding kept", "/%7Euser/%e2%82%AC/a%20b", "/%7Euser/%e2%82%AC/a%20b"},
		{"unusual characters", `/a|b^c"d<e>{f}[g]@:!$&'()*+,=`, `/a|b^c"d<e>{f}[g]@:!$&'()*+,=`},
		{"raw UTF-8", "/é?ü", "/é?ü"},
		{"repeated slashes", "//a///b//", "/a/b/"},
		{"repeated slashes in the query", "/a?b=//c", "/a?b=//c"},
		{"parameters under one rule", "/a;v=1/b%3Bw", "/a;v=1/b%3Bw"},
		{"absolute form", "http://crm.example.com/a//b?c", "/a/b?c"},
		{"encoded twice under one rule", "/job/x%252Fy", "/job/x%252Fy"},
		{"encoded hash under one rule", "/a%23b", "/a%23b"},
		{"public", "/public//%61.css", "/public/%61.css"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := g.get("GET "+tc.target, asAnn)
			if res.StatusCode != 200 {
				t.Fatalf("status %d: %s", res.StatusCode, res.body)
			}
			if got := up.one(t).line; got != "GET "+tc.sent+" HTTP/1.1" {
				t.Errorf("sent %q, want %q", got, tc.sent)
			}
		})
	}
}

func TestPathsRefused(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	for _, target := range []string{
		"/public/../admin", "/public/..", "/..", "/./admin", "/public/%2e%2e/admin", "/public/%2E%2e/admin", "/public/.%2e/admin", "/public/%2e./admin",
		"/public/..;/admin", "/public/..%3b/admin", "/public/..;a=b;c/admin", "/public/%252e%252e/admin", "/public/..%252fadmin", "/public/..%255cadmin",
		"/public%2fadmin", "/public%2Fadmin", "/admin%2fusers", "/public/..%2fadmin", "/public%5cadmin", "/public%5Cadmin", `/public\admin`, `\admin`,
		"/admin%00", "/admin%00.css", "/public/%00", "/admin%0d%0aX: y", "/admin%0a", "/admin%7f", "/admin%09", "/admin%2500.css", "/admin\x01", "/admin\x7f", "/admin\x00",
		"/admin%ff", "/%c0%ae%c0%ae/admin", "/admin%c0%af", "/admin\xff", "/admin%", "/admin%2", "/admin%zz",
		"/public#/../admin", "/admin#.css", "/admin?a#b", "http://evil.test/admin", "http://evil.test/public", "https://crm.example.com.evil.test/public",
		"http://a@crm.example.com/public", "ftp://crm.example.com/public", "http:///public", "admin", "*", "",
		// Two readings with two rules.
		"/public;/admin", "/;/admin/users", "/x;/../admin", "/admin;x", "/admin;x/users", "/admin%3bx", "/public/a;/../../admin", "/_gate;x/sign-in", "/;x/_gate/sign-in",
		"/admin%23.css", "/admin%3f.css", "/admin%252fusers", "/admin%25252fusers", "/.well-known/change-password;x", "/%255fgate/sign-in",
	} {
		t.Run(target, func(t *testing.T) {
			boss := annSession()
			boss.Groups = []string{"crm-admins"} // whoever it is
			g.sessions.put("ann", boss)
			res := g.get("GET "+target, asAnn)
			if res.StatusCode != 400 {
				t.Errorf("status %d: %s", res.StatusCode, res.body)
			}
			if n := len(up.take(t)); n != 0 {
				t.Error("the upstream was asked")
			}
		})
	}
}

// forged are the names that a client must not be able to send, with and without a session, on any route.
var forged = []string{
	"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Name", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X-Crmgate-Provider",
	"X-Crmgate-Assertion", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "Forwarded", "X-Real-Ip",
	"X-Request-Id", "Traceparent", "Tracestate", "X-Original-Url", "X-Rewrite-Url", "Remote-User", "X-Other-User",
}

func spellings(name string) []string {
	return []string{
		name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"), strings.ToLower(strings.ReplaceAll(name, "-", "_")),
		strings.Replace(name, "-", "_", 1), strings.ReplaceAll(name, "-", "."), strings.ToUpper(strings.ReplaceAll(name, "-", ".")), strings.ReplaceAll(name, "-", "~"),
		strings.ReplaceAll(name, "-", "!"),
	}
}

func TestForgedHeaders(t *testing.T) {
	up := record(t)
	for _, underscores := range []bool{false, true} {
		g := guard(t, up.url, func(s *setup) {
			other := s.upstreams[0]
			other.ID, other.Paths = "other", []string{"/other"}
			other.Identity.Headers = []proxy.HeaderConfig{{Name: "remote-USER", Value: "username"}, {Name: "X_Other_User", Value: "email"}}
			s.upstreams[0].UnderscoreHeaders, other.UnderscoreHeaders = underscores, underscores
			s.upstreams = append(s.upstreams, other)
		})
		var headers []string
		for _, name := range forged {
			for _, s := range spellings(name) {
				headers = append(headers, s+": evil", s+":evil", s+":\tevil")
			}
		}
		headers = append(headers, "X_Custom: passed", "X-Custom: kept", "Authorization: Bearer kept")
		for _, tc := range []struct {
			name, line string
			cookie     string
			want       map[string]string
		}{
			{"signed in", "GET /contacts", asAnn, map[string]string{"X-Forwarded-User": "account-1", "X-Forwarded-Email": "ann@contoso.com",
				"X-Forwarded-Name": "Ann Example", "X-Forwarded-Preferred-Username": "ann", "X-Forwarded-Groups": "sales", "X-Crmgate-Provider": "contoso"}},
			{"signed in, configured names", "GET /other", asAnn, map[string]string{"Remote-User": "ann", "X_other_user": "ann@contoso.com"}},
			{"public, nobody", "GET /public/a.css", "X-Nothing: 1", nil},
		} {
			t.Run(tc.name, func(t *testing.T) {
				if res := g.get(tc.line, append(slices.Clone(headers), tc.cookie)...); res.StatusCode != 200 {
					t.Fatalf("status %d: %s", res.StatusCode, res.body)
				}
				got := up.one(t)
				if strings.Contains(got.raw, "evil") {
					t.Errorf("a forged value arrived:\n%s", got.raw)
				}
				for name, values := range got.header {
					if len(values) != 1 {
						t.Errorf("%s came %d times", name, len(values))
					}
				}
				for name, want := range tc.want {
					if v := got.header[name]; len(v) != 1 || v[0] != want {
						t.Errorf("%s: %q, want %q", name, v, want)
					}
				}
				if (len(got.header["X-Forwarded-User"])+len(got.header["Remote-User"]) > 0) != (tc.want != nil) {
					t.Error("identity where there is nobody")
				}
				if (len(got.header[proxy.AssertionHeader]) == 1) != (tc.want != nil) {
					t.Errorf("assertion: %q", got.header[proxy.AssertionHeader])
				}
				if (len(got.header["X_custom"]) == 1) != underscores || len(got.header["X-Custom"]) != 1 || len(got.header["Authorization"]) != 1 {
					t.Errorf("headers of others: %q %q %q", got.header["X_custom"], got.header["X-Custom"], got.header["Authorization"])
				}
			})
		}
	}
}

func TestConnectionCannotNominateOurHeaders(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	want := []string{"X-Forwarded-User", "X-Forwarded-Groups", "X-Crmgate-Assertion", "X-Forwarded-For", "X-Request-Id", "Traceparent"}
	for _, connection := range []string{
		"Connection: close, X-Forwarded-User, X-Forwarded-Groups, X-Crmgate-Assertion, X-Forwarded-For, X-Request-Id, Traceparent",
		"Connection: x-forwarded-user,x-forwarded-groups,x-crmgate-assertion\r\nConnection: X-FORWARDED-FOR\r\nconnection: x-request-id , traceparent",
	} {
		res := g.raw("GET /x HTTP/1.1\r\nHost: crm.example.com\r\n" + connection + ", X-Drop\r\nX-Drop: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: evil\r\n" + asAnn + "\r\n\r\n")
		if res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, res.body)
		}
		got := up.one(t)
		for _, name := range want {
			if len(got.header[name]) != 1 || got.header[name][0] == "" {
				t.Errorf("%s is missing with %q", name, connection)
			}
		}
		for _, name := range []string{"X-Drop", "Keep-Alive", "Proxy-Authorization", "Connection"} {
			if _, ok := got.header[name]; ok {
				t.Errorf("%s was passed on", name)
			}
		}
	}
}

func TestTrailers(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	res := g.raw("POST /x HTTP/1.1\r\nHost: crm.example.com\r\nConnection: close\r\n" + asAnn + "\r\nTransfer-Encoding: chunked\r\nTe: trailers\r\n" +
		"Trailer: X-Sum, X-Forwarded-User, x_forwarded_user, X.Forwarded.Groups, Host, Cookie, Authorization\r\n\r\n" +
		"5\r\nhello\r\n0\r\nX-Sum: 42\r\nX-Forwarded-User: evil\r\nx_forwarded_user: evil\r\nX.Forwarded.Groups: evil\r\nX-Crmgate-Assertion: evil\r\nX-Unannounced: evil\r\n" +
		"Host: evil\r\nCookie: evil\r\nAuthorization: evil\r\n\r\n")
	if res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, res.body)
	}
	got := up.one(t)
	if strings.Contains(got.raw, "evil") {
		t.Errorf("a forged trailer arrived:\n%s", got.raw)
	}
	if !strings.HasSuffix(got.raw, "\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n") || got.header["Trailer"][0] != "X-Sum" || got.header["Te"][0] != "trailers" {
		t.Errorf("the honest trailer is missing:\n%s", got.raw)
	}
}

// TestABodyThatMayBeOverlooked: a CRM that does not read the body of a GET would take it for the next request on the connection. So there is
// no next one.
func TestABodyThatMayBeOverlooked(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	const hidden = "GET /internal HTTP/1.1\r\nHost: crm.example.com\r\nX-Forwarded-User: evil\r\n\r\n"
	for _, head := range []string{"GET /x", "HEAD /x", "OPTIONS /x", "GET /socket", "POST /x"} {
		upgrade := ""
		if strings.HasSuffix(head, "socket") {
			upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		}
		g.raw(head + " HTTP/1.1\r\nHost: crm.example.com\r\n" + asAnn + "\r\n" + upgrade + "Content-Length: " + strconv.Itoa(len(hidden)) + "\r\n\r\n" + hidden)
		got := up.one(t)
		if closes := slices.Equal(got.header["Connection"], []string{"close"}); closes != !strings.HasPrefix(head, "POST") {
			t.Errorf("%s: Connection: %q", head, got.header["Connection"])
		}
		if got.header["Upgrade"] != nil {
			t.Errorf("%s: an upgrade with a body was passed on", head)
		}
	}
}

func TestCookiesOnTheWire(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	g.get("GET /x", "Cookie: crm=a b\"c; crmgate_session=ann;theme=dark ;  CRMGATE_attempt_7 = x; last=\x80")
	got := up.one(t).header["Cookie"]
	if diff := cmp.Diff([]string{"crm=a b\"c; theme=dark ; last=\x80"}, got); diff != "" {
		t.Error(diff)
	}
	g.get("GET /x", asAnn)
	if got, ok := up.one(t).header["Cookie"]; ok {
		t.Errorf("Cookie %q", got)
	}
}

func TestWhatTheCRMIsToldOfTheRequest(t *testing.T) {
	up := record(t)
	direct := guard(t, up.url, nil)
	behind := guard(t, up.url, func(s *setup) {
		s.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	inbound := []string{asAnn, "X-Forwarded-For: 6.6.6.6, 192.0.2.7", "X-Forwarded-For: 10.1.1.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: crm.example.org",
		"X-Request-Id: lb-123", "Traceparent: " + parent, "Tracestate: a=b", "X-Forwarded-User: evil", "X-Forwarded-Port: 666"}
	for _, tc := range []struct {
		name string
		g    *gate
		want map[string]string
	}{
		{"no trusted proxy", direct, map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "crm.example.com"}},
		{"behind one", behind, map[string]string{"X-Forwarded-For": "192.0.2.7, 10.1.1.1, 127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "crm.example.org",
			"X-Request-Id": "lb-123", "Traceparent": parent, "Tracestate": "a=b"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.g.get("GET /x", inbound...)
			got := up.one(t)
			for name, want := range tc.want {
				if v := got.header[name]; len(v) != 1 || v[0] != want {
					t.Errorf("%s: %q, want %q", name, v, want)
				}
			}
			if got.header["X-Forwarded-User"][0] != "account-1" || got.header["Host"][0] != "crm.example.com" {
				t.Errorf("%v", got.header)
			}
			for _, name := range []string{"X-Forwarded-Port", "User-Agent"} {
				if v, ok := got.header[name]; ok {
					t.Errorf("%s: %q", name, v)
				}
			}
			if tc.g == direct {
				if id, tp := got.header["X-Request-Id"], got.header["Traceparent"]; len(id) != 1 || len(tp) != 1 || len(id[0]) != 32 || tp[0][3:35] != id[0] {
					t.Errorf("ids %q %q", id, tp)
				}
				if _, ok := got.header["Tracestate"]; ok {
					t.Error("a stranger's tracestate")
				}
			}
		})
	}
}

func TestNothingElseIsAdded(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	g.get("GET /x", asAnn, "Accept: a", "Accept: b", "X-Empty:", "If-None-Match: \"x\"")
	got := up.one(t).header
	want := []string{"Accept", "Host", "If-None-Match", "Traceparent", "X-Crmgate-Assertion", "X-Crmgate-Provider", "X-Empty", "X-Forwarded-Email", "X-Forwarded-For",
		"X-Forwarded-Groups", "X-Forwarded-Host", "X-Forwarded-Name", "X-Forwarded-Preferred-Username", "X-Forwarded-Proto", "X-Forwarded-User", "X-Request-Id"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, got["Accept"]); diff != "" {
		t.Error(diff)
	}
}
