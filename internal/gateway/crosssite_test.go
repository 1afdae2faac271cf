package gateway_test

import (
	"strings"
	"testing"
)

func TestCrossSite(t *testing.T) {
	up := record(t)
	allow := guard(t, up.url, nil)
	refuse := guard(t, up.url, func(s *setup) {
		s.upstreams[0].CrossSite = "refuse"
		s.access.Rules[0].Methods = nil // public for POST as well
	})
	for _, tc := range []struct {
		name, line string
		headers    []string
		refused    bool
	}{
		{"a form of ours", "POST /x", []string{asAnn, "Sec-Fetch-Site: same-origin", "Origin: https://crm.example.com"}, false},
		{"a form of ours, old browser", "POST /x", []string{asAnn, "Origin: https://crm.example.com"}, false},
		{"typed", "POST /x", []string{asAnn, "Sec-Fetch-Site: none"}, false},
		{"a program", "DELETE /x", []string{asAnn}, false},
		{"a link", "GET /x", []string{asAnn, "Sec-Fetch-Site: cross-site"}, false},
		{"a preflight", "OPTIONS /x", []string{asAnn, "Origin: https://evil.test"}, false},
		{"a form elsewhere", "POST /x", []string{asAnn, "Sec-Fetch-Site: cross-site", "Origin: https://evil.test"}, true},
		{"a form on a neighbour host", "POST /x", []string{asAnn, "Sec-Fetch-Site: same-site", "Origin: https://www.example.com"}, true},
		{"elsewhere, old browser", "PUT /x", []string{asAnn, "Origin: https://evil.test"}, true},
		{"a sandboxed page", "POST /x", []string{asAnn, "Origin: null"}, true},
		{"elsewhere, with an origin of ours", "POST /x", []string{asAnn, "Sec-Fetch-Site: cross-site", "Origin: https://crm.example.com"}, true},
		{"two answers", "POST /x", []string{asAnn, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"}, true},
		{"another method", "PROPPATCH /x", []string{asAnn, "Origin: https://evil.test"}, true},
		{"nobody on a public page", "POST /public/hook", []string{"Origin: https://evil.test"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			headers := append(tc.headers, "Content-Length: 0")
			if res := refuse.get(tc.line, headers...); (res.StatusCode == 403) != tc.refused || tc.refused && !strings.Contains(res.body, "cross_site") {
				t.Errorf("refuse: status %d: %s", res.StatusCode, res.body)
			}
			if got := len(up.take(t)); (got == 0) != tc.refused {
				t.Errorf("the CRM got %d requests", got)
			}
			if res := allow.get(tc.line, headers...); res.StatusCode == 403 {
				t.Errorf("allow: status %d: %s", res.StatusCode, res.body)
			}
			up.take(t)
		})
	}
}
