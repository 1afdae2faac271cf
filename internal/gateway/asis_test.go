package gateway_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"crmgate/internal/policy"
	"crmgate/internal/proxy"
)

// asIs is a gateway whose main upstream takes paths as they are, beside one that does not, with Ann an administrator or not.
func asIs(t *testing.T, up *recording, change func(*setup)) *gate {
	g := guard(t, up.url, func(s *setup) {
		other := s.upstreams[0]
		other.ID, other.Paths = "other", []string{"/other"}
		s.upstreams[0].PathsAsIs = true
		s.upstreams = append(s.upstreams, other)
		if change != nil {
			change(s)
		}
	})
	boss := annSession()
	boss.ID, boss.Groups = "00000000000000000000000000000b05", []string{"crm-admins"}
	g.sessions.put("boss", boss)
	return g
}

// TestPathsAsIs has a row for each way to hide a path: what the gateway does by default, and what it does for an upstream that takes
// paths as they are, for nobody, for somebody and for an administrator. 200 means that the CRM got the very bytes.
func TestPathsAsIs(t *testing.T) {
	up := record(t)
	strict, loose := guard(t, up.url, nil), asIs(t, up, nil)
	for _, tc := range []struct {
		target string
		strict int
		// loose is for nobody, somebody and the administrator; 303 means a sign-in (401 for what is no browser).
		loose [3]int
	}{
		{"/x", 200, [3]int{401, 200, 200}},
		{"/public/a%2Fb", 400, [3]int{200, 200, 200}},
		{"/public/a%2fb%5cc", 400, [3]int{200, 200, 200}},
		{`/public/a\b`, 400, [3]int{200, 200, 200}},
		{"/public//a///b", 200, [3]int{200, 200, 200}},
		{"/public/./a", 400, [3]int{200, 200, 200}},
		{"/public/%e9", 400, [3]int{200, 200, 200}},
		{"/public/a%00b", 400, [3]int{200, 200, 200}},
		{"/public/a%0d%0ab", 400, [3]int{200, 200, 200}},
		{"/public/a;v=1/b", 200, [3]int{200, 200, 200}},
		{"/public/100%25", 200, [3]int{200, 200, 200}},
		{"/public/a%3fb", 200, [3]int{200, 200, 200}},
		{"/public/%252fa", 200, [3]int{200, 200, 200}},
		{"/public%2fx", 400, [3]int{401, 200, 200}},
		{"/x%2Fy", 400, [3]int{401, 200, 200}},
		// Some server reads an address under the administrators' rule, or under the one that lets nobody pass.
		{"/admin%2fx", 400, [3]int{401, 403, 200}},
		{"/admin%2Fx", 400, [3]int{401, 403, 200}},
		{"/%61dmin%2fx", 400, [3]int{401, 403, 200}},
		{`/admin\x`, 400, [3]int{401, 403, 200}},
		{"/admin%5Cx", 400, [3]int{401, 403, 200}},
		{"//admin/x", 403, [3]int{401, 403, 200}},
		{"/public/../admin", 400, [3]int{401, 403, 200}},
		{"/public/%2e%2e/admin", 400, [3]int{401, 403, 200}},
		{"/public/..%2fadmin", 400, [3]int{401, 403, 200}},
		{"/public/..;/admin", 400, [3]int{401, 403, 200}},
		{"/public/..%3b/admin", 400, [3]int{401, 403, 200}},
		{"/public/%252e%252e/admin", 400, [3]int{401, 403, 200}},
		{"/public/%c0%ae%c0%ae/admin", 400, [3]int{401, 403, 200}},
		{"/public/%e0%80%ae./admin", 400, [3]int{401, 403, 200}},
		{"/public/..%c0%afadmin", 400, [3]int{401, 403, 200}},
		{"/public/..%25u002fadmin", 400, [3]int{401, 403, 200}},
		{"/public/..%255cadmin", 400, [3]int{401, 403, 200}},
		{"/public/.%09./admin", 400, [3]int{401, 403, 200}},
		{"/public/..%20/admin", 400, [3]int{401, 403, 200}},
		{"/admin%00.css", 400, [3]int{401, 403, 200}},
		{"/admin%0a", 400, [3]int{401, 403, 200}},
		{"/admin%23.css", 400, [3]int{401, 403, 200}},
		{"/admin;x/users", 400, [3]int{401, 403, 200}},
		{"/;/admin", 400, [3]int{401, 403, 200}},
		{"/internal%2fx", 400, [3]int{401, 403, 403}},
		{"/admin/..%2finternal", 400, [3]int{401, 403, 403}},
		// Where a reading leads to another upstream or to our own pages nothing is passed.
		{"/other%2fx", 400, [3]int{400, 400, 400}},
		{"/x/..%2fother", 400, [3]int{400, 400, 400}},
		{"/_gate%2fsign-in", 400, [3]int{400, 400, 400}},
		{"/x/../_gate/auth", 400, [3]int{400, 400, 400}},
		{"/;/_gate/auth", 400, [3]int{400, 400, 400}},
		{"/.well-known%2fchange-password", 400, [3]int{400, 400, 400}},
		// What no server may be sent.
		{"/a%", 400, [3]int{400, 400, 400}},
		{"/public/..%u002fadmin", 400, [3]int{400, 400, 400}},
		{"/a\x01", 400, [3]int{400, 400, 400}},
		{"/a#b", 400, [3]int{400, 400, 400}},
		{"*", 400, [3]int{400, 400, 400}},
		{"http://evil.test/a%2fb", 400, [3]int{400, 400, 400}},
	} {
		t.Run(tc.target, func(t *testing.T) {
			if got := strict.get("GET "+tc.target, asAnn).StatusCode; got != tc.strict {
				t.Errorf("by default: status %d, want %d", got, tc.strict)
			}
			up.take(t)
			for i, who := range []string{"nobody", "ann", "boss"} {
				res := loose.get("GET "+tc.target, "Cookie: crmgate_session="+who)
				if res.StatusCode != tc.loose[i] {
					t.Errorf("as is, %s: status %d, want %d: %s", who, res.StatusCode, tc.loose[i], res.body)
				}
				got := up.take(t)
				switch {
				case res.StatusCode == 200 && (len(got) != 1 || got[0].line != "GET /"+strings.TrimLeft(tc.target, "/")+" HTTP/1.1"):
					t.Errorf("as is, %s: the CRM got %v", who, got)
				case res.StatusCode != 200 && len(got) > 0:
					t.Errorf("as is, %s: the CRM was asked", who)
				}
			}
		})
	}
}

func TestPathsInAnyCase(t *testing.T) {
	up := record(t)
	for _, tc := range []struct {
		target              string
		sensitive, ignoring int
	}{
		{"/admin/x", 403, 403}, {"/ADMIN/x", 200, 403}, {"/aDmIn", 200, 403}, {"/%41dmin", 200, 403}, {"/adm\u0131n", 200, 403},
		{"/\u017fecret/x", 200, 403}, {"/SECRET", 200, 403}, {"/Secret", 403, 403},
		{"/admin./x", 200, 400}, {"/admin%20", 200, 400}, {"/contacts.", 200, 200}, {"/Contacts/A", 200, 200}, {"/Public/a", 200, 200},
	} {
		t.Run(tc.target, func(t *testing.T) {
			for ignore, want := range map[bool]int{false: tc.sensitive, true: tc.ignoring} {
				g := guard(t, up.url, func(s *setup) {
					s.upstreams[0].IgnoreCase = ignore
					s.access.Rules = append(s.access.Rules, policy.RuleConfig{Name: "secret", Paths: []string{"/Secret/**"}, Allow: policy.Allow{Word: "nobody"}})
				})
				if res := g.get("GET "+tc.target, asAnn); res.StatusCode != want {
					t.Errorf("ignore_case %t: status %d, want %d: %s", ignore, res.StatusCode, want, res.body)
				}
			}
		})
	}
	up.take(t)
}

func TestMethodInTheQuery(t *testing.T) {
	up := record(t)
	g := guard(t, up.url, func(s *setup) {
		s.access.Rules = append([]policy.RuleConfig{{Name: "no deleting", Paths: []string{"/things/**"}, Methods: []string{"DELETE"}, Allow: policy.Allow{Word: "nobody"}}}, s.access.Rules...)
	})
	for target, want := range map[string]int{
		"/things/7": 200, "/things/7?_method=DELETE": 400, "/things/7?a=b;_method=delete": 400, "/things/7?%5fmethod=DELETE": 400, "/things/7?_method=PUT": 200,
		"/other?_method=DELETE": 200, "/things/7?method=DELETE": 200,
	} {
		if res := g.get("POST "+target, asAnn, "Content-Length: 0"); res.StatusCode != want {
			t.Errorf("%s: status %d, want %d: %s", target, res.StatusCode, want, res.body)
		}
	}
	up.take(t)
}

// FuzzAsIs holds the reading by every server against what net/http and its kin make of the same path.
func FuzzAsIs(f *testing.F) {
	for _, s := range []string{"/a", "/a%2fb", "/../a", "/a;b/..;/c", "/%c0%ae", "//a//b", "/%25252e/x", "/a%u002e", "/100%", "/\\..\\a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		p, err := proxy.AsIs(&http.Request{Method: "GET", RequestURI: target})
		if err != nil {
			return
		}
		if p.Authority == "" && p.Target != "/"+strings.TrimLeft(target, "/") {
			t.Fatalf("%q became %q", target, p.Target)
		}
		readings := map[string]bool{p.Decoded: true}
		for _, o := range p.Others {
			readings[o] = true
		}
		for name, read := range serversReadings(p.Target) {
			if !readings[read] && !readings[read+"/"] && !readings[strings.TrimSuffix(read, "/")] { // rules do not see a slash at the end
				t.Errorf("%q: %s reads %q, which is not in %q", target, name, read, append([]string{p.Decoded}, p.Others...))
			}
		}
	})
}

// TestForwardReadsLikeTheRest asks about addresses in forward-auth and opens them: both come to the same.
func TestForwardReadsLikeTheRest(t *testing.T) {
	up := record(t)
	for _, as := range []bool{false, true} {
		g := asIs(t, up, func(s *setup) {
			s.upstreams[0].PathsAsIs = as
			s.trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		})
		for _, target := range []string{
			"/x", "/public/a", "/admin", "/admin%2fx", "//admin/x", "/public/..%2fadmin", "/public/a%2fb", "/internal", "/internal%2fx", "/_gate/sign-in", "/_gate%2fauth", "/x;y", "/admin;x",
			"/public/..;/admin", "/a%00", "/other%2fx",
		} {
			for _, who := range []string{"nobody", "ann", "boss"} {
				direct := g.get("GET "+target, "Cookie: crmgate_session="+who).StatusCode
				asked := g.get("GET /_gate/auth", "Cookie: crmgate_session="+who, "X-Forwarded-Method: GET", "X-Forwarded-Uri: "+target, "X-Forwarded-Host: crm.example.com").StatusCode
				want := direct
				if direct == 400 || strings.HasPrefix(target, "/_gate/") {
					want = 403 // what a proxy in front understands
				}
				if asked != want {
					t.Errorf("%s for %s (as is: %t): %d when asked, %d when opened", target, who, as, asked, direct)
				}
			}
		}
	}
	up.take(t)
}
