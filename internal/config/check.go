package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/middleware"
)

// Validate names the faults of the section.
func (c ServerConfig) Validate() fault.Problems {
	var p fault.Problems
	checkPublicURL(c.PublicURL, &p)
	if c.Listen == "" {
		p.Add("listen", "Write host:port, such as :8443.", "is missing")
	} else {
		checkListen("listen", c.Listen, &p)
	}
	if c.OpsListen != "" {
		checkListen("ops_listen", c.OpsListen, &p)
		if c.OpsListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
			p.Add("ops_listen", "Health and metrics are not for the public.", "is the address of listen too")
		}
	}
	checkPrefix(c.PathPrefix, &p)
	_, problems := middleware.ParseProxies(c.TrustedProxies)
	p = append(p, problems.Under("trusted_proxies")...)
	c.checkForwardAuth(&p)
	switch {
	case c.TLS.CertFile != "" && c.TLS.KeyFile == "":
		p.Add("tls.key_file", "Set it beside cert_file.", "is missing")
	case c.TLS.CertFile == "" && c.TLS.KeyFile != "":
		p.Add("tls.cert_file", "Set it beside key_file.", "is missing")
	case c.TLS.CertFile != "":
		if _, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
			p.Add("tls.cert_file", "Name a PEM file with the certificate and its chain, and in key_file the private key that belongs to it.", "cannot be used with key_file: %v", err)
		}
	}
	c.checkFront(&p)
	if c.DataDir == "" {
		p.Add("data_dir", "Name a folder for keys and the SQLite file.", "is missing")
	}
	if c.ShutdownGrace <= 0 {
		p.Add("shutdown_grace", "Write a duration such as 10s.", "must be more than nothing")
	}
	return p
}

func (c ServerConfig) checkForwardAuth(p *fault.Problems) {
	f := c.ForwardAuth
	if !f.Enabled {
		return
	}
	trusted, _ := middleware.ParseProxies(c.TrustedProxies)
	asking, problems := middleware.ParseProxies(f.Proxies)
	*p = append(*p, problems.Under("forward_auth.proxies")...)
	for i, a := range asking {
		if !slices.ContainsFunc(trusted, func(t netip.Prefix) bool { return t.Bits() <= a.Bits() && t.Contains(a.Addr()) }) {
			p.Add(fmt.Sprintf("forward_auth.proxies[%d]", i), "Name it in trusted_proxies too.", "%s is not a trusted proxy, so what it says is not believed", a)
		}
	}
	if f.Secret != "" && len(f.Secret.Reveal()) < 20 {
		p.Add("forward_auth.secret", "Use 20 random characters or more.", "is too short")
	}
}

func checkPublicURL(s string, p *fault.Problems) {
	const at = "public_url"
	u, err := url.Parse(s)
	switch {
	case s == "":
		p.Add(at, "Write the address people type, such as https://crm.example.com.", "is missing")
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		p.Add(at, "Write scheme and host, such as https://crm.example.com.", "is not an address")
	case u.Scheme != "https" && u.Scheme != "http":
		p.Add(at, "Write scheme and host, such as https://crm.example.com.", "must begin with https://")
	case !strings.HasPrefix(s, u.Scheme+"://"):
		p.Add(at, "Write "+u.Scheme+"://"+strings.ToLower(u.Host)+".", "must be in lower case: browsers and providers compare it letter by letter")
	case u.User != nil:
		p.Add(at, "Write scheme and host only.", "must not hold a user name")
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		p.Add(at, "Write "+u.Scheme+"://"+u.Host+".", "must be scheme and host only")
	case u.Host != strings.ToLower(u.Host):
		p.Add(at, "Write "+u.Scheme+"://"+strings.ToLower(u.Host)+".", "must be in lower case: browsers and providers compare it letter by letter")
	case !validPort(u.Port(), strings.HasSuffix(u.Host, ":")):
		p.Add(at, "Write a number from 1 to 65535 after the colon.", "has no valid port")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		p.Add(at, "Write https://"+u.Host+"; where a load balancer ends TLS it is https to the browser all the same.", "http is for loopback hosts only")
	}
}

func validPort(port string, dangling bool) bool {
	if port == "" {
		return !dangling
	}
	n, err := strconv.Atoi(port)
	return err == nil && n > 0 && n < 65536
}

// isLoopback reports whether a host name can only be this machine (RFC 6761 section 6.3 for localhost).
func isLoopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func checkListen(at, s string, p *fault.Problems) {
	host, port, err := net.SplitHostPort(s)
	n, portErr := strconv.Atoi(port)
	switch {
	case err != nil:
		p.Add(at, "Write host:port, such as :8443 or 127.0.0.1:8443.", "is not host:port")
	case portErr != nil || n < 0 || n > 65535:
		p.Add(at, "Write a number from 1 to 65535 after the colon.", "has no valid port")
	case strings.ContainsAny(host, "/ @"):
		p.Add(at, "Write host:port, such as :8443 or 127.0.0.1:8443.", "is not host:port")
	}
}

var prefixShape = regexp.MustCompile(`^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$`)

func checkPrefix(s string, p *fault.Problems) {
	switch {
	case strings.HasPrefix(s+"/", "/.well-known/"):
		p.Add("path_prefix", "Write a prefix such as /_gate.", "must not be below /.well-known")
	case !prefixShape.MatchString(s):
		p.Add("path_prefix", "Write segments of letters, digits, - and _ without a slash at the end, such as /_gate.", "is not a path prefix")
	}
}

// Validate names the faults of the section.
func (c LogConfig) Validate() fault.Problems {
	var p fault.Problems
	levels, formats := []string{"debug", "info", "warn", "error"}, []string{"json", "text"}
	if !slices.Contains(levels, c.Level) {
		p.Add("level", "Write one of "+strings.Join(levels, ", ")+".", "%s is not a level", quoted(c.Level))
	}
	if !slices.Contains(formats, c.Format) {
		p.Add("format", "Write one of "+strings.Join(formats, ", ")+".", "%s is not a format", quoted(c.Format))
	}
	return p
}
