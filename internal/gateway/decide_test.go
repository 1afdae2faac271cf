package gateway_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmgate/internal/gateway"
	"crmgate/internal/policy"
)

func loopbackTrusted(s *setup) { s.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} }

func TestStepUp(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, func(s *setup) {
		loopbackTrusted(s)
		s.access.Rules = []policy.RuleConfig{{Name: "secret", Paths: []string{"/secret/**"}, Allow: policy.Allow{Word: "signed_in"}, RequireFactor: true}}
	})
	now := time.Now()
	proven := func(ago time.Duration) string {
		s := annSession()
		s.ID, s.FactorAt = fmt.Sprintf("%032x", int64(ago)), now.Add(-ago)
		g.sessions.put(s.ID, s)
		return "Cookie: crmgate_session=" + s.ID
	}
	for _, tc := range []struct {
		name, line string
		headers    []string
		status     int
		location   string
		text       string
	}{
		{"fresh", "GET /secret/x", []string{proven(time.Minute)}, 200, "", "ok"},
		{"too old, navigation", "GET /secret/x?a=b", []string{proven(11 * time.Minute), html, navigate}, 303, "/_gate/factor/step-up?return_to=" + url.QueryEscape("/secret/x?a=b"), ""},
		{"none, navigation", "GET /secret/x", []string{asAnn, html, navigate}, 303, "/_gate/factor/step-up?return_to=%2Fsecret%2Fx", ""},
		{"none, form", "POST /secret/x", []string{asAnn, html, navigate, "Content-Length: 0", "Referer: https://crm.example.com/secret/form"}, 303, "/_gate/factor/step-up?return_to=%2Fsecret%2Fform", ""},
		{"none, program", "GET /secret/x", []string{asAnn}, 401, "", `{"error":"factor_required","sign_in_url":"https://crm.example.com/_gate/factor/step-up"}`},
		{"nobody", "GET /secret/x", nil, 401, "", "sign_in_required"},
		{"nobody, navigation", "GET /secret/x", []string{html, navigate}, 303, "/_gate/sign-in?return_to=%2Fsecret%2Fx", ""},
		{"no such rule", "GET /x", []string{asAnn}, 200, "", "ok"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := g.get(tc.line, tc.headers...)
			if res.StatusCode != tc.status || !strings.Contains(res.body, tc.text) || res.Header.Get("Location") != tc.location {
				t.Errorf("%d, Location %q, %q", res.StatusCode, res.Header.Get("Location"), res.body)
			}
			if n := len(up.take(t)); (n == 1) != (tc.status == 200) {
				t.Errorf("the upstream got %d requests", n)
			}
		})
	}
	t.Run("forward-auth", func(t *testing.T) {
		res := g.get("GET /_gate/auth", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /secret/x?a", asAnn)
		if res.StatusCode != 401 || !strings.Contains(res.body, "factor_required") || res.Header.Get("X-Crmgate-Sign-In") != "/_gate/factor/step-up?return_to=%2Fsecret%2Fx%3Fa" {
			t.Errorf("%d %v %s", res.StatusCode, res.Header, res.body)
		}
		res = g.get("GET /_gate/auth", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /secret/x?a")
		if res.StatusCode != 401 || res.Header.Get("X-Crmgate-Sign-In") != "/_gate/sign-in?return_to=%2Fsecret%2Fx%3Fa" {
			t.Errorf("%d %v %s", res.StatusCode, res.Header, res.body)
		}
	})
}

func TestNetworksAndHours(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, func(s *setup) {
		loopbackTrusted(s)
		s.access.Rules = []policy.RuleConfig{
			{Name: "office", Paths: []string{"/office/**"}, Allow: policy.Allow{Networks: []string{"10.0.0.0/8"}}},
			{Name: "day", Paths: []string{"/day/**"}, Allow: policy.Allow{Hours: []policy.HoursConfig{{Days: []string{"mon-fri"}, From: "08:00", To: "18:00", Zone: "UTC"}}}},
			{Name: "hook", Paths: []string{"/hooks/**"}, Allow: policy.Allow{Who: "anyone", Networks: []string{"203.0.113.0/24"}}},
			{Name: "both", Paths: []string{"/both/**"}, Allow: policy.Allow{Networks: []string{"10.0.0.0/8"}, Groups: []string{"root"}}},
		}
	})
	monday := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name, line, from string
		at               time.Time
		headers          []string
		status           int
		text             string
	}{
		{"inside", "GET /office/x", "10.1.2.3", monday, []string{asAnn}, 200, ""},
		{"outside", "GET /office/x", "192.0.2.1", monday, []string{asAnn}, 403, "you may not open this page from where you are: it opens from certain networks only. The rule that decided is called \"office\""},
		{"outside, nobody", "GET /office/x", "192.0.2.1", monday, nil, 401, ""},
		{"an inner address that a client claims", "GET /office/x", "10.1.2.3, 192.0.2.1", monday, []string{asAnn}, 403, ""},
		{"by day", "GET /day/x", "192.0.2.1", monday, []string{asAnn}, 200, ""},
		{"by night", "GET /day/x", "192.0.2.1", monday.Add(12 * time.Hour), []string{asAnn}, 403, "at this time: it opens at certain hours only"},
		{"more is missing than the network", "GET /both/x", "192.0.2.1", monday, []string{asAnn}, 403, "you may not open this page. The rule"},
		{"a webhook", "POST /hooks/x", "203.0.113.9", monday, []string{"Content-Length: 0"}, 200, ""},
		{"a webhook from elsewhere", "POST /hooks/x", "192.0.2.1", monday, []string{"Content-Length: 0"}, 403, "certain networks"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g.handler.Now = func() time.Time { return tc.at }
			res := g.get(tc.line, append(tc.headers, "X-Forwarded-For: "+tc.from)...)
			if res.StatusCode != tc.status || !strings.Contains(res.body, tc.text) {
				t.Errorf("%d %s", res.StatusCode, res.body)
			}
			up.take(t)
		})
	}
	all := g.events.all()
	last := all[len(all)-1]
	if last.Rule != "hook" || last.Request != "POST /hooks/x" || last.Detail != "missing: the network 203.0.113.0/24" || last.Address != "192.0.2.1" || last.AccountID != "" {
		t.Errorf("%+v", last)
	}
	for _, e := range all {
		if e.Rule == "both" && e.Detail != "missing: the group root; the network 10.0.0.0/8 | groups: sales" {
			t.Errorf("%+v", e)
		}
	}
}

func TestAuditKeepsNoSecretsOfPaths(t *testing.T) {
	g := guard(t, record(t).url, nil)
	g.get("GET /admin/"+strings.Repeat("s", 43)+"/x?token=secret", asAnn)
	if got := g.events.all(); len(got) != 1 || got[0].Request != "GET /admin/…/x" {
		t.Errorf("%+v", got)
	}
}

func TestForwardNames(t *testing.T) {
	up := record(t)
	plain := guard(t, up.url, loopbackTrusted)
	named := guard(t, up.url, loopbackTrusted)
	named.handler.ForwardAuth = gateway.ForwardAuth{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	others := guard(t, up.url, loopbackTrusted)
	others.handler.ForwardAuth = gateway.ForwardAuth{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}}
	secret := guard(t, up.url, loopbackTrusted)
	secret.handler.ForwardAuth = gateway.ForwardAuth{Secret: "correct horse battery staple"}
	off := guard(t, up.url, loopbackTrusted)
	off.handler.ForwardAuth = gateway.ForwardAuth{Off: true}
	const ask = "GET /_gate/auth"
	caddy := func(method, uri string) []string {
		return []string{asAnn, "X-Forwarded-Method: " + method, "X-Forwarded-Uri: " + uri}
	}
	nginx := func(method, uri string) []string {
		return []string{asAnn, "X-Original-Method: " + method, "X-Original-URI: " + uri}
	}
	join := func(a, b []string) []string { return append(append([]string{}, a...), b[1:]...) }
	for _, tc := range []struct {
		name    string
		g       *gate
		line    string
		headers []string
		status  int
	}{
		{"Caddy, Traefik", plain, ask, caddy("GET", "/x"), 200},
		{"nginx", plain, ask, nginx("GET", "/x?y"), 200},
		{"nginx, refused", plain, ask, nginx("GET", "/admin/x"), 403},
		{"nginx ingress", plain, ask, []string{asAnn, "X-Original-Method: GET", "X-Original-URL: https://crm.example.com/x"}, 200},
		{"nginx ingress, refused", plain, ask, []string{asAnn, "X-Original-Method: GET", "X-Original-URL: https://crm.example.com/admin/x"}, 403},
		{"nginx ingress, another host", plain, ask, []string{asAnn, "X-Original-Method: GET", "X-Original-URL: https://evil.test/x"}, 403},
		{"nginx ingress, no path", plain, ask, []string{asAnn, "X-Original-Method: GET", "X-Original-URL: https://crm.example.com"}, 200},
		{"both, alike", plain, ask, join(caddy("GET", "/x"), nginx("GET", "/x")), 200},
		{"the client's own beside the proxy's", plain, ask, join(caddy("GET", "/admin/x"), nginx("GET", "/x")), 403},
		{"the client's own method", plain, ask, join(caddy("DELETE", "/public/x"), []string{"", "X-Original-Method: GET"}), 403},
		{"an address without a method", plain, ask, []string{asAnn, "X-Original-URI: /x"}, 403},
		{"pieces of two", plain, ask, []string{asAnn, "X-Original-URI: /x", "X-Forwarded-Method: GET"}, 403},
		{"a method without an address", plain, ask, []string{asAnn, "X-Original-Method: GET"}, 403},
		{"IIS", plain, ask, []string{asAnn, "X-Rewrite-Url: /x", "X-Original-Method: GET"}, 403},
		{"empty", plain, ask, nginx("GET", ""), 403},
		{"percent", plain, ask, nginx("GET", "/%"), 403},
		{"percent z", plain, ask, nginx("GET", "/%zz"), 403},
		{"colon", plain, ask, nginx("GET", ":"), 403},
		{"64 KiB", plain, ask, nginx("GET", "/"+strings.Repeat("x", 30<<10)), 200},
		{"our own page", plain, ask, nginx("GET", "/_gate/callback/contoso"), 403},

		{"Envoy", named, "GET /_gate/auth/x?y=1", []string{asAnn}, 200},
		{"Envoy, start page", named, "GET /_gate/auth/", []string{asAnn}, 200},
		{"Envoy, refused", named, "POST /_gate/auth/admin/users", []string{asAnn, "Content-Length: 0"}, 403},
		{"Envoy, public by its method", named, "POST /_gate/auth/public/x", []string{"Content-Length: 0"}, 401},
		{"Envoy, public", named, "GET /_gate/auth/public/x", nil, 200},
		{"Envoy, a header of the client's", named, "GET /_gate/auth/admin/x", caddy("GET", "/x"), 403},
		{"Envoy, our own page", named, "GET /_gate/auth/_gate/sign-in", []string{asAnn}, 403},
		{"Envoy, twice", named, "GET /_gate/auth/_gate/auth/x", []string{asAnn}, 403},
		{"Envoy, prefix spelled otherwise", named, "GET /_gate/%61uth/x", []string{asAnn}, 403},
		{"Envoy, dot segments", named, "GET /_gate/auth/public/../admin", []string{asAnn}, 400},
		{"a link on a page of the CRM", plain, "GET /_gate/auth/x", []string{asAnn}, 403},

		{"the proxy that asks", named, ask, caddy("GET", "/x"), 200},
		{"a trusted proxy that does not ask", others, ask, caddy("GET", "/x"), 403},
		{"with the secret", secret, ask, append(caddy("GET", "/x"), "X-Crmgate-Forward-Secret: correct horse battery staple"), 200},
		{"without the secret", secret, ask, caddy("GET", "/x"), 403},
		{"another secret", secret, ask, append(caddy("GET", "/x"), "X-Crmgate-Forward-Secret: correct"), 403},
		{"two secrets", secret, ask, append(caddy("GET", "/x"), "X-Crmgate-Forward-Secret: correct horse battery staple", "X-Crmgate-Forward-Secret: x"), 403},
		{"switched off", off, ask, caddy("GET", "/x"), 403},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := tc.g.get(tc.line, tc.headers...)
			if res.StatusCode != tc.status {
				t.Fatalf("status %d: %s", res.StatusCode, res.body)
			}
			if _, told := res.Header["X-Forwarded-User"]; told != (tc.status == 200) {
				t.Errorf("identity headers: %v", res.Header)
			}
			if len(up.take(t)) != 0 {
				t.Error("the upstream was asked")
			}
		})
	}
	if res := plain.get(ask, nginx("GET", "/admin/x")...); res.StatusCode != 403 || len(res.Header.Get("X-Request-Id")) != 32 ||
		plain.events.all()[len(plain.events.all())-1].Reference != res.Header.Get("X-Request-Id") {
		t.Errorf("the reference of a refusal is not in the answer: %v", res.Header)
	}
}
