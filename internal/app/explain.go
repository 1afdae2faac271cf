package app

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/config"
	"crmgate/internal/fault"
	"crmgate/internal/gateway"
	"crmgate/internal/identity"
	"crmgate/internal/policy"
	"crmgate/internal/provider"
	"crmgate/internal/proxy"
)

// Question is what `crmgate explain` asks.
type Question struct {
	Email    string
	Groups   []string
	Provider string
	// Method and Path are the request's; the path may have a query.
	Method, Path string
	// Host is the one that the browser asks for; empty is public_url's.
	Host string
	// Address is the client's, for rules that name networks.
	Address string
	// At is the moment of the request; zero is now.
	At time.Time
	// Factor is true where a second factor was proven just before.
	Factor bool
}

// Explanation is the answer.
type Explanation struct {
	// SignIn says where the person signs in.
	SignIn   string `json:"sign_in"`
	Upstream string `json:"upstream"`
	Outcome  string `json:"outcome"`
	Rule     string `json:"rule"`
	Reason   string `json:"reason"`
	// Rules are all of them in their order, the default last; Conditions are what the one that decided asks for.
	Rules      []policy.Step  `json:"rules"`
	Conditions []policy.Check `json:"conditions"`
	Headers    []NamedHeader  `json:"headers"`
}

// NamedHeader is one header that the CRM would get.
type NamedHeader struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Explain answers from the configuration alone: it asks neither store nor network.
func Explain(cfg *config.Config, q Question) (Explanation, error) {
	where, providerID, err := explainSignIn(cfg, q)
	if err != nil {
		return Explanation{}, err
	}
	a := Explanation{SignIn: where, Headers: []NamedHeader{}, Rules: []policy.Step{}, Conditions: []policy.Check{}}
	gate, public, err := newJudge(cfg)
	if err != nil {
		return a, err
	}
	// The same code as for a real request decides, so the answer is about what the CRM would get.
	host := q.Host
	if host == "" {
		host = public.Host
	}
	e, err := gate.Explain(&http.Request{Method: q.Method, RequestURI: q.Path, Host: host, URL: &url.URL{}, Header: http.Header{}}, q.subject(providerID))
	switch {
	case err != nil:
		a.Outcome, a.Reason = "refused (400)", refusal(err)
		return a, nil
	case e.Own:
		a.Outcome, a.Reason = "answered by crmgate", "This is a page of the gateway itself: access.rules do not speak about it, and the CRM never sees it."
		return a, nil
	case e.Upstream == nil:
		a.Outcome, a.Reason = "not found (404)", "no upstream has this path"
		return a, nil
	}
	d := e.Decision
	a.Upstream, a.Rule, a.Reason, a.Rules, a.Conditions = e.Upstream.Config().ID, d.Rule, d.Reason, e.Steps, append(a.Conditions, e.Checks...)
	a.Outcome = map[policy.Outcome]string{policy.Allowed: "allowed", policy.StepUp: "asked for a second factor", policy.SignIn: "asked to sign in"}[d.Outcome]
	if a.Outcome == "" {
		a.Outcome = "refused (403)"
	}
	if d.Outcome == policy.Allowed {
		a.Headers, err = explainHeaders(cfg, e.Upstream, q, providerID)
	}
	return a, err
}

// refusal is why a request is not even put to the rules.
func refusal(err error) string {
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return f.Sentence + " (" + f.Reason + ")"
	}
	return err.Error()
}

func (q Question) subject(provider string) policy.Subject {
	s := policy.Subject{SignedIn: true, Email: q.Email, Groups: q.Groups, Provider: provider, Address: q.Address, At: q.At}
	if s.At.IsZero() {
		s.At = time.Now()
	}
	if q.Factor {
		s.FactorAt = s.At
	}
	return s
}

// explainSignIn says where an address signs in, and which provider the rules will see.
func explainSignIn(cfg *config.Config, q Question) (where, providerID string, err error) {
	var all []identity.Provider
	for _, pc := range cfg.Providers {
		p, err := provider.Open(pc, provider.Env{RedirectURI: cfg.Server.PublicURL + cfg.Server.PathPrefix + "/callback/" + pc.ID})
		if err != nil {
			return "", "", err
		}
		all = append(all, p)
	}
	realms := identity.NewRealms(all...)
	if q.Provider != "" {
		p, ok := realms.Get(q.Provider)
		if !ok && q.Provider != account.OwnerLocal {
			return "", "", fmt.Errorf("there is no provider %q in the file", q.Provider)
		}
		if !ok {
			return "with a local account, as --provider says", account.OwnerLocal, nil
		}
		return "at " + p.Info().Name + ", as --provider says", q.Provider, nil
	}
	if p, ok := realms.Find(q.Email); ok {
		info := p.Info()
		return fmt.Sprintf("at %s (provider %s), because the address belongs to it", info.Name, info.ID), info.ID, nil
	}
	if cfg.Local.Enabled {
		return "with a local account, because no provider has the address", account.OwnerLocal, nil
	}
	return "nowhere: no provider has the address and local accounts are off", "", nil
}

// newJudge is the guarded path as far as deciding goes: it knows no session, and passes nothing on.
func newJudge(cfg *config.Config) (*gateway.Handler, *url.URL, error) {
	public, err := url.Parse(cfg.Server.PublicURL)
	if err != nil {
		return nil, nil, err
	}
	rules, folded, err := newRules(cfg)
	if err != nil {
		return nil, nil, err
	}
	shared := proxy.Shared{PublicURL: public, Names: proxy.NewNames(cfg.Upstreams, nil)}
	var all []*proxy.Upstream
	for _, c := range cfg.Upstreams {
		c.Identity.Assertion.Enabled = false                 // it says what the headers say, and signing needs the store
		c.Identity.SecretHeader = proxy.SecretHeaderConfig{} // it is not shown
		u, err := proxy.Open(c, shared)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, u)
	}
	return &gateway.Handler{Rules: rules, Folded: folded, Routes: gateway.NewRoutes(all), PublicURL: public, Prefix: cfg.Server.PathPrefix}, public, nil
}

func explainHeaders(cfg *config.Config, u *proxy.Upstream, q Question, providerID string) ([]NamedHeader, error) {
	id, err := u.Identify(proxy.Person{
		ID: "(account id)", Email: q.Email, Name: "(name)", Username: "(user name)", Groups: q.Groups, Provider: providerID,
	})
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	if err := u.Answer(h, &http.Request{}, proxy.Path{}, id); err != nil {
		return nil, err
	}
	var out []NamedHeader
	for _, name := range slices.Sorted(maps.Keys(h)) {
		out = append(out, NamedHeader{name, strings.Join(h[name], ", ")})
	}
	for _, c := range cfg.Upstreams {
		if c.ID != u.Config().ID {
			continue
		}
		if c.Identity.Assertion.Enabled {
			out = append(out, NamedHeader{proxy.AssertionHeader, "(a signed JWT for " + cmp.Or(c.Identity.Assertion.Audience, c.ID) + ")"})
		}
		if name := c.Identity.SecretHeader.Name; name != "" {
			out = append(out, NamedHeader{name, "(the secret)"})
		}
	}
	return out, nil
}
