package gateway_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmgate/internal/audit"
	"crmgate/internal/policy"
	"crmgate/internal/proxy"
)

const (
	html     = "Accept: text/html,application/xhtml+xml"
	navigate = "Sec-Fetch-Mode: navigate"
)

func TestJourney(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	boss := annSession()
	boss.ID, boss.Groups = "ffffffffffffffffffffffffffffffff", []string{"sales", "crm-admins"}
	g.sessions.put("boss", boss)
	const asBoss = "Cookie: crmgate_session=boss"

	for _, tc := range []struct {
		name, line string
		headers    []string
		status     int
		passed     bool
		text       string // in the body
	}{
		{"signed in", "GET /contacts", []string{asAnn}, 200, true, "ok"},
		{"nobody, program", "GET /contacts", nil, 401, false, "sign_in_required"},
		{"nobody, fetch", "GET /contacts", []string{"Sec-Fetch-Mode: cors", html}, 401, false, "sign_in_required"},
		{"nobody, image", "GET /contacts", []string{"Sec-Fetch-Mode: no-cors", "Accept: image/*"}, 401, false, "sign_in_required"},
		{"nobody, old XHR", "GET /contacts", []string{html, "X-Requested-With: XMLHttpRequest"}, 401, false, "sign_in_required"},
		{"nobody, WebSocket", "GET /ws", []string{navigate, "Upgrade: websocket"}, 401, false, "sign_in_required"},
		{"nobody, POST", "POST /contacts", []string{html, "Content-Length: 0"}, 401, false, "sign_in_required"},
		{"nobody, OPTIONS", "OPTIONS /contacts", []string{html}, 401, false, "sign_in_required"},
		{"unknown cookie", "GET /contacts", []string{"Cookie: crmgate_session=stolen"}, 401, false, "sign_in_required"},
		{"nobody, navigation", "GET /contacts", []string{navigate, html}, 303, false, ""},
		{"nobody, navigation of an old browser", "GET /contacts", []string{html}, 303, false, ""},
		{"nobody, HEAD", "HEAD /contacts", []string{html}, 303, false, ""},
		{"nobody, form", "POST /contacts", []string{navigate, html, "Content-Length: 0"}, 303, false, ""},
		{"public, nobody", "GET /public/a.css", nil, 200, true, "ok"},
		{"public, signed in", "GET /public/a.css", []string{asAnn}, 200, true, "ok"},
		{"public, another method", "POST /public/a.css", []string{"Content-Length: 0"}, 401, false, ""},
		{"administration, no member", "GET /admin/users", []string{asAnn}, 403, false, `signed in as ann@contoso.com, but you may not open this page. The rule that decided is called "administration"`},
		{"administration, member", "GET /admin/users", []string{asBoss}, 200, true, "ok"},
		{"administration, spelled otherwise", "GET //admin/%75sers", []string{asAnn}, 403, false, "access_refused"},
		{"closed", "GET /internal", []string{asBoss}, 403, false, "access_refused"},
		{"closed, nobody", "GET /internal/", nil, 401, false, ""},
		{"store down", "GET /contacts", []string{"Cookie: crmgate_session=broken"}, 503, false, "session_store"},
		{"store down, public", "GET /public/a.css", []string{"Cookie: crmgate_session=broken"}, 200, true, "ok"},
		{"own page", "GET /_gate/sign-in?return_to=/x", nil, 200, false, "own /_gate/sign-in return_to=/x"},
		{"own page, spelled otherwise", "GET //_gate/%73ign-in", nil, 200, false, "own /_gate/sign-in "},
		{"own page, the prefix alone", "GET /_gate", nil, 200, false, "own /_gate "},
		{"no own page", "GET /_gatekeeper", []string{asAnn}, 200, true, "ok"},
		{"change password", "GET /.well-known/change-password", nil, 200, false, "own /.well-known/change-password"},
		{"beside change password", "GET /.well-known/change-password/x", nil, 401, false, ""},
		{"dot segment", "GET /public/../admin", []string{asAnn}, 400, false, "dot_segment"},
		{"TRACE", "TRACE /contacts", []string{asAnn}, 400, false, "method"},
		{"asterisk", "OPTIONS *", []string{asAnn}, 400, false, "form"},
		{"CONNECT", "CONNECT crm.example.com:443", []string{asAnn}, 400, false, "method"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := g.get(tc.line, tc.headers...)
			if res.StatusCode != tc.status || !strings.Contains(res.body, tc.text) {
				t.Errorf("status %d, body %q; want %d with %q", res.StatusCode, res.body, tc.status, tc.text)
			}
			if n := len(up.take(t)); (n == 1) != tc.passed || n > 1 {
				t.Errorf("the upstream got %d requests, want it to get one: %v", n, tc.passed)
			}
			if (tc.status == 401 || tc.status == 303) && res.Header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be cached")
			}
			if tc.status == 401 && res.Header.Get("Location") != "" {
				t.Error("a 401 that redirects")
			}
		})
	}
}

func TestSignInAddresses(t *testing.T) {
	g := guard(t, record(t).url, nil)
	long := "/a?" + strings.Repeat("x", 5000)
	for _, tc := range []struct {
		name, line string
		headers    []string
		back       string
	}{
		{"deep link", "GET /contacts/7?tab=a&b=%2F;c", nil, "/contacts/7?tab=a&b=%2F;c"},
		{"encoded path", "GET /J%C3%BCrgen%20K", nil, "/J%C3%BCrgen%20K"},
		{"another site's address", "GET //evil.test/x", nil, "/evil.test/x"},
		{"too long", "GET " + long, nil, "/a"},
		{"path too long", "GET /" + strings.Repeat("x", 5000), nil, "/"},
		{"form", "POST /contacts/save", []string{"Referer: https://crm.example.com/contacts/7?edit=1", "Content-Length: 0"}, "/contacts/7?edit=1"},
		{"form without a page", "POST /contacts/save", []string{"Content-Length: 0"}, "/"},
		{"form of another site", "POST /contacts/save", []string{"Referer: https://evil.test/a", "Content-Length: 0"}, "/"},
		{"form of our own page", "POST /contacts/save", []string{"Referer: https://crm.example.com/_gate/sign-in", "Content-Length: 0"}, "/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := g.get(tc.line, append(tc.headers, navigate, html)...)
			to, err := url.Parse(res.Header.Get("Location"))
			if err != nil || res.StatusCode != 303 || to.Path != "/_gate/sign-in" || to.Host != "" {
				t.Fatalf("status %d, Location %q", res.StatusCode, res.Header.Get("Location"))
			}
			if got := to.Query().Get("return_to"); got != tc.back {
				t.Errorf("return_to %q, want %q", got, tc.back)
			}
		})
	}
}

func TestSignInRequired(t *testing.T) {
	res := guard(t, record(t).url, nil).get("GET /contacts")
	var body map[string]string
	if err := json.Unmarshal([]byte(res.body), &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"error": "sign_in_required", "sign_in_url": "https://crm.example.com/_gate/sign-in"}
	if diff := cmp.Diff(want, body); diff != "" || res.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Error(res.Header, diff)
	}
}

func TestRefusalIsAudited(t *testing.T) {
	g := guard(t, record(t).url, nil)
	g.get("GET /admin/users", asAnn, "User-Agent: test")
	got := g.events.all()
	want := []audit.Event{{Kind: audit.AccessRefused, AccountID: "account-1", Provider: "contoso", Reason: "rule:administration", Address: "127.0.0.1", UserAgent: "test",
		Rule: "administration", Request: "GET /admin/users", Detail: "missing: the group crm-admins | groups: sales"}}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(audit.Event{}, "Reference")); diff != "" {
		t.Error(diff)
	}
	if len(got) == 1 && len(got[0].Reference) != 32 {
		t.Errorf("reference %q", got[0].Reference)
	}
}

func TestUpstreams(t *testing.T) {
	crm, wiki, api := record(t), record(t), record(t)
	g := guard(t, crm.url, func(s *setup) {
		w, a := s.upstreams[0], s.upstreams[0]
		s.upstreams[0].Hosts = []string{"crm.example.com"}
		w.ID, w.URLs, w.Hosts, w.Paths = "wiki", []string{wiki.url + "/base/"}, []string{"Wiki.example.com"}, []string{"/", "/pages"}
		a.ID, a.URLs, a.Hosts, a.Paths, a.PreserveHost = "api", []string{api.url}, nil, []string{"/api/"}, false
		s.upstreams = append(s.upstreams, w, a)
		s.access.Rules = append(s.access.Rules, policy.RuleConfig{Name: "wiki", Upstreams: []string{"wiki"}, Paths: []string{"/secret/**"}, Allow: policy.Allow{Word: "nobody"}})
	})
	for _, tc := range []struct {
		name, host, target string
		status             int
		to                 *recording
		line, sentHost     string
	}{
		{"by host", "crm.example.com", "/x", 200, crm, "GET /x HTTP/1.1", "crm.example.com"},
		{"host in capitals with port and dot", "CRM.example.com.:443", "/x", 200, crm, "GET /x HTTP/1.1", "CRM.example.com.:443"},
		{"other host", "wiki.example.com", "/x?y", 200, wiki, "GET /base/x?y HTTP/1.1", "wiki.example.com"},
		{"longest prefix, every host", "wiki.example.com", "/api/v1", 200, api, "GET /api/v1 HTTP/1.1", strings.TrimPrefix(api.url, "http://")},
		{"prefix by segments", "wiki.example.com", "/apis", 200, wiki, "GET /base/apis HTTP/1.1", "wiki.example.com"},
		{"the prefix itself", "unknown.example.com", "/api", 200, api, "GET /api HTTP/1.1", strings.TrimPrefix(api.url, "http://")},
		{"no upstream", "unknown.example.com", "/x", 404, nil, "", ""},
		{"rule of one upstream", "wiki.example.com", "/secret/x", 403, nil, "", ""},
		{"rule of another upstream", "crm.example.com", "/secret/x", 200, crm, "GET /secret/x HTTP/1.1", "crm.example.com"},
		{"parameters that choose an upstream", "crm.example.com", "/api;x/v1", 400, nil, "", ""},
		{"parameters that do not", "wiki.example.com", "/pages;x/v1", 200, wiki, "GET /base/pages;x/v1 HTTP/1.1", "wiki.example.com"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := g.raw("GET " + tc.target + " HTTP/1.1\r\nHost: " + tc.host + "\r\n" + asAnn + "\r\n\r\n")
			if res.StatusCode != tc.status {
				t.Fatalf("status %d: %s", res.StatusCode, res.body)
			}
			for _, up := range []*recording{crm, wiki, api} {
				if up != tc.to {
					if n := len(up.take(t)); n > 0 {
						t.Errorf("%d requests at another upstream", n)
					}
					continue
				}
				got := up.one(t)
				if got.line != tc.line || got.header["Host"][0] != tc.sentHost {
					t.Errorf("got %q for %q, want %q for %q", got.line, got.header["Host"], tc.line, tc.sentHost)
				}
			}
		})
	}
}

func TestIdentityFollowsTheSession(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, nil)
	told := func() (groups, assertion string) {
		g.get("GET /x", asAnn)
		h := up.one(t).header
		return strings.Join(h["X-Forwarded-Groups"], "|"), strings.Join(h[proxy.AssertionHeader], "|")
	}
	groups, first := told()
	g.sessions.put("ann", annSession()) // read again from the store
	if _, again := told(); groups != "sales" || again != first || first == "" {
		t.Errorf("groups %q; the same session signs twice: %v", groups, again != first)
	}
	changed := annSession()
	changed.Groups = []string{"support"}
	g.sessions.put("ann", changed)
	if groups, next := told(); groups != "support" || next == first {
		t.Errorf("groups %q, new assertion %v", groups, next != first)
	}
	other := annSession()
	other.ID, other.AccountID = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "account-2"
	g.sessions.put("ann", other)
	g.get("GET /x", asAnn)
	if got := up.one(t).header["X-Forwarded-User"]; !cmp.Equal(got, []string{"account-2"}) {
		t.Errorf("account %q", got)
	}
}

// TestMethodOverrideAndAnotherReading sends a request that is under one rule as it stands, with the other method, and on the other path, and under
// another rule with both: a servlet container reads the one, the framework in it the other.
func TestMethodOverrideAndAnotherReading(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, func(s *setup) {
		s.access.Rules = append(s.access.Rules, policy.RuleConfig{Name: "delete", Paths: []string{"/contacts/*"}, Methods: []string{"DELETE"}, Allow: policy.Allow{Word: "nobody"}})
	})
	for _, tc := range []struct {
		line, header string
		status       int
	}{
		{"POST /contacts;x/7", "X-A: b", 200},
		{"POST /contacts;x/7?_method=PUT", "X-A: b", 200},
		{"POST /contacts;x/7", "X-HTTP-Method-Override: DELETE", 400},
		{"POST /contacts;x/7?_method=delete", "X-A: b", 400},
		{"POST /contacts%3bx/7", "X-HTTP-Method-Override: DELETE", 400},
	} {
		if res := g.get(tc.line, tc.header, asAnn, "Content-Length: 0"); res.StatusCode != tc.status {
			t.Errorf("%s with %s: status %d: %s", tc.line, tc.header, res.StatusCode, res.body)
		}
	}
	up.take(t)
}

func TestMethodOverride(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, func(s *setup) { s.upstreams[0].UnderscoreHeaders = true })
	for _, tc := range []struct {
		name, line string
		headers    []string
		status     int
	}{
		{"out of a public rule", "GET /public/x", []string{"X-HTTP-Method-Override: DELETE"}, 400},
		{"into a public rule", "POST /public/x", []string{"X-Method-Override: GET"}, 400},
		{"within a rule", "POST /contacts", []string{"X-HTTP-Method: PUT"}, 200},
		{"hidden behind another header", "GET /public/x", []string{"X-HTTP-Method-Override: GET", "X-Method-Override: DELETE"}, 400},
		{"hidden behind an empty header", "GET /public/x", []string{"X-HTTP-Method-Override:", "X-HTTP-Method: DELETE"}, 400},
		{"second line", "GET /public/x", []string{"X-HTTP-Method-Override: GET", "X-HTTP-Method-Override: DELETE"}, 400},
		{"second word", "GET /public/x", []string{"X-HTTP-Method-Override: GET, DELETE"}, 400},
		{"underscores", "GET /public/x", []string{"X_HTTP_METHOD_OVERRIDE: DELETE"}, 400},
		{"small letters", "GET /public/x", []string{"x-http-method-override: delete"}, 400},
		{"the same method", "GET /public/x", []string{"X-HTTP-Method-Override: get"}, 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if res := g.get(tc.line, append(tc.headers, asAnn, "Content-Length: 0")...); res.StatusCode != tc.status {
				t.Errorf("status %d: %s", res.StatusCode, res.body)
			}
		})
	}
}
