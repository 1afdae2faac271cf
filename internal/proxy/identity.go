package proxy

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"crmgate/internal/wire"
)

// Person is who a request is made for, as the CRM is told.
type Person struct {
	ID, Email, Name, Username string
	Groups                    []string
	// Provider is the provider id or "local".
	Provider string
	// Session is the id of the session; no secret.
	Session  string
	AMR      []string
	AuthTime time.Time
	// Binding is something that only this session has and nobody outside knows; cookies of the CRM are bound to it.
	Binding string
}

// values are the words that HeaderConfig.Value knows, with what they stand for.
func (f format) values() map[string]func(Person) string {
	return map[string]func(Person) string{
		"account.id": func(p Person) string { return p.ID },
		"email":      func(p Person) string { return p.Email },
		"name":       func(p Person) string { return p.Name },
		"username":   func(p Person) string { return p.Username },
		"provider":   func(p Person) string { return p.Provider },
		"groups":     func(p Person) string { return f.join(p.Groups) },
	}
}

// printable makes a value fit for a header: valid UTF-8, each control character a space, none at the ends.
func printable(s string) string {
	return strings.TrimSpace(strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s), "\ufffd"))
}

// Identity is what one upstream is told about one person, ready to be put into requests. It is made once and used for every request of a
// session; safe for concurrent use.
type Identity struct {
	person  Person
	headers []header
	// lines are headers, ready to be written.
	lines wire.Lines
	// assertion is signed again at half its life. It is nil where the upstream wants none.
	assertion atomic.Pointer[assertion]
	signing   atomic.Bool
	upstream  *Upstream
	// bond is what cookies of the CRM are bound to; nil where none are.
	bond *bond
}

type header struct {
	name   string
	values []string
}

// Identify prepares what this upstream is told about p. The zero Person is nobody.
func (u *Upstream) Identify(p Person) (*Identity, error) {
	id := &Identity{person: p, upstream: u}
	if u.Names != nil && u.Names.bound {
		id.bond = bondOf(p)
	}
	for _, h := range u.headers {
		// An empty value is left out: to the CRM a header that is missing and one that is empty could differ.
		if v := u.format.value(h.value(p)); v != "" {
			id.headers = append(id.headers, header{h.name, []string{v}})
			if err := id.lines.Add(h.name, v); err != nil {
				return nil, err
			}
		}
	}
	if u.audience == "" || u.cfg.Identity.Assertion.BindRoute {
		return id, nil
	}
	a, err := u.sign(p, nil)
	if err != nil {
		return nil, err
	}
	id.assertion.Store(a)
	return id, nil
}

// apply puts the identity into a header from which Names.Strip has removed every copy. The slices are shared by all requests of
// the session; nothing on the way writes into them. Bound makes the claims that bind an assertion to its request, where they are wanted.
func (id *Identity) apply(h http.Header, now time.Time, bound func() *boundTo) error {
	if id == nil {
		return nil
	}
	for i := range id.headers {
		h[id.headers[i].name] = id.headers[i].values
	}
	a, err := id.fitting(now, bound)
	if err != nil {
		return err
	}
	if a != nil {
		h[AssertionHeader] = a.header
	}
	return nil
}

// fitting returns the assertion for a request: one of its own where the upstream wants it bound, else the session's.
func (id *Identity) fitting(now time.Time, bound func() *boundTo) (*assertion, error) {
	if u := id.upstream; u.audience != "" && u.cfg.Identity.Assertion.BindRoute {
		return u.sign(id.person, bound())
	}
	return id.current(now)
}

// write is apply for a head that is written by us.
func (id *Identity) write(head *wire.Head, now time.Time, bound func() *boundTo) error {
	if id == nil {
		return nil
	}
	head.AddLines(&id.lines)
	a, err := id.fitting(now, bound)
	if err != nil {
		return err
	}
	if a != nil {
		head.Add(AssertionHeader, a.header[0])
	}
	return nil
}

// current returns an assertion that has life left. One request signs the next one while the others still use the old one.
func (id *Identity) current(now time.Time) (*assertion, error) {
	a := id.assertion.Load()
	if a == nil || now.Before(a.renew) && a.ring == id.upstream.Signer.ring.Load() {
		return a, nil
	}
	if now.Before(a.end) && a.ring == id.upstream.Signer.ring.Load() && !id.signing.CompareAndSwap(false, true) {
		return a, nil
	}
	defer id.signing.Store(false)
	fresh, err := id.upstream.sign(id.person, nil)
	if err != nil {
		return nil, err
	}
	id.assertion.Store(fresh)
	return fresh, nil
}

// Answer writes every identity header of this upstream into the answer to a forward-auth request about asked, empty where there is no
// value: a front proxy that copies headers would otherwise leave the client's own in place.
func (u *Upstream) Answer(h http.Header, asked *http.Request, path Path, id *Identity) error {
	for _, c := range u.headers {
		h[c.name] = []string{""}
	}
	if u.audience != "" {
		h[AssertionHeader] = []string{""}
	}
	u.knock(h)
	return id.apply(h, u.now(), func() *boundTo { return u.boundTo(asked, path) })
}

// AnswerCredentials writes into such an answer what the CRM may have of a request's own: its cookies, and an Authorization that the gateway
// has not consumed. Empty says that nothing is left.
func (u *Upstream) AnswerCredentials(h, request http.Header) {
	left := http.Header{"Cookie": slices.Clone(request["Cookie"])}
	u.Names.stripCookies(left)
	h["Cookie"] = []string{strings.Join(left["Cookie"], "; ")}
	h["Authorization"] = []string{""}
	if lines := request["Authorization"]; len(lines) == 1 {
		h["Authorization"] = []string{lines[0]}
	}
}
