package demo

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The headers that the gateway sends (see the contract's table).
const (
	headerUser      = "X-Forwarded-User"
	headerEmail     = "X-Forwarded-Email"
	headerName      = "X-Forwarded-Name"
	headerUsername  = "X-Forwarded-Preferred-Username"
	headerGroups    = "X-Forwarded-Groups"
	headerProvider  = "X-Crmgate-Provider"
	headerAssertion = "X-Crmgate-Assertion"
)

// caller is the person as the gateway describes them.
type caller struct {
	ID, Email, Name, Provider string
	Groups                    []string
}

func callerOf(r *http.Request) caller {
	h := r.Header
	c := caller{ID: h.Get(headerUser), Email: h.Get(headerEmail), Name: h.Get(headerName), Provider: h.Get(headerProvider), Groups: splitGroups(h.Get(headerGroups))}
	if c.Name == "" {
		c.Name = c.Email
	}
	return c
}

// Known reports whether the gateway named anybody.
func (c caller) Known() bool { return c.ID != "" }

// First is what the pages call the person.
func (c caller) First() string {
	first, _, _ := strings.Cut(c.Name, " ")
	return first
}

// Admin reports whether the person is an administrator. It decides only what is offered; the gateway's rule decides what is
// allowed.
func (c caller) Admin() bool { return slices.Contains(c.Groups, "crm-admins") }

// splitGroups splits at commas; those within a name come as %2C.
func splitGroups(v string) []string {
	var out []string
	unescape := strings.NewReplacer("%2C", ",", "%25", "%")
	for name := range strings.SplitSeq(v, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, unescape.Replace(name))
		}
	}
	return out
}

// whoamiPage shows what arrived, believed or not.
type whoamiPage struct {
	Identity  []headerLine
	Transport []headerLine
	Cookies   []string // names of the cookies that came through
	Assertion *assertion
	Broken    bool // an assertion came that cannot be decoded
}

type headerLine struct {
	Name   string
	Values []string
}

// assertion is the decoded X-Crmgate-Assertion.
type assertion struct {
	Raw    string
	Header string
	Claims string
	// Life is how long it is good for from now; Expired that it is not.
	Life    time.Duration
	Expired bool
}

func (c *CRM) whoami(w http.ResponseWriter, r *http.Request) {
	var p whoamiPage
	for _, name := range []string{headerUser, headerEmail, headerName, headerUsername, headerGroups, headerProvider} {
		p.Identity = append(p.Identity, headerLine{name, r.Header.Values(name)})
	}
	p.Transport = []headerLine{{"Host", []string{r.Host}}}
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id", "Traceparent"} {
		p.Transport = append(p.Transport, headerLine{name, r.Header.Values(name)})
	}
	for _, k := range r.Cookies() {
		p.Cookies = append(p.Cookies, k.Name)
	}
	if raw := r.Header.Get(headerAssertion); raw != "" {
		p.Assertion = decodeAssertion(raw, c.now())
		p.Broken = p.Assertion == nil
	}
	c.show(w, r, http.StatusOK, "whoami", "Who am I", "whoami", p)
}

// decodeAssertion reads a JWT without verifying it; nil where it is none.
func decodeAssertion(raw string, now time.Time) *assertion {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil
	}
	header, ok := prettyJSON(parts[0])
	claims, ok2 := prettyJSON(parts[1])
	if !ok || !ok2 {
		return nil
	}
	a := &assertion{Raw: raw, Header: header, Claims: claims}
	var times struct {
		Expires float64 `json:"exp"`
	}
	if json.Unmarshal([]byte(claims), &times) == nil && times.Expires > 0 {
		a.Life = time.Unix(int64(times.Expires), 0).Sub(now).Round(time.Second)
		a.Expired = a.Life <= 0
	}
	return a
}

func prettyJSON(part string) (string, bool) {
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return "", false
	}
	var v map[string]any
	if json.Unmarshal(b, &v) != nil {
		return "", false
	}
	out, err := json.MarshalIndent(v, "", "  ")
	return string(out), err == nil
}
