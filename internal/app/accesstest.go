package app

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"crmgate/internal/account"
	"crmgate/internal/config"
	"crmgate/internal/fault"
	"crmgate/internal/gateway"
	"crmgate/internal/identity"
	"crmgate/internal/policy"
	"crmgate/internal/proxy"
)

// RunAccessTests runs `access.tests` and names each expectation that does not hold, by its path in the file. What a test
// leaves open is filled in the way a real request would: the provider that signs in the address, and the upstream that has
// the path. The path is read as that upstream's is (paths_as_is, ignore_case).
func RunAccessTests(cfg *config.Config) fault.Problems {
	access := cfg.Access
	realms := claimsOf(cfg)
	access.Tests = make([]policy.TestConfig, 0, len(cfg.Access.Tests))
	for _, t := range cfg.Access.Tests {
		if t.Provider == "" && t.Email != "" {
			t.Provider = account.OwnerLocal
			if p, ok := realms.Find(t.Email); ok {
				t.Provider = p.Info().ID
			}
		}
		if t.Upstream == "" {
			t.Upstream = upstreamOf(cfg, t.Request)
		}
		access.Tests = append(access.Tests, t)
	}
	if len(access.Tests) == 0 {
		return nil
	}
	gate, _, err := newJudge(cfg)
	if err != nil {
		return fault.Problems{{Path: "access.tests", Message: "cannot be run: " + err.Error()}}
	}
	return policy.RunTests(access, judgeOf(cfg, gate)).Under("access")
}

// judgeOf decides as the gateway would. It leaves alone what a test says about an upstream that would not get the request.
func judgeOf(cfg *config.Config, gate *gateway.Handler) func(policy.Request, policy.Subject) (policy.Decision, []policy.Check, bool) {
	return func(req policy.Request, who policy.Subject) (policy.Decision, []policy.Check, bool) {
		r := &http.Request{Method: req.Method, RequestURI: (&url.URL{Path: req.Path}).EscapedPath(), Host: gate.PublicURL.Host, URL: &url.URL{}, Header: http.Header{}}
		if i := slices.IndexFunc(cfg.Upstreams, func(u proxy.Config) bool { return u.ID == req.Upstream }); i >= 0 && len(cfg.Upstreams[i].Hosts) > 0 {
			r.Host = cfg.Upstreams[i].Hosts[0]
		}
		e, err := gate.Explain(r, who)
		switch {
		case err != nil:
			return policy.Decision{Outcome: policy.Refuse, Reason: "Refused (400): " + refusal(err)}, nil, true
		case e.Upstream == nil || req.Upstream != "" && e.Upstream.Config().ID != req.Upstream:
			return policy.Decision{}, nil, false
		}
		return e.Decision, e.Checks, true
	}
}

// claimed is a provider of which only the addresses matter.
type claimed identity.Info

// Info returns the addresses.
func (c claimed) Info() identity.Info { return identity.Info(c) }

func claimsOf(cfg *config.Config) *identity.Realms {
	var all []identity.Provider
	for _, p := range cfg.Providers {
		all = append(all, claimed{ID: p.ID, Domains: p.Domains, Emails: p.Emails})
	}
	return identity.NewRealms(all...)
}

// upstreamOf returns the id of the upstream that a request belongs to by its path, "" where two on different hosts could.
func upstreamOf(cfg *config.Config, request string) string {
	_, path, _ := strings.Cut(request, " ")
	path, _, _ = strings.Cut(path, "?")
	best, id := -1, ""
	for _, u := range cfg.Upstreams {
		for _, prefix := range u.Paths {
			p := strings.TrimSuffix(prefix, "/")
			switch {
			case path != p && !strings.HasPrefix(path, p+"/"):
			case len(p) > best:
				best, id = len(p), u.ID
			case len(p) == best && id != u.ID:
				id = ""
			}
		}
	}
	return id
}
