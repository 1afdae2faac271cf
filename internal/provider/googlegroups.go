package provider

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/fault"
)

// Google's tokens hold no groups. A service account asks for them in an administrator's name (domain-wide delegation): the Directory API
// knows the groups that somebody is in directly, the Cloud Identity API also those through groups, in the larger editions.

const (
	googleDirectory     = "https://admin.googleapis.com"
	googleCloudIdentity = "https://cloudidentity.googleapis.com"

	directoryScope     = "https://www.googleapis.com/auth/admin.directory.group.readonly"
	cloudIdentityScope = "https://www.googleapis.com/auth/cloud-identity.groups.readonly"

	jwtBearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
)

// googleGroupNames are the members of a group that groups.name may choose; the first is the default.
var googleGroupNames = []string{"email", "name"}

// serviceAccount is a key file of Google Cloud.
type serviceAccount struct {
	Type         string `json:"type"`
	Email        string `json:"client_email"`
	PrivateKeyID string `json:"private_key_id"`
	PrivateKey   string `json:"private_key"`
	TokenURL     string `json:"token_uri"`

	key *rsa.PrivateKey
}

// readServiceAccount reads a key file. Its errors quote nothing of it.
func readServiceAccount(text string) (*serviceAccount, error) {
	var a serviceAccount
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, errors.New("read service account: it is no JSON")
	}
	block, _ := pem.Decode([]byte(a.PrivateKey))
	if a.Type != "service_account" || a.Email == "" || block == nil {
		return nil, errors.New("read service account: it is no key of a service account")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("read service account: the private key cannot be read")
	}
	var ok bool
	if a.key, ok = key.(*rsa.PrivateKey); !ok {
		return nil, errors.New("read service account: the private key is not RSA")
	}
	if !ownAPI(a.TokenURL, []string{"oauth2.googleapis.com", "accounts.google.com"}) {
		return nil, errors.New("read service account: token_uri is not Google's")
	}
	return &a, nil
}

func validateGoogleGroups(c Config, p *fault.Problems) {
	c.validateGroupsAPI(p, []string{sourceDirectory, sourceCloudIdentity}, hostOf(googleDirectory), hostOf(googleCloudIdentity), "www.googleapis.com")
	if c.Groups.Name != "" && !slices.Contains(googleGroupNames, c.Groups.Name) {
		p.Add("groups.name", "Use "+strings.Join(googleGroupNames, " or ")+".", "a group of Google has no %q", c.Groups.Name)
	}
	g := c.GroupsAPI
	if !g.asks() {
		return
	}
	switch {
	case g.ServiceAccount == "" && g.ServiceAccountFile == "":
		p.Add("groups_api.service_account_file", "Create a key for a service account that has domain-wide delegation, and name the file.", "the service account is missing")
	case g.ServiceAccount != "":
		if _, err := readServiceAccount(g.ServiceAccount.Reveal()); err != nil {
			p.Add("groups_api.service_account", "Use the JSON key file as Google Cloud wrote it.", "%v", err)
		}
	}
	if !isAddress(g.AdminEmail) {
		p.Add("groups_api.admin_email", "Write the address of an administrator who may read groups.", "%q is no administrator's address", g.AdminEmail)
	}
}

// asks reports whether groups are asked of Google.
func (g GroupsAPIConfig) asks() bool {
	return g.Source == sourceDirectory || g.Source == sourceCloudIdentity
}

// googleGroups asks Google for a person's groups.
type googleGroups struct {
	r       *redirector
	account *serviceAccount
	base    string // without a closing slash
	byName  bool
	people  memory[[]string] // groups by subject
	tokens  memory[string]   // of the service account, by scope
}

func newGoogleGroups(r *redirector) (*googleGroups, error) {
	account, err := readServiceAccount(r.cfg.GroupsAPI.ServiceAccount.Reveal())
	if err != nil {
		return nil, err
	}
	base := googleDirectory
	if r.cfg.GroupsAPI.Source == sourceCloudIdentity {
		base = googleCloudIdentity
	}
	return &googleGroups{
		r: r, account: account, base: strings.TrimSuffix(cmp.Or(r.cfg.GroupsAPI.URL, base), "/"), byName: r.cfg.Groups.Name == "name",
		people: memory[[]string]{now: r.env.Now}, tokens: memory[string]{now: r.env.Now},
	}, nil
}

// groups is the dialect's: it always answers.
func (g *googleGroups) groups(ctx context.Context, _ *metadata, all claims, _ string) ([]string, bool, error) {
	subject, _ := all.text("sub")
	email, _ := all.text(g.r.names.Email)
	groups, err := g.people.get(ctx, subject, func(ctx context.Context) ([]string, time.Duration, error) {
		if g.r.cfg.GroupsAPI.Source == sourceCloudIdentity {
			groups, err := g.transitive(ctx, email)
			return groups, groupsAge, err
		}
		groups, err := g.direct(ctx, subject)
		return groups, groupsAge, err
	})
	if err != nil {
		return nil, true, g.r.groupsRefused("groups_unreadable", fmt.Errorf("ask Google for groups: %w", err))
	}
	return groups, true, nil
}

// direct asks the Directory API (developers.google.com/admin-sdk/directory/reference/rest/v1/groups/list). The person is named by the
// id that never changes.
func (g *googleGroups) direct(ctx context.Context, subject string) ([]string, error) {
	return g.list(ctx, "/admin/directory/v1/groups", url.Values{"userKey": {subject}, "maxResults": {"200"}}, "groups",
		func(raw json.RawMessage) (string, error) {
			var group struct{ Email, Name string }
			err := json.Unmarshal(raw, &group)
			return g.called(group.Email, group.Name), err
		})
}

// transitive asks the Cloud Identity API (cloud.google.com/identity/docs/reference/rest/v1/groups.memberships/searchTransitiveGroups). It
// knows people by address, which the sign-in has just stated.
func (g *googleGroups) transitive(ctx context.Context, email string) ([]string, error) {
	if !isAddress(email) {
		return nil, unusablef("the sign-in states no address")
	}
	query := "member_key_id == '" + strings.ReplaceAll(email, "'", `\'`) + "' && 'cloudidentity.googleapis.com/groups.discussion_forum' in labels"
	return g.list(ctx, "/v1/groups/-/memberships:searchTransitiveGroups", url.Values{"query": {query}, "pageSize": {"1000"}}, "memberships",
		func(raw json.RawMessage) (string, error) {
			var group struct {
				GroupKey    struct{ ID string }
				DisplayName string
			}
			err := json.Unmarshal(raw, &group)
			return g.called(group.GroupKey.ID, group.DisplayName), err
		})
}

func (g *googleGroups) called(email, name string) string {
	if g.byName {
		return name
	}
	return strings.ToLower(email)
}

// list reads all pages. Nobody's groups are an answer without the list.
func (g *googleGroups) list(ctx context.Context, path string, query url.Values, member string, read func(json.RawMessage) (string, error)) ([]string, error) {
	bearer, err := g.token(ctx, g.scope())
	if err != nil {
		return nil, fmt.Errorf("get a token for %s: %w", g.account.Email, err)
	}
	var groups []string
	for pages := 0; ; pages++ {
		if pages == maxPages || len(groups) > maxListed {
			return nil, unusablef("there are more than %d groups", len(groups))
		}
		var page claims
		if err := getJSON(ctx, g.r.client, g.base+path+"?"+query.Encode(), bearer, &page); err != nil {
			return nil, err
		}
		var entries []json.RawMessage
		if page.has(member) && json.Unmarshal(page[member], &entries) != nil {
			return nil, unusablef("the member %s of the answer is no list", member)
		}
		for _, raw := range entries {
			name, err := read(raw)
			if err != nil || name == "" || strings.ContainsFunc(name, isControl) {
				return nil, unusablef("a group of the answer has no name that can be used")
			}
			groups = add(groups, name)
		}
		next, _ := page.text("nextPageToken")
		if next == "" {
			return groups, nil
		}
		query.Set("pageToken", next)
	}
}

// ping finds out whether the service account may ask in the administrator's name.
func (g *googleGroups) ping(ctx context.Context) error {
	if _, err := g.token(ctx, g.scope()); err != nil {
		return fault.Wrap(fault.Unavailable, "Google does not let the service account ask for groups. Grant it domain-wide delegation of "+g.scope()+".", err).
			WithReason("groups_unreadable")
	}
	return nil
}

func (g *googleGroups) scope() string {
	if g.r.cfg.GroupsAPI.Source == sourceCloudIdentity {
		return cloudIdentityScope
	}
	return directoryScope
}

// token is the JWT bearer grant (RFC 7523 section 2.1).
func (g *googleGroups) token(ctx context.Context, scope string) (string, error) {
	return g.tokens.get(ctx, scope, func(ctx context.Context) (string, time.Duration, error) {
		assertion, err := g.assertion(scope)
		if err != nil {
			return "", 0, err
		}
		var t apiToken
		form := url.Values{"grant_type": {jwtBearerGrant}, "assertion": {assertion}}
		if err := postForm(ctx, g.r.client, g.account.TokenURL, form, http.Header{}, &t); err != nil {
			return "", 0, err
		}
		return t.bearer()
	})
}

// assertion says, signed by the service account, that it asks in the administrator's name.
func (g *googleGroups) assertion(scope string) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: g.account.key, KeyID: g.account.PrivateKeyID}}, options)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	now := g.r.env.Now()
	payload, err := json.Marshal(map[string]any{
		"iss": g.account.Email, "sub": g.r.cfg.GroupsAPI.AdminEmail, "scope": scope, "aud": g.account.TokenURL,
		"iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		return "", fmt.Errorf("encode assertion: %w", err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return signed.CompactSerialize()
}
