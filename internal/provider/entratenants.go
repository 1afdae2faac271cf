package provider

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// anyTenant is the door at which accounts of every organisation sign in. It is used only together with a list of tenants.
const anyTenant = "organizations"

// tenantMark stands for the tenant in the issuer of that door's metadata.
const tenantMark = "{tenantid}"

// authority decides with whose metadata an ID token is verified, where a provider speaks for several issuers.
type authority interface {
	// of reads a token that nobody has verified yet, and only chooses by it.
	of(ctx context.Context, raw string) (*metadata, error)
	// at returns the metadata of one of its issuers.
	at(ctx context.Context, issuer string) (*metadata, error)
	// knows reports whether an issuer is one of them.
	knows(issuer string) bool
}

// tenants are the allowed ones of several, each with its own issuer and keys. The token's "tid" only chooses among them: what it is then
// held against is that tenant's issuer, byte for byte, and that tenant's keys. So neither a key that serves another tenant nor a made-up
// issuer gets through, and no check of the library is switched off.
type tenants struct {
	r    *redirector
	byID map[string]*discovery
}

// newTenants also turns the redirector's own discovery to the common door, whose issuer is a form and no address.
func newTenants(r *redirector) *tenants {
	place := strings.TrimSuffix(r.cfg.Issuer, anyTenant+"/v2.0")
	at := func(tenant string) *discovery {
		return &discovery{issuer: place + tenant + "/v2.0", client: r.client, log: r.discovery.log, now: r.env.Now}
	}
	t := &tenants{r: r, byID: map[string]*discovery{}}
	for _, id := range r.cfg.Tenants {
		t.byID[id] = at(id)
	}
	r.discovery = at(tenantMark)
	r.discovery.place = place + anyTenant + "/v2.0"
	return t
}

func (t *tenants) of(ctx context.Context, raw string) (*metadata, error) {
	tid, _ := unverified(raw).text("tid")
	d, ok := t.byID[tid]
	if !ok {
		return nil, wrongTenant(t.r.cfg, tid)
	}
	m, err := d.get(ctx)
	return m, t.r.undiscovered(err)
}

func (t *tenants) at(ctx context.Context, issuer string) (*metadata, error) {
	for _, d := range t.byID {
		if d.issuer == issuer {
			m, err := d.get(ctx)
			return m, t.r.undiscovered(err)
		}
	}
	return nil, wrongTenant(t.r.cfg, issuer)
}

func (t *tenants) knows(issuer string) bool {
	for _, d := range t.byID {
		if d.issuer == issuer {
			return true
		}
	}
	return false
}

// unverified reads the claims of a token without believing them; nil where there are none to read.
func unverified(raw string) claims {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 || len(raw) > maxToken {
		return nil
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var c claims
	if json.Unmarshal(payload, &c) != nil {
		return nil
	}
	return c
}

// metadataFor returns what a token is verified with: the provider's own metadata, or those of the tenant it says it is from.
func (r *redirector) metadataFor(ctx context.Context, m *metadata, raw string) (*metadata, error) {
	if r.dialect.authority == nil {
		return m, nil
	}
	return r.dialect.authority.of(ctx, raw)
}

// metadataAt returns what a session's tokens are verified with.
func (r *redirector) metadataAt(ctx context.Context, m *metadata, issuer string) (*metadata, error) {
	if r.dialect.authority == nil {
		return m, nil
	}
	return r.dialect.authority.at(ctx, issuer)
}

// isIssuer reports whether the issuer in a response is one that this provider speaks for (RFC 9207 section 2.4).
func (r *redirector) isIssuer(m *metadata, issuer string) bool {
	if r.dialect.authority != nil {
		return r.speaksFor(issuer)
	}
	return issuer == m.IssuerURL
}

// speaksFor reports whether an issuer is one of several that this provider speaks for.
func (r *redirector) speaksFor(issuer string) bool {
	return r.dialect.authority != nil && r.dialect.authority.knows(issuer)
}
