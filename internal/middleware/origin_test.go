package middleware_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
	"crmgate/internal/middleware"
)

// origin returns what Origin puts into the context.
func origin(t testing.TB, trusted []string, change func(*http.Request)) audit.Origin {
	t.Helper()
	prefixes, ps := middleware.ParseProxies(trusted)
	if len(ps) > 0 {
		t.Fatal(ps)
	}
	var o audit.Origin
	h := middleware.Origin(prefixes, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { o = audit.OriginOf(r.Context()) }))
	r := httptest.NewRequest("GET", "/", nil)
	r.Host, r.RemoteAddr = "crm.example.com", "192.0.2.1:1234"
	change(r)
	h.ServeHTTP(httptest.NewRecorder(), r)
	return o
}

func TestClientAddress(t *testing.T) {
	lb := []string{"10.0.0.0/8", "192.0.2.1", "2001:db8::/32"}
	for _, tc := range []struct {
		name, remote   string
		trusted        []string
		forwarded      []string
		address, chain string
	}{
		{"no proxy trusted", "192.0.2.1:1234", nil, []string{"6.6.6.6"}, "192.0.2.1", "192.0.2.1"},
		{"loopback is not trusted by itself", "127.0.0.1:1234", nil, []string{"6.6.6.6"}, "127.0.0.1", "127.0.0.1"},
		{"peer is no proxy", "198.51.100.9:1", lb, []string{"6.6.6.6"}, "198.51.100.9", "198.51.100.9"},
		{"behind one", "192.0.2.1:1234", lb, []string{"198.51.100.7"}, "198.51.100.7", "198.51.100.7, 192.0.2.1"},
		{"forged in front", "192.0.2.1:1234", lb, []string{"6.6.6.6, 198.51.100.7"}, "198.51.100.7", "198.51.100.7, 192.0.2.1"},
		{"behind several", "192.0.2.1:1234", lb, []string{"6.6.6.6 , 198.51.100.7,10.1.1.1", "10.2.2.2"}, "198.51.100.7", "198.51.100.7, 10.1.1.1, 10.2.2.2, 192.0.2.1"},
		{"proxies all the way", "192.0.2.1:1234", lb, []string{"10.1.1.1, 10.2.2.2"}, "10.1.1.1", "10.1.1.1, 10.2.2.2, 192.0.2.1"},
		{"nothing said", "192.0.2.1:1234", lb, nil, "192.0.2.1", "192.0.2.1"},
		{"empty", "192.0.2.1:1234", lb, []string{"", " "}, "192.0.2.1", "192.0.2.1"},
		{"junk", "192.0.2.1:1234", lb, []string{"a"}, "192.0.2.1", "192.0.2.1"},
		{"junk behind a proxy", "192.0.2.1:1234", lb, []string{"6.6.6.6, unknown, 10.1.1.1"}, "10.1.1.1", "10.1.1.1, 192.0.2.1"},
		{"with port", "192.0.2.1:1234", lb, []string{"198.51.100.7:99"}, "198.51.100.7", "198.51.100.7, 192.0.2.1"},
		{"IPv6 in brackets with port", "192.0.2.1:1234", lb, []string{"[2001:db9::5]:99"}, "2001:db9::5", "2001:db9::5, 192.0.2.1"},
		{"IPv6 in brackets", "[2001:db8::1]:1234", lb, []string{"[2001:DB9::5]"}, "2001:db9::5", "2001:db9::5, 2001:db8::1"},
		{"IPv6 with a zone", "[fe80::1%eth0]:1234", nil, nil, "fe80::1", "fe80::1"},
		{"IPv4 within IPv6", "[::ffff:192.0.2.1]:1234", lb, []string{"::ffff:10.0.0.9, ::ffff:198.51.100.7"}, "198.51.100.7", "198.51.100.7, 192.0.2.1"},
		{"a Unix socket", "@", lb, []string{"6.6.6.6"}, "", ""},
		{"a long list", "192.0.2.1:1234", lb, []string{strings.Repeat("10.1.1.1,", 100_000) + "10.1.1.1"}, "10.1.1.1", strings.Repeat("10.1.1.1, ", 102) + "192.0.2.1"},
		{"a header", "192.0.2.1:1234", lb, []string{"6.6.6.6\x00"}, "192.0.2.1", "192.0.2.1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := origin(t, tc.trusted, func(r *http.Request) {
				r.RemoteAddr = tc.remote
				if tc.forwarded != nil {
					r.Header["X-Forwarded-For"] = tc.forwarded
				}
			})
			if o.Address != tc.address || o.Chain != tc.chain {
				t.Errorf("address %q by way of %.80q, want %q by way of %.80q", o.Address, o.Chain, tc.address, tc.chain)
			}
		})
	}
}

func TestOriginOfTheRest(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	said := func(r *http.Request) {
		r.Header = http.Header{"X-Forwarded-Proto": {"HTTPS"}, "X-Forwarded-Host": {"first.example.com, crm.example.org"}, "X-Request-Id": {"lb/1-a_b.c:+="},
			"Traceparent": {parent}, "User-Agent": {"test"}}
	}
	nonsense := func(r *http.Request) {
		r.Header = http.Header{"X-Forwarded-Proto": {"gopher"}, "X-Forwarded-Host": {"evil.test/x"}, "X-Request-Id": {"a b\"<"}, "Traceparent": {parent[:54]},
			"User-Agent": {strings.Repeat("é", 200)}}
	}
	proxies := []string{"192.0.2.1"}
	for _, tc := range []struct {
		name                                string
		trusted                             []string
		change                              func(*http.Request)
		scheme, host, reference, trace, ua  string
		trustedPeer, freshReference, freshT bool
	}{
		{"stranger", nil, said, "http", "crm.example.com", "", "", "test", false, true, true},
		{"proxy", proxies, said, "https", "crm.example.org", "lb/1-a_b.c:+=", parent, "test", true, false, false},
		{"proxy that talks nonsense", proxies, nonsense, "http", "crm.example.com", "", "", strings.Repeat("é", 128), true, true, true},
		{"proxy that says nothing", proxies, func(r *http.Request) { r.TLS = &tls.ConnectionState{} }, "https", "crm.example.com", "", "", "", true, true, true},
		{"proxy that ends TLS", proxies, func(r *http.Request) {
			r.TLS = &tls.ConnectionState{}
			r.Header.Set("X-Forwarded-Proto", "http")
		}, "http", "crm.example.com", "", "", "", true, true, true},
		{"proxy with a trace and no id", proxies, func(r *http.Request) { r.Header.Set("Traceparent", parent) }, "http", "crm.example.com", "", parent, "", true, true, false},
		{"two traces", proxies, func(r *http.Request) { r.Header["Traceparent"] = []string{parent, parent} }, "http", "crm.example.com", "", "", "", true, true, true},
		{"long id", proxies, func(r *http.Request) { r.Header.Set("X-Request-Id", strings.Repeat("a", 129)) }, "http", "crm.example.com", "", "", "", true, true, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := origin(t, tc.trusted, tc.change)
			if tc.freshReference {
				if len(o.Reference) != 32 || strings.Trim(o.Reference, "0123456789abcdef") != "" {
					t.Errorf("reference %q", o.Reference)
				}
				tc.reference = o.Reference
			}
			if tc.freshT {
				if len(o.Trace) != 55 || o.Trace[:3] != "00-" || o.Trace[52:] != "-00" || o.Trace[3:35] != o.Reference {
					t.Errorf("trace %q", o.Trace)
				}
				tc.trace = o.Trace
			}
			want := audit.Origin{Address: "192.0.2.1", Chain: "192.0.2.1", UserAgent: tc.ua, Reference: tc.reference, Scheme: tc.scheme, Host: tc.host, Trace: tc.trace, Trusted: tc.trustedPeer}
			if diff := cmp.Diff(want, o); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReferencesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		seen[origin(t, nil, func(*http.Request) {}).Reference] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d references for 1000 requests", len(seen))
	}
}

func TestParseProxies(t *testing.T) {
	got, ps := middleware.ParseProxies([]string{"10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "::ffff:10.0.0.0/104", "0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.internal", "10.0.0.256", ""})
	want := []string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::1/128", "10.0.0.0/8"}
	var have []string
	for _, p := range got {
		have = append(have, p.String())
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	var faults []string
	for _, p := range ps {
		if p.Hint == "" || p.Warning {
			t.Errorf("%+v", p)
		}
		faults = append(faults, p.Path)
	}
	if diff := cmp.Diff([]string{"[5]", "[6]", "[7]", "[8]", "[9]", "[10]"}, faults); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkOrigin(b *testing.B) {
	h := middleware.Origin([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
