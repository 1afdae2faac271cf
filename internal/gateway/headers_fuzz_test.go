package gateway_test

import (
	"bufio"
	"net/http"
	"slices"
	"strings"
	"testing"

	"crmgate/internal/proxy"
)

// FuzzHeadersLikeNetHTTP sends one header line as it is, by both ways to the CRM. What net/http makes of the line at the door is what it
// must make of it behind us, but for the names that are ours: of those nothing arrives, however a CRM folds them.
func FuzzHeadersLikeNetHTTP(f *testing.F) {
	for _, s := range []string{"X-Custom: a", "X-Forwarded-User: evil", "x_forwarded_user: evil", "X.Crmgate.Assertion: evil", "X-Gate-Secret: evil", "X_gate~secret: evil",
		"Connection: X-Forwarded-User", "X-Forwarded-Anything: evil", "Accept: \xff\xfe", "X-A:b", "X-A :b", "X-A:\tb ", ": b", "Cookie: a=1; crmgate_session=evil; b", "Te: trailers", "Via: evil"} {
		f.Add(s)
	}
	up := record(f)
	gates := map[string]*gate{}
	for name, fast := range map[string]bool{"short way": true, "standard way": false} {
		gates[name] = guard(f, up.url, func(s *setup) {
			s.upstreams[0].FastGet, s.upstreams[0].UnderscoreHeaders = fast, true
			s.upstreams[0].Identity.SecretHeader = proxy.SecretHeaderConfig{Name: "X-Gate-Secret", Value: "0123456789abcdef"}
		})
	}
	ours := []string{"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Crmgate-Provider", "X-Crmgate-Assertion", "X-Gate-Secret", "X-Request-Id", "Traceparent"}
	fold := func(name string) string {
		return strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, strings.ToLower(name))
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.ContainsAny(line, "\r\n") || strings.HasPrefix(strings.ToLower(line), "content-") || len(line) > 2000 {
			return // framing has tests of its own
		}
		request := "GET /public/x HTTP/1.1\r\nHost: crm.example.com\r\nConnection: close\r\n" + asAnn + "\r\n" + line + "\r\n\r\n"
		door, err := http.ReadRequest(bufio.NewReader(strings.NewReader(request)))
		if err != nil {
			return
		}
		for name, g := range gates {
			g.t = t
			res := g.raw(request)
			if res.StatusCode != 200 {
				if len(up.take(t)) > 0 {
					t.Errorf("%q: refused and passed on", line)
				}
				continue
			}
			got := up.one(t)
			behind, err := http.ReadRequest(bufio.NewReader(strings.NewReader(got.raw)))
			if err != nil {
				t.Fatalf("%q, %s: the CRM was sent what is no request: %v", line, name, err)
			}
			for their, values := range behind.Header {
				managed := slices.ContainsFunc(ours, func(o string) bool { return fold(o) == fold(their) }) || strings.HasPrefix(fold(their), "x_forwarded_")
				switch {
				case managed && (len(values) != 1 || strings.Contains(values[0], "evil")):
					t.Errorf("%q, %s: %s: %q", line, name, their, values)
				case !managed && their != "Cookie" && their != "Te" && !slices.Equal(values, door.Header[their]):
					t.Errorf("%q, %s: %s is %q behind and %q at the door", line, name, their, values, door.Header[their])
				}
			}
			for _, o := range ours {
				if o != "X-Gate-Secret" && behind.Header.Get(o) == "" || o == "X-Gate-Secret" && behind.Header.Get(o) != "0123456789abcdef" {
					t.Errorf("%q, %s: %s is %q", line, name, o, behind.Header.Get(o))
				}
			}
		}
	})
}
