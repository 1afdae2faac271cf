package signin

import (
	"net/url"
	"strings"
	"testing"
)

func TestReturnTo(t *testing.T) {
	long := "/" + strings.Repeat("a", maxReturnTo)
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "/"},
		{"path", "/deals/7", "/deals/7"},
		{"query with an encoded address", "/search?u=https%3A%2F%2Fa.test%2F%3Fb%3D1", "/search?u=https%3A%2F%2Fa.test%2F%3Fb%3D1"},
		{"semicolon and percent in the query", "/x?a=1;b=%zz&c", "/x?a=1;b=%zz&c"},
		{"fragment", "/x#part", "/x#part"},
		{"double slash", "//evil.test", "/"},
		{"triple slash", "///evil.test", "/"},
		{"slash backslash", `/\evil.test`, "/"},
		{"backslash later", `/a\..\\evil.test`, "/"},
		{"tab between the slashes", "/\t/evil.test", "/"},
		{"newline between the slashes", "/\n/evil.test", "/"},
		{"vertical tab", "/\v/evil.test", "/"},
		{"space", "/ /evil.test", "/"},
		{"absolute", "https://evil.test/", "/"},
		{"scheme only", "javascript:alert(1)", "/"},
		{"relative", "evil.test", "/"},
		{"encoded second slash", "/%2fevil.test", "/"},
		{"encoded backslash", "/%5Cevil.test", "/"},
		{"user info", "//a@evil.test", "/"},
		{"not UTF-8", "/\xff", "/"},
		{"line separator", "/\u2028/evil.test", "/"},
		{"too long", long, "/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ReturnTo(tt.in); got != tt.want {
				t.Errorf("ReturnTo(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestReturnToOwnPages(t *testing.T) {
	f := &Flow{Prefix: "/_gate"}
	for in, want := range map[string]string{
		"/_gate/sign-in?return_to=/x": "/", "/_gate/sign-out": "/", "/_gate": "/", "/_gate/account": "/_gate/account",
		"/_gateway": "/_gateway", "/_gate/callback/x?code=1": "/",
	} {
		if got := f.returnTo(in); got != want {
			t.Errorf("returnTo(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzReturnTo holds the one property that matters: resolved by a browser against our origin, the answer stays there.
func FuzzReturnTo(f *testing.F) {
	for _, s := range []string{"/a", "//evil.test", `/\evil.test`, "/\t/evil.test", "https://evil.test", "/%2f%2fevil.test", "/?//evil.test"} {
		f.Add(s)
	}
	base := &url.URL{Scheme: "https", Host: "crm.test", Path: "/"}
	f.Fuzz(func(t *testing.T, raw string) {
		got := ReturnTo(raw)
		// What the WHATWG parser does before anything else: drop tab and newline, read a backslash as a slash.
		browser := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimSpace(got))
		u, err := base.Parse(browser)
		if strings.HasPrefix(browser, "//") || (err == nil && (u.Host != "crm.test" || u.Scheme != "https")) {
			t.Errorf("ReturnTo(%q) = %q leads to another origin", raw, got)
		}
		if got != "/" && got != raw {
			t.Errorf("ReturnTo(%q) = %q changed the address", raw, got)
		}
	})
}
