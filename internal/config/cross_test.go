package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"crmgate/internal/policy"
	"crmgate/internal/provider"
	"crmgate/internal/proxy"
)

// sound returns a Config without a fault.
func sound() *Config {
	c := Default()
	c.Server.PublicURL = "https://crm.example.com"
	c.Mail.From, c.Mail.SMTP.Host = "crm@example.com", "mail.example.com"
	up := proxy.Config{}.Default()
	up.ID, up.URLs = "crm", []string{"http://127.0.0.1:8069"}
	c.Upstreams = []proxy.Config{up}
	return &c
}

func TestCrossCheck(t *testing.T) {
	provide := func(ids ...string) []provider.Config {
		var out []provider.Config
		for _, id := range ids {
			out = append(out, provider.Config{ID: id, Domains: []string{id + ".example.com"}, Emails: []string{"x@" + id + ".test"}})
		}
		return out
	}
	tests := []struct {
		name   string
		change func(*Config)
		want   string // path: part of the message; empty for none
	}{
		{"sound", func(c *Config) {}, ""},
		{"factors that nobody could set up", func(c *Config) {
			c.Factors.Policy, c.Factors.Allowed = "required", []string{"sms", "recovery"}
		}, "factors.allowed: leaves nothing that works here"},
		{"passkeys of an address", func(c *Config) {
			c.Server.PublicURL, c.Factors.Policy, c.Factors.Allowed = "http://127.0.0.1:8080", "required", []string{"passkey"}
		}, "factors.allowed: leaves nothing that works here"},
		{"a provider asks for what is off", func(c *Config) {
			c.Factors.Policy, c.Providers = "off", provide("a")
			c.Providers[0].Factor = "always"
		}, "providers[0].factor: asks for a second factor"},
		{"a rule asks for what is off", func(c *Config) {
			c.Factors.Policy, c.Access.Rules = "off", []policy.RuleConfig{{Name: "x", RequireFactor: true}}
		}, "access.rules[0].require_factor: asks for a second factor"},
		{"no upstream", func(c *Config) { c.Upstreams = nil }, "upstreams: is missing"},
		{"upstream without id", func(c *Config) { c.Upstreams[0].ID = "" }, "upstreams[0].id: is missing"},
		{"upstream with a strange id", func(c *Config) { c.Upstreams[0].ID = "C_R" }, "upstreams[0].id: is not an id"},
		{"two upstreams of one name", func(c *Config) {
			c.Upstreams = append(c.Upstreams, c.Upstreams[0])
			c.Upstreams[1].Paths = []string{"/x"}
		}, "upstreams[1].id: is the id of upstreams[0] too"},
		{"two upstreams for one path", func(c *Config) { c.Upstreams = append(c.Upstreams, c.Upstreams[0]); c.Upstreams[1].ID = "b" }, "upstreams[1].paths[0]: is served by upstreams[0] already"},
		{"two upstreams for one path in two spellings", func(c *Config) {
			c.Upstreams = append(c.Upstreams, c.Upstreams[0])
			c.Upstreams[0].Paths, c.Upstreams[1].ID, c.Upstreams[1].Paths = []string{"/", "/b/"}, "b", []string{"/b"}
		}, "upstreams[1].paths[0]: is served by upstreams[0] already"},
		{"two upstreams for one host in two spellings", func(c *Config) {
			c.Upstreams = append(c.Upstreams, c.Upstreams[0])
			c.Upstreams[0].Hosts, c.Upstreams[1].ID, c.Upstreams[1].Hosts = []string{"H"}, "b", []string{"g", "h"}
		}, "upstreams[1].paths[0]: is served by upstreams[0] already"},
		{"two upstreams, one for every host", func(c *Config) {
			c.Upstreams = append(c.Upstreams, c.Upstreams[0])
			c.Upstreams[1].ID, c.Upstreams[1].Paths = "b", []string{"/b"}
		}, ""},
		{"two upstreams on two hosts", func(c *Config) {
			c.Upstreams = append(c.Upstreams, c.Upstreams[0])
			c.Upstreams[1].ID, c.Upstreams[1].Hosts = "b", []string{"b.example.com"}
		}, ""},
		{"two providers of one name", func(c *Config) { c.Providers = provide("a", "a") }, "providers[1].id: is the id of providers[0] too"},
		{"provider called local", func(c *Config) { c.Providers = provide("local") }, "providers[0].id: has a meaning of its own"},
		{"one domain at two providers", func(c *Config) {
			c.Providers = provide("a", "b")
			c.Providers[1].Domains = []string{"b.example.com", "A.Example.com"}
		}, `providers[1].domains[1]: "a.example.com" belongs to provider "a" already`},
		{"one address at two providers", func(c *Config) {
			c.Providers = provide("a", "b")
			c.Providers[1].Emails = []string{"X@a.test"}
		}, `providers[1].emails[0]: "x@a.test" belongs to provider "a" already`},
		{"two that take the rest", func(c *Config) {
			c.Providers = provide("a", "b")
			c.Providers[0].Domains, c.Providers[1].Domains = []string{"*"}, []string{"*"}
		}, `providers[1].domains[0]: "*" belongs to provider "a" already`},
		{"rule of an unknown provider", func(c *Config) {
			c.Providers = provide("contoso")
			c.Access.Rules = []policy.RuleConfig{{Name: "a", Allow: policy.Allow{Providers: []string{"local", "contosso"}}}}
		}, `access.rules[0].allow.providers[1]: there is no provider "contosso"`},
		{"rule of an unknown upstream", func(c *Config) {
			c.Access.Rules = []policy.RuleConfig{{Name: "a", Upstreams: []string{"crn"}, Allow: policy.Allow{Word: "anyone"}}}
		}, `access.rules[0].upstreams[0]: there is no upstream "crn"`},
		{"test with an unknown provider", func(c *Config) {
			c.Access.Tests = []policy.TestConfig{{Provider: "x", Request: "GET /", Expect: "deny"}}
		},
			`access.tests[0].provider: there is no provider "x"`},
		{"redis without addresses", func(c *Config) { c.Session.Store = "redis" }, "redis.addresses: is missing"},
		{"nobody can sign in", func(c *Config) { c.Local.Enabled = false }, "local.enabled: is false and there is no provider"},
		{"only providers", func(c *Config) { c.Local.Enabled = false; c.Providers = provide("a") }, ""},
		{"reset without mail", func(c *Config) { c.Mail.SMTP.Host = "" }, "mail.smtp.host: is not set"},
		{"no reset, no mail", func(c *Config) { c.Mail.SMTP.Host = ""; c.Local.Reset.Enabled = false }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sound()
			tt.change(c)
			var got []string
			for _, p := range crossCheck(c) {
				got = append(got, p.Path+": "+p.Message)
			}
			if tt.want == "" {
				if len(got) > 0 {
					t.Errorf("problems %q, want none", got)
				}
				return
			}
			path, message, _ := strings.Cut(tt.want, ": ")
			if !slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, path+": ") && strings.Contains(s, message) }) {
				t.Errorf("problems %q, want %q", got, tt.want)
			}
		})
	}
}

// One mistake is named once: a package's own words about a value go before those of the comparison of sections.
func TestOneMistakeOneFinding(t *testing.T) {
	_, r := load("c.yaml", []byte(strings.Replace(base, "id: crm", "id: C_R", 1)+"providers: [{id: local, type: oidc, name: L, issuer: \"https://id.example.com\", client_id: crm, client_secret: opensesame}]\n"), memory(nil), environment(nil))
	count := map[string]int{}
	for _, f := range r.Findings {
		count[f.Path]++
	}
	for _, path := range []string{"upstreams[0].id", "providers[0].id"} {
		if count[path] != 1 {
			t.Errorf("%d findings at %s, want one: %q", count[path], path, lines(r))
		}
	}
}

func TestServerValidate(t *testing.T) {
	type change = func(*ServerConfig)
	url := func(s string) change { return func(c *ServerConfig) { c.PublicURL = s } }
	tests := []struct {
		name   string
		change change
		want   string // path of the only problem; empty for none
	}{
		{"https", url("https://crm.example.com"), ""},
		{"https with a port", url("https://crm.example.com:8443"), ""},
		{"http on localhost", url("http://localhost:8080"), ""},
		{"http on a loopback address", url("http://127.0.0.9:8080"), ""},
		{"http on the IPv6 loopback", url("http://[::1]:8080"), ""},
		{"http below localhost", url("http://crm.localhost:8080"), ""},
		{"http elsewhere", url("http://crm.example.com"), "public_url"},
		{"http on a name that looks local", url("http://localhost.example.com"), "public_url"},
		{"none", url(""), "public_url"},
		{"no scheme", url("crm.example.com"), "public_url"},
		{"no host", url("https://"), "public_url"},
		{"other scheme", url("ftp://crm.example.com"), "public_url"},
		{"path", url("https://crm.example.com/x"), "public_url"},
		{"query", url("https://crm.example.com?x"), "public_url"},
		{"fragment", url("https://crm.example.com#"), "public_url"},
		{"user", url("https://ann@crm.example.com"), "public_url"},
		{"capitals", url("https://CRM.example.com"), "public_url"},
		{"capitals in the scheme", url("HTTPS://crm.example.com"), "public_url"}, // cookies would not be Secure
		{"bad port", url("https://crm.example.com:99999"), "public_url"},
		{"open port", url("https://crm.example.com:"), "public_url"},
		{"space", url("https://crm example.com"), "public_url"},
		{"listen on an address", func(c *ServerConfig) { c.Listen = "[::1]:0" }, ""},
		{"listen on nothing", func(c *ServerConfig) { c.Listen = "" }, "listen"},
		{"listen without port", func(c *ServerConfig) { c.Listen = "127.0.0.1" }, "listen"},
		{"listen on a word", func(c *ServerConfig) { c.Listen = ":https" }, "listen"},
		{"listen on a path", func(c *ServerConfig) { c.Listen = "/run/x:1" }, "listen"},
		{"no ops", func(c *ServerConfig) { c.OpsListen = "" }, ""},
		{"ops in public", func(c *ServerConfig) { c.OpsListen = c.Listen }, "ops_listen"},
		{"both on any port", func(c *ServerConfig) { c.Listen, c.OpsListen = "127.0.0.1:0", "127.0.0.1:0" }, ""},
		{"ops out of range", func(c *ServerConfig) { c.OpsListen = ":70000" }, "ops_listen"},
		{"deep prefix", func(c *ServerConfig) { c.PathPrefix = "/a/_b" }, ""},
		{"prefix is the root", func(c *ServerConfig) { c.PathPrefix = "/" }, "path_prefix"},
		{"prefix empty", func(c *ServerConfig) { c.PathPrefix = "" }, "path_prefix"},
		{"prefix with a slash behind", func(c *ServerConfig) { c.PathPrefix = "/_gate/" }, "path_prefix"},
		{"prefix without a slash", func(c *ServerConfig) { c.PathPrefix = "_gate" }, "path_prefix"},
		{"prefix with dots", func(c *ServerConfig) { c.PathPrefix = "/../x" }, "path_prefix"},
		{"prefix with escapes", func(c *ServerConfig) { c.PathPrefix = "/%5fgate" }, "path_prefix"},
		{"prefix below well-known", func(c *ServerConfig) { c.PathPrefix = "/.well-known/gate" }, "path_prefix"},
		{"trusted network", func(c *ServerConfig) { c.TrustedProxies = []string{"10.0.0.0/8", "fd00::/8"} }, ""},
		{"trusted address", func(c *ServerConfig) { c.TrustedProxies = []string{"10.0.0.0/8", "10.0.0.1"} }, ""},
		{"trusted name", func(c *ServerConfig) { c.TrustedProxies = []string{"10.0.0.0/8", "lb.example.com"} }, "trusted_proxies[1]"},
		{"trusted network with bits beyond its length", func(c *ServerConfig) { c.TrustedProxies = []string{"10.0.0.1/8"} }, "trusted_proxies[0]"},
		{"trusted everybody", func(c *ServerConfig) { c.TrustedProxies = []string{"0.0.0.0/0"} }, "trusted_proxies[0]"},
		{"certificate alone", func(c *ServerConfig) { c.TLS.CertFile = "x" }, "tls.key_file"},
		{"key alone", func(c *ServerConfig) { c.TLS.KeyFile = "x" }, "tls.cert_file"},
		{"PROXY headers", func(c *ServerConfig) { c.ProxyProtocol, c.TrustedProxies = true, []string{"10.0.0.5"} }, ""},
		{"PROXY headers from nobody", func(c *ServerConfig) { c.ProxyProtocol = true }, "proxy_protocol"},
		{"a plain listener", func(c *ServerConfig) { c.HTTPListen = ":80" }, ""},
		{"a plain listener on no port", func(c *ServerConfig) { c.HTTPListen = "80" }, "http_listen"},
		{"a plain listener at the public one", func(c *ServerConfig) { c.HTTPListen = c.Listen }, "http_listen"},
		{"no HSTS", func(c *ServerConfig) { c.HSTS = HSTSConfig{} }, ""},
		{"negative HSTS", func(c *ServerConfig) { c.HSTS.MaxAge = -1 }, "hsts.max_age"},
		{"preload for this host only", func(c *ServerConfig) { c.HSTS.Preload = true }, "hsts.preload"},
		{"ACME", func(c *ServerConfig) { c.TLS.ACME.Domains = []string{"crm.example.com", "www.example.com"} }, ""},
		{"ACME beside a file", func(c *ServerConfig) {
			c.TLS = ServerTLSConfig{CertFile: "a", KeyFile: "b", ACME: ACMEConfig{Domains: []string{"crm.example.com"}}}
		}, "tls.acme.domains"},
		{"ACME for another host", func(c *ServerConfig) { c.TLS.ACME.Domains = []string{"www.example.com"} }, "tls.acme.domains"},
		{"ACME for a pattern", func(c *ServerConfig) { c.TLS.ACME.Domains = []string{"crm.example.com", "*.example.com"} }, "tls.acme.domains[1]"},
		{"ACME for an address", func(c *ServerConfig) { c.TLS.ACME.Domains = []string{"crm.example.com", "192.0.2.1"} }, "tls.acme.domains[1]"},
		{"ACME for nobody", func(c *ServerConfig) { c.TLS.ACME.Email = "a@example.com" }, "tls.acme.domains"},
		{"ACME at an authority of our own", func(c *ServerConfig) {
			c.TLS.ACME = ACMEConfig{Domains: []string{"crm.example.com"}, Directory: "https://ca.example.com/acme/directory"}
		}, ""},
		{"ACME in the clear", func(c *ServerConfig) {
			c.TLS.ACME = ACMEConfig{Domains: []string{"crm.example.com"}, Directory: "http://ca.example.com/acme/directory"}
		}, "tls.acme.directory"},
		{"no data", func(c *ServerConfig) { c.DataDir = "" }, "data_dir"},
		{"no grace", func(c *ServerConfig) { c.ShutdownGrace = 0 }, "shutdown_grace"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sound().Server
			tt.change(&c)
			got := c.Validate()
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("problems %+v, want none", got)
			case tt.want != "" && (len(got) != 1 || got[0].Path != tt.want):
				t.Errorf("problems %+v, want one at %s", got, tt.want)
			}
		})
	}
	// The server refuses to start with it, so a warning would be a promise that serve breaks.
	if p := (ServerConfig{PublicURL: "https://x", Listen: ":1", PathPrefix: "/g", DataDir: "d", ShutdownGrace: 1, TrustedProxies: []string{"::/0"}}).Validate(); len(p) != 1 || p[0].Warning {
		t.Errorf("trusting everybody is %+v, want one fault", p)
	}
}

func TestAdminsAndLogValidate(t *testing.T) {
	if p := (policy.AdminsConfig{Emails: []string{"ann@example.com", "ann"}, Groups: []string{" "}}).Validate(); len(p) != 2 {
		t.Errorf("problems %+v, want two", p)
	}
	if p := (LogConfig{Level: "loud", Format: "xml"}).Validate(); len(p) != 2 {
		t.Errorf("problems %+v, want two", p)
	}
}

func TestWhoMayAsk(t *testing.T) {
	const head = "server: {public_url: https://crm.example.com, trusted_proxies: [10.0.0.0/24, 10.1.0.5], %s}\nupstreams: [{id: crm, urls: [\"http://127.0.0.1:8069\"]}]\nlocal: {reset: {enabled: false}}\n"
	for _, tc := range []struct{ name, line, want string }{
		{"nothing is said", "data_dir: data", "warning server.trusted_proxies"},
		{"nobody", "forward_auth: {enabled: false}", ""},
		{"one of them", "forward_auth: {proxies: [10.0.0.7]}", ""},
		{"with a secret", "forward_auth: {secret: correct-horse-battery-staple}", ""},
		{"with a short secret", "forward_auth: {secret: horse}", "fault server.forward_auth.secret"},
		{"one that is not trusted", "forward_auth: {proxies: [10.1.0.6]}", "fault server.forward_auth.proxies[0]"},
		{"a wider network than the trusted one", "forward_auth: {proxies: [10.0.0.0/16]}", "fault server.forward_auth.proxies[0]"},
		{"a name", "forward_auth: {proxies: [lb.example.com]}", "fault server.forward_auth.proxies[0]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, r := load("c.yaml", []byte(fmt.Sprintf(head, tc.line)), memory(nil), environment(nil))
			got := ""
			for _, f := range r.Findings {
				if strings.HasPrefix(f.Path, "server.") {
					got += map[bool]string{true: "warning ", false: "fault "}[f.Warning] + f.Path
				}
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
