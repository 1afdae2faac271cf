package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

const (
	// groupsAge is how long a person's groups are believed without asking again.
	groupsAge = 3 * time.Minute
	// maxRemembered bounds the people whose groups are remembered.
	maxRemembered = 10_000
	// maxPages and maxListed bound one answer: Microsoft Graph itself ends at 11,000 groups.
	maxPages  = 100
	maxListed = 20_000
	// groupsTimeout bounds all pages together.
	groupsTimeout = 20 * time.Second
)

// The values of groups_api.source.
const (
	sourceNone          = "none"
	sourceGraph         = "graph"
	sourceDirectory     = "directory"
	sourceCloudIdentity = "cloud_identity"
)

// GroupsAPIConfig says where groups are asked that do not come with the sign-in.
type GroupsAPIConfig struct {
	Source             string       `json:"source" jsonschema:"graph or none for entra, where empty is graph; directory, cloud_identity or none for google, where empty is none."`
	URL                string       `json:"url" jsonschema:"The address of that API. Empty is the maker's own, for Microsoft the one of the issuer's cloud."`
	ServiceAccount     token.Secret `json:"service_account" jsonschema:"Type google: the key of a service account with domain-wide delegation, the whole JSON."`
	ServiceAccountFile string       `json:"service_account_file" jsonschema:"A file that holds service_account."`
	AdminEmail         string       `json:"admin_email" jsonschema:"Type google: the administrator for whom the service account asks."`
}

// validateGroupsAPI names the faults that all sources share. Hosts are the maker's own; a group that somebody else asserts opens the CRM.
func (c Config) validateGroupsAPI(p *fault.Problems, sources []string, hosts ...string) {
	g := c.GroupsAPI
	ok := g.Source == "" || g.Source == sourceNone
	for _, s := range sources {
		ok = ok || g.Source == s
	}
	if !ok {
		p.Add("groups_api.source", "Use "+strings.Join(append(sources, sourceNone), ", ")+".", "%q is no source of groups for type %s", g.Source, c.Type)
	}
	if g.URL != "" && !ownAPI(g.URL, hosts) {
		p.Add("groups_api.url", "Leave it out, or write https:// and one of "+strings.Join(hosts, ", ")+".", "%q is not where type %s keeps its groups", g.URL, c.Type)
	}
}

// ownAPI reports whether an address is one of the hosts, or on this machine for trials.
func ownAPI(raw string, hosts []string) bool {
	if checkEndpoint(raw, true) != nil {
		return false
	}
	u, err := url.Parse(raw)
	if err != nil || u.RawQuery != "" {
		return false
	}
	if isLoopback(u.Hostname()) {
		return true
	}
	for _, h := range hosts {
		if strings.EqualFold(u.Host, h) {
			return true
		}
	}
	return false
}

// groupMemory asks for a person's groups once for all who wait and remembers the answer for a few minutes. Failures are not
// remembered: the next sign-in asks again.
type groupMemory struct {
	now    func() time.Time
	flight singleflight.Group

	mu    sync.Mutex // guards known
	known map[string]rememberedGroups
}

type rememberedGroups struct {
	groups []string
	until  time.Time
}

// get returns the groups of a person whom the key names for good.
func (m *groupMemory) get(ctx context.Context, person string, ask func(context.Context) ([]string, error)) ([]string, error) {
	m.mu.Lock()
	k, ok := m.known[person]
	m.mu.Unlock()
	if ok && m.now().Before(k.until) {
		return k.groups, nil
	}
	answer := m.flight.DoChan(person, func() (any, error) {
		// The others still want the answer when the first one gives up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), groupsTimeout)
		defer cancel()
		groups, err := ask(ctx)
		if err == nil {
			m.remember(person, groups)
		}
		return groups, err
	})
	select {
	case a := <-answer:
		if a.Err != nil {
			return nil, a.Err
		}
		groups, _ := a.Val.([]string)
		return groups, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for groups: %w", ctx.Err())
	}
}

func (m *groupMemory) remember(person string, groups []string) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]rememberedGroups{}
	}
	if len(m.known) >= maxRemembered {
		for key, k := range m.known {
			if !now.Before(k.until) {
				delete(m.known, key)
			}
		}
		if len(m.known) >= maxRemembered {
			clear(m.known)
		}
	}
	m.known[person] = rememberedGroups{groups: groups, until: now.Add(groupsAge)}
}

// unusable is an answer that is there and says nothing that could be believed.
type unusable string

func (e unusable) Error() string { return string(e) }

func unusablef(format string, args ...any) error { return unusable(fmt.Sprintf(format, args...)) }

// forbidden reports whether an API will not answer the question, or not in full: asking again does not help, an administrator does.
func forbidden(err error) bool {
	var status statusError
	var useless unusable
	if errors.As(err, &useless) {
		return true
	}
	if refused, ok := asRefused(err); ok {
		status = statusError(refused.status)
	} else if !errors.As(err, &status) {
		return false
	}
	return status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
}

// groupsRefused is what people read where groups cannot be had. It is never "no groups": a rule that keeps a group out would let
// everybody of it in.
func (r *redirector) groupsRefused(reason string, err error) error {
	if forbidden(err) {
		return r.groupsUnreadable(reason, err)
	}
	return fault.Wrap(fault.Unavailable, fmt.Sprintf("%s cannot say at the moment which groups you belong to, so access cannot be decided. "+
		"Please try again in a minute.", r.cfg.displayName()), err).WithReason("groups_unreachable").WithNext(fault.NextSignIn)
}

// apiToken is an access token that the gateway got for itself.
type apiToken struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int64  `json:"expires_in"`
}

// tokenMemory keeps such tokens until shortly before their end, by where they come from.
type tokenMemory struct {
	now func() time.Time

	mu    sync.Mutex // guards known; also holds back who would ask for the same token
	known map[string]rememberedToken
}

type rememberedToken struct {
	token string
	until time.Time
}

// forget drops a token that did not open what it was got for: the next one may.
func (m *tokenMemory) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}

// get returns a token that is good for another while.
func (m *tokenMemory) get(key string, ask func() (apiToken, error)) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.known[key]; m.now().Before(k.until) {
		return k.token, nil
	}
	t, err := ask()
	if err != nil {
		return "", err
	}
	if t.AccessToken == "" {
		return "", errors.New("the answer holds no access token")
	}
	if m.known == nil {
		m.known = map[string]rememberedToken{}
	}
	life := min(max(time.Duration(t.ExpiresIn)*time.Second-time.Minute, 0), time.Hour)
	m.known[key] = rememberedToken{token: t.AccessToken, until: m.now().Add(life)}
	return t.AccessToken, nil
}
