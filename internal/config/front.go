package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/fault"
)

// ACMEConfig is `server.tls.acme`: certificates from an authority that speaks ACME (RFC 8555). It is used where Domains holds any.
type ACMEConfig struct {
	Domains []string `json:"domains" jsonschema:"Host names to get certificates for; none turns ACME off."`
	Email   string   `json:"email" jsonschema:"Where the authority writes when something is wrong with a certificate."`
	// CacheDir keeps account and certificates; empty is the folder acme in data_dir.
	CacheDir string `json:"cache_dir" jsonschema:"Keeps account and certificates; empty is the folder acme in data_dir."`
	// Directory is the authority's directory; empty is Let's Encrypt.
	Directory string `json:"directory" jsonschema:"Directory of the authority; empty is Let's Encrypt."`
	// CAFile holds the authorities that the directory's own certificate is from; empty trusts the system's.
	CAFile string `json:"ca_file" jsonschema:"PEM file with the authorities to trust for the directory itself, in place of the system's."`
}

// HSTSConfig is `server.hsts`: how long browsers come back by https only (RFC 6797). It is sent where public_url is https.
type HSTSConfig struct {
	// MaxAge is how long; 0 sends nothing.
	MaxAge            time.Duration `json:"max_age" jsonschema:"How long browsers come by https only; 0 sends nothing."`
	IncludeSubdomains bool          `json:"include_subdomains" jsonschema:"For every host below this one as well."`
	Preload           bool          `json:"preload" jsonschema:"Agree to be in the browsers' own lists."`
}

// Default returns the section's defaults.
func (HSTSConfig) Default() HSTSConfig { return HSTSConfig{MaxAge: 365 * 24 * time.Hour} }

// Value returns the header's value, "" for none.
func (c HSTSConfig) Value() string {
	if c.MaxAge <= 0 {
		return ""
	}
	s := fmt.Sprintf("max-age=%d", int64(c.MaxAge/time.Second))
	if c.IncludeSubdomains {
		s += "; includeSubDomains"
	}
	if c.Preload {
		s += "; preload"
	}
	return s
}

// preloadAge is what the browsers' lists ask for.
const preloadAge = 365 * 24 * time.Hour

func (c ServerConfig) checkFront(p *fault.Problems) {
	if c.ProxyProtocol && len(c.TrustedProxies) == 0 {
		p.Add("proxy_protocol", "Name your load balancers in trusted_proxies: from nobody else is the header taken.", "is on and there is no trusted proxy")
	}
	if c.HTTPListen != "" {
		checkListen("http_listen", c.HTTPListen, p)
		if (c.HTTPListen == c.Listen || c.HTTPListen == c.OpsListen) && !strings.HasSuffix(c.HTTPListen, ":0") {
			p.Add("http_listen", "Give each listener a port of its own, such as :80.", "is the address of another listener too")
		}
	}
	switch {
	case c.HSTS.MaxAge < 0:
		p.Add("hsts.max_age", "Write a duration such as 365d, or 0.", "is negative")
	case c.HSTS.Preload && (c.HSTS.MaxAge < preloadAge || !c.HSTS.IncludeSubdomains):
		p.Add("hsts.preload", "Set max_age to 365d or more, and include_subdomains to true.", "is not accepted by the browsers' lists this way")
	}
	c.TLS.ACME.check(c, p)
}

func (a ACMEConfig) check(c ServerConfig, p *fault.Problems) {
	const at = "tls.acme"
	if len(a.Domains) == 0 {
		if a.Email != "" || a.CacheDir != "" || a.Directory != "" || a.CAFile != "" {
			p.Add(at+".domains", "Write the host of public_url.", "is missing")
		}
		return
	}
	if c.TLS.CertFile != "" {
		p.Add(at+".domains", "Keep one of the two.", "is set beside cert_file")
	}
	covered := false
	public, _ := url.Parse(c.PublicURL)
	for i, d := range a.Domains {
		_, ip := netip.ParseAddr(d)
		if ip == nil || d != strings.ToLower(d) || !strings.Contains(d, ".") || strings.ContainsAny(d, "*/:@ ") {
			p.Add(fmt.Sprintf("%s.domains[%d]", at, i), "Write a host name, such as crm.example.com. There are no certificates for * this way.", "%s is not a host name", quoted(d))
		}
		covered = covered || public != nil && public.Hostname() == d
	}
	if !covered && public != nil {
		p.Add(at+".domains", "Add it.", "does not hold the host of public_url")
	}
	if d, err := url.Parse(a.Directory); a.Directory != "" && (err != nil || d.Host == "" || d.Scheme != "https" && !(d.Scheme == "http" && isLoopback(d.Hostname()))) {
		p.Add(at+".directory", "Write the https:// address that your authority names.", "is not an address")
	}
}
