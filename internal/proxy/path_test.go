package proxy_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/proxy"
)

func canonical(method, target string) (proxy.Path, error) {
	return proxy.Canonical(&http.Request{Method: method, RequestURI: target})
}

func TestCanonical(t *testing.T) {
	query := "?" + strings.Repeat("a=1;b=%2e%2e%2f&", 10000) + "c"
	for _, tc := range []struct {
		name, target string
		want         proxy.Path
	}{
		{"root", "/", proxy.Path{Decoded: "/", Target: "/"}},
		{"plain", "/contacts/7?edit=1", proxy.Path{Decoded: "/contacts/7", Target: "/contacts/7?edit=1"}},
		{"empty query", "/a?", proxy.Path{Decoded: "/a", Target: "/a?"}},
		{"query as sent", "/a" + query, proxy.Path{Decoded: "/a", Target: "/a" + query}},
		{"second question mark", "/a?b?c//d/../e", proxy.Path{Decoded: "/a", Target: "/a?b?c//d/../e"}},
		{"encoding kept", "/%61%20b/%C3%a9/|^<>\"{}", proxy.Path{Decoded: "/a b/é/|^<>\"{}", Target: "/%61%20b/%C3%a9/|^<>\"{}"}},
		{"raw UTF-8", "/é", proxy.Path{Decoded: "/é", Target: "/é"}},
		{"slashes", "//a///b//?c//d", proxy.Path{Decoded: "/a/b/", Target: "/a/b/?c//d"}},
		{"dots in names", "/.well-known/a..b/...x/....", proxy.Path{Decoded: "/.well-known/a..b/...x/....", Target: "/.well-known/a..b/...x/...."}},
		{"encoded dot in a name", "/a%2ejs", proxy.Path{Decoded: "/a.js", Target: "/a%2ejs"}},
		{"parameters", "/a;v=1/b;w/c", proxy.Path{Decoded: "/a;v=1/b;w/c", Others: []string{"/a/b/c"}, Target: "/a;v=1/b;w/c"}},
		{"encoded parameters", "/a%3bv=1/b", proxy.Path{Decoded: "/a;v=1/b", Others: []string{"/a/b"}, Target: "/a%3bv=1/b"}},
		{"parameters alone", "/;/admin", proxy.Path{Decoded: "/;/admin", Others: []string{"/admin"}, Target: "/;/admin"}},
		{"encoded fragment", "/a%23/b", proxy.Path{Decoded: "/a#/b", Others: []string{"/a"}, Target: "/a%23/b"}},
		{"encoded question mark", "/a%3Fb", proxy.Path{Decoded: "/a?b", Others: []string{"/a"}, Target: "/a%3Fb"}},
		{"encoded twice", "/job/x%252Fy", proxy.Path{Decoded: "/job/x%2Fy", Others: []string{"/job/x/y"}, Target: "/job/x%252Fy"}},
		{"encoded thrice", "/x%25252Fy", proxy.Path{Decoded: "/x%252Fy", Others: []string{"/x%2Fy", "/x/y"}, Target: "/x%25252Fy"}},
		{"a percent sign", "/50%25", proxy.Path{Decoded: "/50%", Target: "/50%25"}},
		{"a percent sign before letters", "/50%25de", proxy.Path{Decoded: "/50%de", Others: []string{"/50\xde"}, Target: "/50%25de"}},
		{"absolute", "http://crm.example.com:80/a//b?c", proxy.Path{Decoded: "/a/b", Target: "/a/b?c", Authority: "crm.example.com:80"}},
		{"absolute without path", "HTTPS://crm.example.com?c", proxy.Path{Decoded: "/", Target: "/?c", Authority: "crm.example.com"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := canonical("GET", tc.target)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCanonicalRefuses(t *testing.T) {
	for _, tc := range []struct{ name, method, target, reason string }{
		{"CONNECT", "CONNECT", "crm.example.com:443", "method"},
		{"TRACE", "TRACE", "/", "method"},
		{"TRACK", "TRACK", "/", "method"},
		{"asterisk", "OPTIONS", "*", "form"},
		{"empty", "GET", "", "form"},
		{"no slash", "GET", "a", "form"},
		{"authority form", "GET", "crm.example.com:443", "form"},
		{"other scheme", "GET", "ftp://crm.example.com/", "form"},
		{"no authority", "GET", "http:///a", "form"},
		{"userinfo", "GET", "http://a@crm.example.com/", "form"},
		{"backslash authority", "GET", `http://crm.example.com\@evil.test/`, "form"},
		{"parent", "GET", "/a/../b", "dot_segment"},
		{"parent at the end", "GET", "/a/..", "dot_segment"},
		{"parent first", "GET", "/../a", "dot_segment"},
		{"this", "GET", "/a/./b", "dot_segment"},
		{"this at the end", "GET", "/a/.", "dot_segment"},
		{"encoded parent", "GET", "/a/%2e%2e/b", "dot_segment"},
		{"encoded parent in capitals", "GET", "/a/%2E%2E", "dot_segment"},
		{"half encoded parent", "GET", "/a/.%2e/b", "dot_segment"},
		{"other half", "GET", "/a/%2e./b", "dot_segment"},
		{"encoded this", "GET", "/a/%2e/b", "dot_segment"},
		{"after slashes", "GET", "/a//../b", "dot_segment"},
		{"parent with parameters", "GET", "/a/..;x=1/b", "hidden"},
		{"parent with encoded parameters", "GET", "/a/%2e%2e%3bx/b", "hidden"},
		{"this with parameters", "GET", "/a/.;/b", "hidden"},
		{"parent before a fragment", "GET", "/a/..%23", "hidden"},
		{"parent encoded twice", "GET", "/a/%252e%252e/b", "hidden"},
		{"parent encoded twice with slash", "GET", "/a/..%252fb", "hidden"},
		{"parent encoded twice with backslash", "GET", "/a/..%255cb", "hidden"},
		{"parent encoded thrice", "GET", "/a/%25252e%25252e", "hidden"},
		{"NUL encoded twice", "GET", "/a%2500.png", "hidden"},
		{"encoded slash", "GET", "/a%2Fb", "encoded_slash"},
		{"encoded slash, small", "GET", "/a%2fb", "encoded_slash"},
		{"encoded backslash", "GET", "/a%5Cb", "backslash"},
		{"encoded backslash, small", "GET", "/a%5cb", "backslash"},
		{"backslash", "GET", `/a\b`, "backslash"},
		{"NUL", "GET", "/a\x00b", "character"},
		{"encoded NUL", "GET", "/a%00b", "character"},
		{"encoded newline", "GET", "/a%0d%0ab", "character"},
		{"tab", "GET", "/a\tb", "character"},
		{"space", "GET", "/a b", "character"},
		{"space in the query", "GET", "/a?b c", "character"},
		{"newline in the query", "GET", "/a?b\nc", "character"},
		{"DEL", "GET", "/a\x7f", "character"},
		{"encoded DEL", "GET", "/a%7f", "character"},
		{"encoded C1 control", "GET", "/a%C2%85", "character"},
		{"fragment", "GET", "/a#b", "character"},
		{"fragment in the query", "GET", "/a?b#c", "character"},
		{"broken escape", "GET", "/a%zz", "escape"},
		{"escape cut off", "GET", "/a%2", "escape"},
		{"not UTF-8", "GET", "/a%ff", "utf8"},
		{"overlong slash", "GET", "/a%c0%afb", "utf8"},
		{"overlong dots", "GET", "/%c0%ae%c0%ae/", "utf8"},
		{"raw bytes that are not UTF-8", "GET", "/a\xff", "utf8"},
		{"many readings", "GET", "/a%25252525252525252525252525252525253b", "readings"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := canonical(tc.method, tc.target)
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != fault.Invalid || f.Reason != tc.reason {
				t.Errorf("got %+v, %v; want fault.Invalid for %s", p, err, tc.reason)
			}
		})
	}
}

// FuzzCanonical holds that what is decided on is what an upstream sees, and that neither ever holds a dot segment.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"/", "/a//b;c/%2e%2e?d;e", "/%252e/x", "http://h/a%23b", "/é%3b;/", `/a\..\b`, "/a%25%32%65"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, target string) {
		p, err := canonical("GET", target)
		if err != nil {
			return
		}
		u, err := url.ParseRequestURI(p.Target)
		if err != nil {
			t.Fatalf("%q: the upstream cannot read %q: %v", target, p.Target, err)
		}
		if u.Path != p.Decoded {
			t.Errorf("%q: decided on %q, the upstream sees %q", target, p.Decoded, u.Path)
		}
		if _, want, _ := strings.Cut(target, "?"); u.RawQuery != want {
			t.Errorf("%q: query %q became %q", target, want, u.RawQuery)
		}
		if strings.Contains(p.Decoded, "//") || strings.ContainsAny(p.Decoded, "\\\x00\r\n") || !strings.HasPrefix(p.Decoded, "/") {
			t.Errorf("%q: %q is not canonical", target, p.Decoded)
		}
		for _, reading := range append(slices.Clone(p.Others), p.Decoded) {
			for s := range strings.SplitSeq(reading, "/") {
				if s, _, _ = strings.Cut(s, ";"); s == "." || s == ".." {
					t.Errorf("%q: dot segment in %q", target, reading)
				}
			}
		}
		if again, err := canonical("GET", p.Target); err != nil || again.Decoded != p.Decoded || again.Target != p.Target {
			t.Errorf("%q: not stable: %q gives %q, %v", target, p.Target, again.Decoded, err)
		}
	})
}

func BenchmarkCanonical(b *testing.B) {
	for name, target := range map[string]string{"plain": "/contacts/7/edit?tab=notes&page=2", "encoded": "/contacts/J%C3%BCrgen%20K/edit?tab=notes"} {
		r := &http.Request{Method: "GET", RequestURI: target}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := proxy.Canonical(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
