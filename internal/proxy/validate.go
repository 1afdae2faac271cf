package proxy

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
)

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var ps fault.Problems
	if !goodID(c.ID) {
		ps.Add("id", "Use small letters, digits and hyphens, such as crm.", "%q is not an id", c.ID)
	}
	https := c.validateURLs(&ps)
	for i, h := range c.Hosts {
		if msg := hostFault(h); msg != "" {
			ps.Add(fmt.Sprintf("hosts[%d]", i), "Write a host name, such as crm.example.com.", "%q %s", h, msg)
		}
	}
	if len(c.Paths) == 0 {
		ps.Add("paths", "Write [/] for every path.", "no request would reach this upstream")
	}
	for i, p := range c.Paths {
		if msg := prefixFault(p); msg != "" {
			ps.Add(fmt.Sprintf("paths[%d]", i), "Write a decoded path prefix, such as /crm.", "%q %s", p, msg)
		}
	}
	ps = append(ps, c.Identity.validate().Under("identity")...)
	if c.Timeouts.Connect <= 0 {
		ps.Add("timeouts.connect", "Write a duration, such as 5s.", "a connection must be bounded")
	}
	if c.Timeouts.ResponseHeader < 0 {
		ps.Add("timeouts.response_header", "Write a duration, such as 60s, or 0 for no limit.", "%s is negative", c.Timeouts.ResponseHeader)
	}
	oneOf(&ps, "cross_site", c.CrossSite, crossSiteAllow, crossSiteRefuse)
	for i, p := range c.Cookies.Clear {
		if strings.Trim(p, "*") == "" || strings.ContainsFunc(p, func(r rune) bool { return notCookieText(r) || r == '=' }) {
			ps.Add(fmt.Sprintf("cookies.clear[%d]", i), "Write the name of a cookie, such as DOLSESSID_*.", "%q is no name of a cookie", p)
		}
	}
	ps = append(ps, c.Health.validate().Under("health")...)
	if c.Sticky && len(c.URLs) == 1 {
		ps = append(ps, fault.Problem{Path: "sticky", Warning: true, Message: "there is one address only, so this has no effect",
			Hint: "Name several urls, or remove the key."})
	}
	return append(ps, c.TLS.validate(https).Under("tls")...)
}

func (c HealthConfig) validate() fault.Problems {
	var ps fault.Problems
	if c.Path == "" {
		return nil
	}
	if p, reason := canonical(c.Path); reason != "" || !strings.HasPrefix(c.Path, "/") || p.Target != c.Path {
		ps.Add("path", "Write a path that answers without a sign-in, such as /health.", "%q is not a clean path", c.Path)
	}
	if c.Interval < minInterval {
		ps.Add("interval", "Write a duration, such as 10s.", "%s is too short: the checks would be a load of their own", c.Interval)
	}
	return ps
}

const minInterval = 100 * time.Millisecond

func goodID(id string) bool {
	return id != "" && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// validateURLs reports whether an address is https.
func (c Config) validateURLs(ps *fault.Problems) bool {
	if len(c.URLs) == 0 {
		ps.Add("urls", "Write an address, such as [http://127.0.0.1:8069].", "an upstream needs at least one address")
	}
	https := false
	for i, s := range c.URLs {
		u, err := url.Parse(s)
		at := fmt.Sprintf("urls[%d]", i)
		const hint = "Write http://, https:// or h2c:// (HTTP/2 without TLS) with a host, and at most a port and a path."
		switch {
		case err != nil:
			ps.Add(at, hint, "it is not an address")
		case u.Scheme != "http" && u.Scheme != "https" && u.Scheme != h2cScheme:
			ps.Add(at, hint, "%q is not an http or https address", s)
		case u.Hostname() == "":
			ps.Add(at, hint, "%q has no host", s)
		case u.User != nil:
			ps.Add(at, "The CRM takes no password from the gateway.", "the address holds a user name or a password")
		case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
			ps.Add(at, hint, "%q holds a query or a fragment", s)
		case dotSegment(u.Path) || strings.Contains(u.Path, "//"):
			ps.Add(at, hint, "the path of %q is not clean", s)
		case slices.Contains(c.URLs[:i], s):
			ps.Add(at, "Remove one of them.", "%q is named twice", s)
		}
		https = https || err == nil && u.Scheme == "https"
	}
	return https
}

func hostFault(h string) string {
	switch {
	case h == "":
		return "is empty"
	case strings.Contains(h, "*"):
		return "holds a *; each host is named by itself"
	case strings.Contains(h, "://") || strings.ContainsAny(h, "/@?# "):
		return "is not a host name"
	case strings.Contains(h, ":") && !strings.HasPrefix(h, "["):
		return "has a port; hosts are compared without"
	}
	return ""
}

func prefixFault(p string) string {
	switch {
	case !strings.HasPrefix(p, "/"):
		return "does not begin with /"
	case strings.Contains(p, "*"):
		return "is a pattern; a prefix covers everything below it anyway"
	case strings.Contains(p, "//") || dotSegment(p) || strings.ContainsAny(p, "?#;\\%"):
		return "is not a clean path"
	}
	return ""
}

// reserved are headers that mean something to HTTP itself or to the gateway; as identity headers they would break every request.
var reserved = []string{
	"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Upgrade", "Te", "Trailer", "Keep-Alive", "Expect",
	"Cookie", "Authorization", "Accept", "Origin", "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id",
	"Traceparent", "Tracestate", AssertionHeader,
}

func (c IdentityConfig) validate() fault.Problems {
	var ps fault.Problems
	known := slices.Sorted(maps.Keys(format{}.values()))
	seen := map[string]int{}
	for i, h := range c.Headers {
		at := fmt.Sprintf("headers[%d]", i)
		folded := string(fold(nil, h.Name))
		if j, dup := seen[folded]; !ownName(&ps, at+".name", h.Name) && dup {
			ps.Add(at+".name", "Remove one of them.", "headers[%d] has this name already", j)
		}
		seen[folded] = i
		if !slices.Contains(known, h.Value) {
			hint := "Known: " + strings.Join(known, ", ") + "."
			if near := fault.Nearest(strings.TrimPrefix(h.Value, "account."), known...); near != "" {
				hint = fmt.Sprintf("Did you mean %s? %s", near, hint)
			}
			ps.Add(at+".value", hint, "%q is not known", h.Value)
		}
	}
	oneOf(&ps, "encoding", c.Encoding, encodingUTF8, encodingRFC8187)
	oneOf(&ps, "groups", c.Groups, groupsComma, groupsPipe, groupsJSON)
	if c.Assertion.BindRoute && !c.Assertion.Enabled {
		ps = append(ps, fault.Problem{Path: "assertion.bind_route", Warning: true, Message: "there is no assertion, so this has no effect",
			Hint: "Set assertion.enabled to true, or remove the key."})
	}
	ps = append(ps, c.SecretHeader.validate().Under("secret_header")...)
	if _, taken := seen[string(fold(nil, c.SecretHeader.Name))]; taken && c.SecretHeader.Name != "" {
		ps.Add("secret_header.name", "Choose another name.", "%q is an identity header already", c.SecretHeader.Name)
	}
	return ps
}

func oneOf(ps *fault.Problems, at, got string, known ...string) {
	if !slices.Contains(known, got) {
		ps.Add(at, "Known: "+strings.Join(known, ", ")+".", "%q is not known", got)
	}
}

// ownName names what is wrong with a header name, and reports whether anything is.
func ownName(ps *fault.Problems, at, name string) bool {
	folded := string(fold(nil, name))
	switch {
	case !headerName(name):
		ps.Add(at, "Use letters, digits and hyphens, such as Remote-User.", "%q is not a header name", name)
	case slices.ContainsFunc(reserved, func(r string) bool { return string(fold(nil, r)) == folded }):
		ps.Add(at, "Choose a name of your own, such as Remote-User.", "%q has another meaning", name)
	default:
		return false
	}
	return true
}

// shortSecret is how many characters a secret must have that nobody should guess.
const shortSecret = 16

func (c SecretHeaderConfig) validate() fault.Problems {
	var ps fault.Problems
	switch {
	case c.Name == "" && c.Value == "":
		return nil
	case c.Name == "":
		ps.Add("name", "Write a header name, such as X-Gate-Secret.", "a value needs a name")
		return ps
	case c.Value == "":
		ps.Add("value", "Write value or value_file, with 16 characters or more.", "is missing")
	case strings.ContainsFunc(c.Value.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }):
		ps.Add("value", "Use letters and digits, such as those that openssl rand -hex 32 prints.", "it holds characters that a header cannot carry")
	case len(c.Value) < shortSecret:
		ps.Add("value", "Use 16 characters or more, such as those that openssl rand -hex 32 prints.", "it is too short to be a secret")
	}
	ownName(&ps, "name", c.Name)
	return ps
}

func headerName(name string) bool {
	if name == "" || name[0] == '-' || name[0] == '_' {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

func (c TLSConfig) validate(https bool) fault.Problems {
	var ps fault.Problems
	if (c.CertFile == "") != (c.KeyFile == "") {
		ps.Add("", "Set both cert_file and key_file, or neither.", "a certificate and its key go together")
	}
	if _, err := newTLS(c); err != nil && (c.KeyFile == "") == (c.CertFile == "") && !errors.Is(err, fs.ErrNotExist) {
		ps.Add("", "Name PEM files: authorities in ca_file, a certificate in cert_file, the private key that belongs to it in key_file.", "cannot be used: %v", err)
	}
	if c != (TLSConfig{}) && !https {
		ps = append(ps, fault.Problem{Warning: true, Message: "the address is not https, so this has no effect",
			Hint: "Write https:// in urls, or remove the section."})
	}
	return ps
}
