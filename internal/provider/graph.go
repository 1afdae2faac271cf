package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
)

// Microsoft Graph, for people in so many groups that a token does not hold them (learn.microsoft.com/graph/api/user-list-transitivememberof).
//
// The address is built here; the one in "_claim_sources" is never followed, because it leads wherever the token says.

// groupNames are the members of a group that groups.name may choose; the first is what tokens hold.
var groupNames = []string{"id", "displayName", "onPremisesSamAccountName", "mail"}

// graphHosts are Microsoft Graph in its clouds, graphOf the one that belongs to a place of sign-in.
var (
	graphHosts = []string{"graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"}
	graphOf    = map[string]string{
		"login.microsoftonline.com":        "https://graph.microsoft.com",
		"login.microsoftonline.us":         "https://graph.microsoft.us",
		"login.partner.microsoftonline.cn": "https://microsoftgraph.chinacloudapi.cn",
	}
)

// graph asks Microsoft Graph for a person's groups.
type graph struct {
	r      *redirector
	base   string           // without a closing slash; empty where nothing is asked
	member string           // one of groupNames
	people memory[[]string] // groups by tenant and object id
	tokens memory[string]   // of the application, by token endpoint
}

func newGraph(r *redirector) *graph {
	g := &graph{r: r, member: cmp.Or(r.cfg.Groups.Name, groupNames[0]), people: memory[[]string]{now: r.env.Now}, tokens: memory[string]{now: r.env.Now}}
	if r.cfg.GroupsAPI.Source != sourceNone {
		g.base = strings.TrimSuffix(r.cfg.GroupsAPI.URL, "/")
	}
	return g
}

// groups is the dialect's: it answers where the token says that there are more groups than it holds.
func (g *graph) groups(ctx context.Context, m *metadata, all claims, accessToken string) ([]string, bool, error) {
	name := g.r.names.Groups
	if all.has(name) || !all.overage(name) {
		return nil, false, nil
	}
	if g.base == "" {
		return nil, false, nil // what the claims say is then refused
	}
	tenant, _ := all.text("tid")
	object, _ := all.text("oid")
	tenant, object = strings.ToLower(tenant), strings.ToLower(object)
	if !guidPattern.MatchString(tenant) || !guidPattern.MatchString(object) {
		return nil, true, g.r.groupsUnreadable("groups_overage", errors.New("resolve groups: the token names no person in Graph's words (tid, oid)"))
	}
	groups, err := g.people.get(ctx, tenant+"/"+object, func(ctx context.Context) ([]string, time.Duration, error) {
		groups, err := g.ask(ctx, m, object, accessToken)
		return groups, groupsAge, err
	})
	if err != nil {
		return nil, true, g.r.groupsRefused("groups_overage", fmt.Errorf("resolve groups: %w", err))
	}
	return groups, true, nil
}

// ask tries the person's own token, which needs the delegated permission User.Read, and then one for the application itself, which needs
// the application permission GroupMember.Read.All with the consent of an administrator.
func (g *graph) ask(ctx context.Context, m *metadata, object, accessToken string) ([]string, error) {
	groups, own := g.list(ctx, "/v1.0/me/transitiveMemberOf", accessToken)
	if !forbidden(own) {
		return groups, own
	}
	token, err := g.appToken(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("as the person: %w; as the application: %w", own, err)
	}
	groups, err = g.list(ctx, "/v1.0/users/"+object+"/transitiveMemberOf", token)
	if forbidden(err) {
		g.tokens.forget(m.TokenURL) // what an administrator grants now stands in the next token only
	}
	if err != nil {
		return nil, fmt.Errorf("as the person: %w; as the application (grant User.Read delegated, or GroupMember.Read.All and User.ReadBasic.All "+
			"to the application): %w", own, err)
	}
	return groups, nil
}

// graphPage is one page of an answer.
type graphPage struct {
	Value []map[string]any `json:"value"`
	Next  string           `json:"@odata.nextLink"`
}

// list reads all pages. A page that cannot be read makes the whole answer useless.
func (g *graph) list(ctx context.Context, path, bearer string) ([]string, error) {
	selected := "id"
	if g.member != "id" {
		selected += "," + g.member
	}
	next := g.base + path + "?" + url.Values{"$select": {selected}, "$top": {"999"}}.Encode()
	var groups []string
	for pages := 0; next != ""; pages++ {
		if pages == maxPages || len(groups) > maxListed {
			return nil, unusablef("there are more than %d groups", len(groups))
		}
		if !strings.HasPrefix(next, g.base+"/") {
			return nil, unusablef("the next page is somewhere else: %q", clip(next))
		}
		var page graphPage
		if err := getJSON(ctx, g.r.client, next, bearer, &page); err != nil {
			return nil, err
		}
		if page.Value == nil {
			return nil, unusablef("the answer holds no list")
		}
		for _, entry := range page.Value {
			name, err := g.name(entry)
			if err != nil {
				return nil, err
			}
			if name != "" {
				groups = add(groups, name)
			}
		}
		next = page.Next
	}
	return groups, nil
}

// name returns what a group is called; empty for what is no group, such as a directory role.
func (g *graph) name(entry map[string]any) (string, error) {
	if kind, _ := entry["@odata.type"].(string); kind != "" && kind != "#microsoft.graph.group" {
		return "", nil
	}
	id, _ := entry["id"].(string)
	name, _ := entry[g.member].(string)
	switch {
	case id == "":
		return "", unusablef("a group has no id")
	case name == "" && g.member == "displayName":
		// Graph leaves out what the token may not read, and says so by nothing else.
		return "", unusablef("the name of group %q may not be read: grant GroupMember.Read.All", clip(id))
	}
	name = cmp.Or(name, id) // a group of the cloud has no name on premises, and tokens then hold its id
	if strings.ContainsFunc(name, isControl) {
		return "", unusablef("the name of group %q has control characters", clip(id))
	}
	return name, nil
}

// appToken gets a token by the client credentials grant (RFC 6749 section 4.4), at the tenant that the person is of.
func (g *graph) appToken(ctx context.Context, m *metadata) (string, error) {
	return g.tokens.get(ctx, m.TokenURL, func(ctx context.Context) (string, time.Duration, error) {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {g.base + "/.default"}}
		var t apiToken
		if err := g.r.post(ctx, m, m.TokenURL, form, &t); err != nil {
			return "", 0, err
		}
		return t.bearer()
	})
}

// presetGraph fills in where Graph is. A provider on this machine has none unless it is named.
func presetGraph(c Config) Config {
	c.GroupsAPI.Source = cmp.Or(c.GroupsAPI.Source, sourceGraph)
	if u, err := url.Parse(c.Issuer); err == nil {
		c.GroupsAPI.URL = cmp.Or(c.GroupsAPI.URL, graphOf[u.Host])
	}
	return c
}

func validateGraph(c Config, p *fault.Problems) {
	c.validateGroupsAPI(p, []string{sourceGraph}, graphHosts...)
	if c.Groups.Name != "" && !slices.Contains(groupNames, c.Groups.Name) {
		p.Add("groups.name", "Use "+strings.Join(groupNames, ", ")+".", "Microsoft Graph has no %q", c.Groups.Name)
	}
}
