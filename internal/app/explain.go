package app

import (
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
	// The same code as for a real request makes the path canonical, so the answer is about what the CRM would get.
	req := &http.Request{Method: q.Method, RequestURI: q.Path, URL: &url.URL{}, Header: http.Header{}}
	path, err := proxy.Canonical(req)
	if err != nil {
		a.Outcome, a.Reason = "refused (400)", err.Error()
		if f := (*fault.Error)(nil); errors.As(err, &f) {
			a.Reason = f.Sentence + " (" + f.Reason + ")"
		}
		return a, nil
	}
	if prefix := cfg.Server.PathPrefix; path.Decoded == prefix || strings.HasPrefix(path.Decoded, prefix+"/") || path.Decoded == gateway.ChangePassword {
		a.Outcome, a.Reason = "answered by crmgate", "This is a page of the gateway itself: access.rules do not speak about it, and the CRM never sees it."
		return a, nil
	}
	upstream, err := explainUpstream(cfg, path.Decoded)
	if err != nil || upstream == nil {
		a.Outcome, a.Reason = "not found (404)", "no upstream has this path"
		return a, err
	}
	rules, err := policy.New(accessOf(cfg))
	if err != nil {
		return a, err
	}
	a.Upstream = upstream.Config().ID
	asked := policy.Request{Upstream: a.Upstream, Method: q.Method, Path: path.Decoded}
	who, index := q.subject(providerID), rules.Match(asked)
	d := rules.Decide(index, who)
	a.Rule, a.Reason, a.Rules, a.Conditions = d.Rule, d.Reason, rules.Steps(asked), append(a.Conditions, rules.Checks(index, who)...)
	a.Outcome = map[policy.Outcome]string{policy.Allowed: "allowed", policy.StepUp: "asked for a second factor", policy.SignIn: "asked to sign in"}[d.Outcome]
	if a.Outcome == "" {
		a.Outcome = "refused (403)"
	}
	if d.Outcome == policy.Allowed {
		a.Headers, err = explainHeaders(upstream, q, providerID)
	}
	return a, err
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

func explainUpstream(cfg *config.Config, path string) (*proxy.Upstream, error) {
	public, err := url.Parse(cfg.Server.PublicURL)
	if err != nil {
		return nil, err
	}
	shared := proxy.Shared{PublicURL: public, Names: proxy.NewNames(cfg.Upstreams, nil)}
	var all []*proxy.Upstream
	for _, c := range cfg.Upstreams {
		c.Identity.Assertion.Enabled = false                 // it says what the headers say, and signing needs the store
		c.Identity.SecretHeader = proxy.SecretHeaderConfig{} // it is not shown
		u, err := proxy.Open(c, shared)
		if err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return gateway.NewRoutes(all).Find(public.Host, path), nil
}

func explainHeaders(u *proxy.Upstream, q Question, providerID string) ([]NamedHeader, error) {
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
	return out, nil
}
