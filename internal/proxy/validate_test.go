package proxy_test

import (
	"strings"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/proxy"
)

// says is a problem's path and a part of its message or hint.
type says struct{ path, text string }

func check(t *testing.T, got fault.Problems, want []says) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d problems, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		p := got[i]
		if p.Path != w.path || !strings.Contains(p.Message+" | "+p.Hint, w.text) || p.Hint == "" {
			t.Errorf("problem %d: %+v, want %s with %q and a hint", i, p, w.path, w.text)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*proxy.Config)
		want   []says
	}{
		{"good", func(c *proxy.Config) {}, nil},
		{"good, all set", func(c *proxy.Config) {
			c.URLs, c.Hosts, c.Paths = []string{"https://crm.internal:8443/base"}, []string{"crm.example.com", "[::1]"}, []string{"/", "/crm/v1"}
			c.TLS = proxy.TLSConfig{CAFile: "ca.pem", CertFile: "c.pem", KeyFile: "k.pem", ServerName: "crm"}
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "Remote-User", Value: "account.id"}, {Name: "X_Groups", Value: "groups"}}
		}, nil},
		{"id", func(c *proxy.Config) { c.ID = "CRM 1" }, []says{{"id", "small letters"}}},
		{"no address", func(c *proxy.Config) { c.URLs = nil }, []says{{"urls", "at least one"}}},
		{"several addresses", func(c *proxy.Config) { c.URLs, c.Sticky = []string{"http://a", "h2c://b:81/c"}, true }, nil},
		{"formats", func(c *proxy.Config) { c.Identity.Encoding, c.Identity.Groups = "latin1", "space" }, []says{{"identity.encoding", "rfc8187"}, {"identity.groups", "pipe"}}},
		{"secret header", func(c *proxy.Config) {
			c.Identity.SecretHeader = proxy.SecretHeaderConfig{Name: "X-Gate-Secret", Value: "0123456789abcdef"}
		}, nil},
		{"secret header without a value", func(c *proxy.Config) { c.Identity.SecretHeader.Name = "X-Gate" }, []says{{"identity.secret_header.value", "missing"}}},
		{"secret header without a name", func(c *proxy.Config) { c.Identity.SecretHeader.Value = "x" }, []says{{"identity.secret_header.name", "needs a name"}}},
		{"secret header that cannot be sent", func(c *proxy.Config) {
			c.Identity.SecretHeader = proxy.SecretHeaderConfig{Name: "cookie", Value: "0123456789 abcdef"}
		}, []says{{"identity.secret_header.value", "characters"}, {"identity.secret_header.name", "another meaning"}}},
		{"short secret", func(c *proxy.Config) {
			c.Identity.SecretHeader = proxy.SecretHeaderConfig{Name: "X-Gate", Value: "abc"}
		}, []says{{"identity.secret_header.value", "too short"}}},
		{"secret header that is an identity header", func(c *proxy.Config) {
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "X-Gate", Value: "email"}}
			c.Identity.SecretHeader = proxy.SecretHeaderConfig{Name: "x_gate", Value: "0123456789abcdef"}
		}, []says{{"identity.secret_header.name", "identity header already"}}},
		{"one address twice", func(c *proxy.Config) { c.URLs = []string{"http://a", "http://b", "http://a"} }, []says{{"urls[2]", "twice"}}},
		{"health", func(c *proxy.Config) { c.Health.Path, c.Health.Interval = "up?a", time.Millisecond }, []says{{"health.path", "clean"}, {"health.interval", "too short"}}},
		{"health path with dots", func(c *proxy.Config) { c.Health.Path = "/a/../b" }, []says{{"health.path", "clean"}}},
		{"not an address", func(c *proxy.Config) { c.URLs = []string{"http://a b"} }, []says{{"urls[0]", "not an address"}}},
		{"scheme", func(c *proxy.Config) { c.URLs = []string{"ftp://a"} }, []says{{"urls[0]", "not an http"}}},
		{"no scheme", func(c *proxy.Config) { c.URLs = []string{"crm.internal"} }, []says{{"urls[0]", "not an http"}}},
		{"no host", func(c *proxy.Config) { c.URLs = []string{"http:///a"} }, []says{{"urls[0]", "no host"}}},
		{"userinfo", func(c *proxy.Config) { c.URLs = []string{"http://a:secret@b"} }, []says{{"urls[0]", "password"}}},
		{"query", func(c *proxy.Config) { c.URLs = []string{"http://a/?b"} }, []says{{"urls[0]", "query"}}},
		{"fragment", func(c *proxy.Config) { c.URLs = []string{"http://a/#"} }, []says{{"urls[0]", "fragment"}}},
		{"dots", func(c *proxy.Config) { c.URLs = []string{"http://a/../b"} }, []says{{"urls[0]", "not clean"}}},
		{"hosts", func(c *proxy.Config) { c.Hosts = []string{"", "*.example.com", "https://a", "a:80"} },
			[]says{{"hosts[0]", "empty"}, {"hosts[1]", "*"}, {"hosts[2]", "not a host name"}, {"hosts[3]", "port"}}},
		{"no paths", func(c *proxy.Config) { c.Paths = nil }, []says{{"paths", "[/]"}}},
		{"paths", func(c *proxy.Config) { c.Paths = []string{"crm", "/crm/**", "/a//b", "/a/.."} },
			[]says{{"paths[0]", "begin with /"}, {"paths[1]", "pattern"}, {"paths[2]", "clean"}, {"paths[3]", "clean"}}},
		{"header names", func(c *proxy.Config) {
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "", Value: "email"}, {Name: "a b", Value: "email"}, {Name: "-A", Value: "email"},
				{Name: "cookie", Value: "email"}, {Name: "X_Forwarded_For", Value: "email"}, {Name: "Remote-User", Value: "email"}, {Name: "remote_user", Value: "name"}}
		}, []says{{"identity.headers[0].name", "not a header name"}, {"identity.headers[1].name", "not a header name"}, {"identity.headers[2].name", "not a header name"},
			{"identity.headers[3].name", "another meaning"}, {"identity.headers[4].name", "another meaning"}, {"identity.headers[6].name", "headers[5]"}}},
		{"header values", func(c *proxy.Config) {
			c.Identity.Headers = []proxy.HeaderConfig{{Name: "A", Value: "account.email"}, {Name: "B", Value: "gruops"}, {Name: "C", Value: "password"}}
		}, []says{{"identity.headers[0].value", "Did you mean email?"}, {"identity.headers[1].value", "Did you mean groups?"}, {"identity.headers[2].value", "Known: account.id"}}},
		{"timeouts", func(c *proxy.Config) { c.Timeouts = proxy.TimeoutsConfig{ResponseHeader: -time.Second} },
			[]says{{"timeouts.connect", "bounded"}, {"timeouts.response_header", "negative"}}},
		{"half a certificate", func(c *proxy.Config) {
			c.URLs = []string{"https://a"}
			c.TLS.CertFile = "c.pem"
		}, []says{{"tls", "go together"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := proxy.Config{}.Default()
			c.ID, c.URLs = "crm", []string{"http://127.0.0.1:8069"}
			tc.change(&c)
			got := c.Validate()
			check(t, got, tc.want)
			for _, p := range got {
				if p.Warning || strings.Contains(p.Message, "0123") {
					t.Errorf("%+v", p)
				}
			}
		})
	}
}

func TestValidateWarns(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*proxy.Config)
		want   says
	}{
		{"TLS without https", func(c *proxy.Config) { c.TLS.ServerName = "crm" }, says{"tls", "no effect"}},
		{"sticky with one address", func(c *proxy.Config) { c.Sticky = true }, says{"sticky", "no effect"}},
		{"an assertion that is not there bound", func(c *proxy.Config) { c.Identity.Assertion = proxy.AssertionConfig{BindRoute: true} }, says{"identity.assertion.bind_route", "no effect"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := proxy.Config{}.Default()
			c.ID, c.URLs = "crm", []string{"http://127.0.0.1:8069"}
			tc.change(&c)
			got := c.Validate()
			check(t, got, []says{tc.want})
			if !got[0].Warning {
				t.Error("not a warning")
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	good := proxy.Config{}.Default()
	good.ID, good.URLs = "crm", []string{"https://127.0.0.1:8069"}
	for _, tc := range []struct {
		name   string
		change func(*proxy.Config)
		want   string
	}{
		{"a bad configuration", func(c *proxy.Config) { c.URLs = nil }, "urls"},
		{"an assertion without a key", func(c *proxy.Config) {}, "sign assertions"},
		{"a missing CA file", func(c *proxy.Config) { c.Identity.Assertion.Enabled = false; c.TLS.CAFile = "/does/not/exist" }, "ca_file"},
		{"a CA file without a certificate", func(c *proxy.Config) { c.Identity.Assertion.Enabled = false; c.TLS.CAFile = "validate_test.go" }, "no certificate"},
		{"a missing certificate", func(c *proxy.Config) {
			c.Identity.Assertion.Enabled = false
			c.TLS.CertFile, c.TLS.KeyFile = "/does/not/exist", "/does/not/exist"
		}, "cert_file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := good
			tc.change(&c)
			if _, err := proxy.Open(c, proxy.Shared{}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}
