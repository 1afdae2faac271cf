package provider

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// APIConfig says which access tokens of a provider open the CRM to programs. Without audiences none does.
type APIConfig struct {
	Audiences []string          `json:"audiences" jsonschema:"Access tokens (JWT) with one of these audiences open the CRM; none: no token of this provider does. Never the client_id."`
	Clients   []APIClientConfig `json:"clients" jsonschema:"Clients whose own tokens (client credentials) stand for a local account; those of others are refused."`
}

// APIClientConfig is a program with an identity of its own at the provider.
type APIClientConfig struct {
	ID      string `json:"id" jsonschema:"The client id in its tokens (azp, client_id, cid or appid)."`
	Subject string `json:"subject" jsonschema:"The sub of its tokens, where that is not the client id."`
	Account string `json:"account" jsonschema:"Address or user name of the local account that it stands for."`
}

func (c APIConfig) validate(kind, clientID string, p *fault.Problems) {
	if (len(c.Audiences) > 0 || len(c.Clients) > 0) && slices.Contains([]string{"ldap", "active_directory", "github"}, kind) {
		p.Add("api", "Leave it out.", "type %s issues no access tokens that could be checked", kind)
		return
	}
	for i, a := range c.Audiences {
		switch {
		case a == "":
			p.Add(fmt.Sprintf("api.audiences[%d]", i), "Remove it.", "an empty audience is nobody's")
		case a == clientID:
			p.Add(fmt.Sprintf("api.audiences[%d]", i), "Register an API with the provider and write its audience.",
				"%q is the client_id: the ID tokens of every sign-in would open the CRM", a)
		}
	}
	for i, client := range c.Clients {
		if client.ID == "" || client.Account == "" {
			p.Add(fmt.Sprintf("api.clients[%d]", i), "Write both id and account.", "a client is not complete")
		}
	}
	if len(c.Clients) > 0 && len(c.Audiences) == 0 {
		p.Add("api.audiences", "Write the audience that the clients ask tokens for.", "clients are named and no audience is")
	}
}

// bearerTypes are the types that an access token may have (RFC 9068 section 2.1; many providers write JWT, some nothing). Everything else,
// such as a logout token, is signed by the same keys for another purpose.
var bearerTypes = []string{"", "jwt", "at+jwt", "application/at+jwt"}

// IssuedBearer implements identity.TokenVerifier.
func (r *redirector) IssuedBearer(raw string) bool {
	if len(r.cfg.API.Audiences) == 0 || len(raw) > maxToken {
		return false
	}
	_, rest, _ := strings.Cut(raw, ".")
	payload, _, ok := strings.Cut(rest, ".")
	if !ok {
		return false
	}
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return false
	}
	var c claims
	if json.Unmarshal(text, &c) != nil {
		return false
	}
	iss, _ := c.text("iss")
	return (iss == r.cfg.Issuer || r.speaksFor(iss)) && r.audienceFits(c)
}

func (r *redirector) audienceFits(c claims) bool {
	aud := c.texts("aud")
	if one, ok := c.text("aud"); ok {
		aud = []string{one}
	}
	return slices.ContainsFunc(aud, func(a string) bool { return a != "" && slices.Contains(r.cfg.API.Audiences, a) })
}

// VerifyBearer implements identity.TokenVerifier (RFC 9068 section 4).
func (r *redirector) VerifyBearer(ctx context.Context, raw string) (identity.Bearer, error) {
	if err := checkShape(raw, maxToken); err != nil {
		return identity.Bearer{}, r.bearerRefused(err)
	}
	m, err := r.metadata(ctx)
	if err != nil {
		return identity.Bearer{}, err
	}
	if m, err = r.metadataFor(ctx, m, raw); err != nil {
		return identity.Bearer{}, err
	}
	c, err := r.bearerClaims(ctx, m, raw)
	if err != nil {
		return identity.Bearer{}, r.bearerRefused(err)
	}
	b := identity.Bearer{Service: r.service(c), Expires: c.seconds("exp").Add(skew)}
	b.Identity.Provider, b.Identity.Issuer = r.cfg.ID, m.IssuerURL
	b.Identity.Subject, _ = c.text("sub")
	if b.Service != "" {
		return b, nil
	}
	if r.dialect.check != nil {
		if err := r.dialect.check(r.cfg, c); err != nil {
			return identity.Bearer{}, err
		}
	}
	switch {
	case r.dialect.bearerSubject != nil:
		b.Identity.Subject = r.dialect.bearerSubject(r.cfg, c)
	case r.dialect.subject != nil:
		b.Identity.Subject = r.dialect.subject(r.cfg, c)
	}
	if b.Identity.Groups, err = r.groups(ctx, m, c, ""); err != nil {
		return identity.Bearer{}, err
	}
	b.Identity.AMR, b.Identity.AuthTime = c.texts("amr"), c.seconds("auth_time")
	return b, nil
}

// bearerClaims returns the claims of a token that passes every check.
func (r *redirector) bearerClaims(ctx context.Context, m *metadata, raw string) (claims, error) {
	algs := make([]jose.SignatureAlgorithm, 0, len(m.Algorithms))
	for _, a := range m.Algorithms {
		algs = append(algs, jose.SignatureAlgorithm(a))
	}
	t, err := jose.ParseSignedCompact(raw, algs)
	if err != nil {
		return nil, bad("token_malformed", "parse access token: %w", err)
	}
	header := t.Signatures[0].Header
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if !slices.Contains(bearerTypes, strings.ToLower(typ)) {
		return nil, bad("token_kind", "verify access token: its type is %q", clip(typ))
	}
	payload, err := m.keys.verifyBearer(ctx, t)
	switch {
	case errors.Is(err, errBadSignature):
		return nil, bad("token_refused", "verify access token: %w", err)
	case err != nil:
		return nil, err
	}
	var c claims
	if !utf8.Valid(payload) || json.Unmarshal(payload, &c) != nil {
		return nil, bad("token_malformed", "decode access token: not a JSON object")
	}
	return c, r.checkBearer(m, c)
}

func (r *redirector) checkBearer(m *metadata, c claims) error {
	now := r.env.Now()
	iss, _ := c.text("iss")
	sub, _ := c.text("sub")
	_, hasEvents := c["events"]
	_, hasHash := c["at_hash"]
	exp := c.seconds("exp")
	switch {
	case iss != m.IssuerURL:
		return bad("token_issuer", "verify access token: the issuer is %q", clip(iss))
	case !r.audienceFits(c):
		return bad("token_audience", "verify access token: it is for somebody else")
	case sub == "" || len(sub) > maxSubject:
		return bad("token_subject", "verify access token: the subject has %d bytes", len(sub))
	case hasEvents || hasHash:
		return bad("token_kind", "verify access token: a security event or an ID token is none")
	case exp.IsZero() || !now.Before(exp.Add(skew)):
		return bad("token_expired", "verify access token: it ended at %s, it is %s", exp, now)
	case c.has("nbf") && c.seconds("nbf").After(now.Add(skew)), c.has("iat") && c.seconds("iat").After(now.Add(skew)):
		return bad("token_iat", "verify access token: it is not good yet")
	}
	return nil
}

// service returns the local account that a client's own token stands for, "" for the token of a person. Client and subject must both be as
// the configuration says: the token of a person who uses that client has another subject.
func (r *redirector) service(c claims) string {
	var id string
	for _, name := range []string{"azp", "client_id", "cid", "appid"} {
		if id, _ = c.text(name); id != "" {
			break
		}
	}
	sub, _ := c.text("sub")
	for _, client := range r.cfg.API.Clients {
		if id == client.ID && sub == cmp.Or(client.Subject, client.ID) {
			return client.Account
		}
	}
	return ""
}

// bearerRefused is an access token that is not believed, or whose keys cannot be had.
func (r *redirector) bearerRefused(err error) error {
	var b *badToken
	if !errors.As(err, &b) {
		return r.unreachable(err)
	}
	return fault.Wrap(fault.Unauthenticated, "The access token is not good (any more).", err).WithReason(b.reason)
}

// verifyBearer is verify for a credential that anybody may send at any rate: a key id that is known causes no fetch, however wrong the
// signature is.
func (s *keySet) verifyBearer(ctx context.Context, token *jose.JSONWebSignature) ([]byte, error) {
	s.mu.Lock()
	keys := s.current.keys
	fresh := !s.fetched.IsZero() && s.now().Sub(s.fetched) < metadataAge
	s.mu.Unlock()
	id := token.Signatures[0].Header.KeyID
	known := id != "" && slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == id })
	if fresh && known {
		if payload, ok := verifyWith(keys, token); ok {
			return payload, nil
		}
		return nil, errBadSignature
	}
	return s.verify(ctx, token, fromAnybody)
}
