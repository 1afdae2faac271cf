package provider

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

const (
	// groupsAge is how long a person's groups are believed without asking again.
	groupsAge = 3 * time.Minute
	// maxPages and maxListed bound one answer: Microsoft Graph itself ends at 11,000 groups.
	maxPages  = 100
	maxListed = 20_000
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

// bearer returns the token and how long it is kept: until shortly before its end.
func (t apiToken) bearer() (token string, life time.Duration, err error) {
	if t.AccessToken == "" {
		return "", 0, errors.New("the answer holds no access token")
	}
	return t.AccessToken, min(max(time.Duration(t.ExpiresIn)*time.Second-time.Minute, 0), time.Hour), nil
}
