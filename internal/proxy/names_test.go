package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/proxy"
)

func names(t testing.TB) *proxy.Names {
	t.Helper()
	return proxy.NewNames([]proxy.Config{
		{Identity: proxy.IdentityConfig{Headers: []proxy.HeaderConfig{{Name: "remote-USER", Value: "account.id"}, {Name: "X_Tenant", Value: "provider"}}}},
	}, []string{"__Host-crmgate_session", "crmgate_attempt_*"})
}

func TestManaged(t *testing.T) {
	n := names(t)
	for _, name := range []string{
		"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Name", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups",
		"X-Crmgate-Provider", "X-Crmgate-Assertion", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port",
		"X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Uri", "X-Forwarded-Anything-Else", "X-Forwarded", "Forwarded", "X-Real-Ip", "X-Request-Id",
		"Traceparent", "Tracestate", "X-Original-Url", "X-Rewrite-Url", "Proxy", "Remote-User", "X-Tenant",
	} {
		for _, spelling := range []string{
			name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"), strings.ReplaceAll(name, "-", "."),
			strings.ReplaceAll(strings.ToLower(name), "-", "~"), strings.Replace(name, "-", "_", 1), http.CanonicalHeaderKey(strings.ReplaceAll(name, "-", "_")),
		} {
			if !n.Managed(spelling) {
				t.Errorf("%s is not managed", spelling)
			}
		}
	}
	for _, name := range []string{"", "X", "User-Agent", "Accept", "X-Forward", "Xx-Forwarded-For", "X-Forwardedfor", "X-Tenant-Id", "Remote-Users", "My-Proxy",
		"Cookie", "Authorization", "X-Requested-With", strings.Repeat("x", 70), "X-F" + strings.Repeat("o", 70)} {
		if n.Managed(name) {
			t.Errorf("%q is managed", name)
		}
	}
}

func TestStripHeaders(t *testing.T) {
	in := http.Header{
		"X-Forwarded-User": {"evil", "evil2"}, "X_forwarded_user": {"evil"}, "X.forwarded.user": {"evil"}, "Remote_user": {"evil"},
		"X-Custom": {"kept"}, "X_custom": {"u"}, "Authorization": {"Bearer x"}, "X-Requested-With": {"XMLHttpRequest"},
	}
	for _, tc := range []struct {
		name        string
		underscores bool
		want        http.Header
	}{
		{"underscores dropped", false, http.Header{"X-Custom": {"kept"}, "Authorization": {"Bearer x"}, "X-Requested-With": {"XMLHttpRequest"}}},
		{"underscores passed", true, http.Header{"X-Custom": {"kept"}, "X_custom": {"u"}, "Authorization": {"Bearer x"}, "X-Requested-With": {"XMLHttpRequest"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := in.Clone()
			names(t).Strip(h, tc.underscores)
			if diff := cmp.Diff(tc.want, h); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStripCookies(t *testing.T) {
	for _, tc := range []struct {
		name     string
		in, want []string
	}{
		{"none of ours", []string{"a=1; b=2;c=\"x y\" ;; d"}, []string{"a=1; b=2;c=\"x y\" ;; d"}},
		{"alone", []string{"__Host-crmgate_session=s"}, nil},
		{"first", []string{"__Host-crmgate_session=s; a=1; b=2"}, []string{"a=1; b=2"}},
		{"last", []string{"a=1; b=2; __Host-crmgate_session=s"}, []string{"a=1; b=2"}},
		{"middle", []string{"a=1; __Host-crmgate_session=s; b=2"}, []string{"a=1; b=2"}},
		{"all of ours", []string{"__Host-crmgate_session=s; crmgate_attempt_1=x; crmgate_attempt_2=y"}, nil},
		{"several", []string{"crmgate_attempt_1=x; a=1; __Host-crmgate_session=s; b=2; __Host-crmgate_session=t"}, []string{"a=1; b=2"}},
		{"other case", []string{"a=1; __host-CRMGATE_session=s; b=2; CRMGATE_Attempt_9=z"}, []string{"a=1; b=2"}},
		{"odd spacing", []string{"a=1 ;\t __Host-crmgate_session \t= s ;b=2"}, []string{"a=1 ; b=2"}},
		{"no spacing", []string{"a=1;__Host-crmgate_session=s;b=2"}, []string{"a=1; b=2"}},
		{"no value", []string{"__Host-crmgate_session; a=1"}, []string{"a=1"}},
		{"name of ours in a value", []string{"a=__Host-crmgate_session=s"}, []string{"a=__Host-crmgate_session=s"}},
		{"longer name", []string{"__Host-crmgate_session2=s; my__Host-crmgate_session=t"}, []string{"__Host-crmgate_session2=s; my__Host-crmgate_session=t"}},
		{"prefix alone", []string{"crmgate_attempt_=s; crmgate_attempt=t"}, []string{"crmgate_attempt=t"}},
		{"bytes kept", []string{"a=\x80\xff,\"; __Host-crmgate_session=s; b=é=;"}, []string{"a=\x80\xff,\"; b=é=;"}},
		{"several lines", []string{"a=1", "__Host-crmgate_session=s", "b=2; __Host-crmgate_session=s"}, []string{"a=1", "b=2"}},
		{"semicolons", []string{";;__Host-crmgate_session=s;;"}, []string{";; ;"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := http.Header{"Cookie": slices.Clone(tc.in)}
			names(t).Strip(h, false)
			if diff := cmp.Diff(tc.want, h["Cookie"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzStrip holds that nothing of ours is left after stripping, as the CRM could read it, and that nothing else is lost.
func FuzzStrip(f *testing.F) {
	f.Add("X-Forwarded-User", "a=1; __Host-crmgate_session=s; b=2")
	f.Add("x_forwarded.user", "__HOST-crmgate_session=s;__Host-crmgate_session = t")
	f.Add("X-Fine", ";; crmgate_attempt_=;a")
	f.Fuzz(func(t *testing.T, name, cookie string) {
		n := names(t)
		h := http.Header{name: {"v"}, "Cookie": {cookie}, "X-Kept": {"kept"}}
		if name == "Cookie" || name == "X-Kept" {
			t.Skip()
		}
		n.Strip(h, true)
		letters := func(s string) string { // the crudest reading there is
			return strings.Map(func(r rune) rune {
				if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
					return r
				}
				return '-'
			}, strings.ToLower(s))
		}
		for left := range h {
			if l := letters(left); strings.HasPrefix(l, "x-forwarded-") || l == "remote-user" || l == "x-crmgate-assertion" || l == "forwarded" {
				t.Errorf("%q is left", left)
			}
		}
		if h.Get("X-Kept") != "kept" {
			t.Error("another header was lost")
		}
		var kept []string
		for pair := range strings.SplitSeq(cookie, ";") {
			pname, _, _ := strings.Cut(pair, "=")
			pname = strings.ToLower(strings.Trim(pname, " \t"))
			if pname != "__host-crmgate_session" && !strings.HasPrefix(pname, "crmgate_attempt_") && strings.Trim(pair, " \t") != "" {
				kept = append(kept, strings.Trim(pair, " \t"))
			}
		}
		var got []string
		for _, line := range h["Cookie"] {
			for pair := range strings.SplitSeq(line, ";") {
				if pair = strings.Trim(pair, " \t"); pair != "" {
					got = append(got, pair)
				}
			}
		}
		if !slices.Equal(got, kept) {
			t.Errorf("%q became %q: %q, want %q", cookie, h["Cookie"], got, kept)
		}
	})
}

func BenchmarkStrip(b *testing.B) {
	n := names(b)
	full := http.Header{"Accept": {"*/*"}, "User-Agent": {"x"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"de"}, "Sec-Fetch-Site": {"none"},
		"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Referer": {"x"}, "Cache-Control": {"no-cache"}, "Upgrade-Insecure-Requests": {"1"}}
	lines := []string{""}
	b.ReportAllocs()
	for b.Loop() {
		lines[0] = "crm=abcdef0123456789; __Host-crmgate_session=0123456789abcdef.ABCDEFGHIJKLMNOPQRSTUVWXYZ; theme=dark"
		full["Cookie"] = lines
		n.Strip(full, false)
	}
}
