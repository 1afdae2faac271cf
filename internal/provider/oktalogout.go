package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Universal Logout: Okta posts from its servers that all sessions of a person are to end (developer.okta.com/docs/guides/oin-universal-logout-overview,
// draft-parecki-oauth-global-token-revocation).

const (
	// maxRevocationAge is how old such a token may be; Okta's live for five minutes.
	maxRevocationAge = 10 * time.Minute
	// maxRevocationToken is the size in bytes from which one is not even parsed: anybody can send one.
	maxRevocationToken = 16 << 10
)

// revocationTypes are the values of "typ" that such a token may have. The draft names none; an ID token has another audience.
var revocationTypes = []string{"global-token-revocation+jwt", "jwt"}

// universalLogoutURL is the address that Okta is told, made from the one it knows already.
func universalLogoutURL(redirectURI, id string) string {
	return strings.TrimSuffix(redirectURI, "/callback/"+id) + "/logout/universal/" + id
}

// UniversalLogout verifies a request (RFC 6750 section 2.1, RFC 9493).
func (o *okta) UniversalLogout(ctx context.Context, bearer string, body []byte) (identity.Revocation, error) {
	m, err := o.org.get(ctx)
	if err != nil {
		return identity.Revocation{}, o.undiscovered(err)
	}
	out, err := o.verifyRevocation(ctx, m, bearer)
	if err != nil {
		b, ok := asBad(err)
		if !ok {
			return identity.Revocation{}, o.unreachable(err)
		}
		return identity.Revocation{}, fault.Wrap(fault.Unauthenticated, fmt.Sprintf("This request was not sent by %s.", o.cfg.displayName()), err).WithReason(b.reason)
	}
	if err := o.readRevoked(body, m.IssuerURL, &out); err != nil {
		return identity.Revocation{}, fault.Wrap(fault.Invalid, "This request does not say whose sessions are to end.", err).WithReason("revocation_subject")
	}
	return out, nil
}

// verifyRevocation checks the token: signed by the organisation, for this very address, fresh.
func (o *okta) verifyRevocation(ctx context.Context, m *metadata, raw string) (identity.Revocation, error) {
	if err := checkShape(raw, maxRevocationToken); err != nil {
		return identity.Revocation{}, err
	}
	signed := &signedBy{keys: m.keys, from: fromAnybody, algs: m.Algorithms, types: revocationTypes}
	payload, err := signed.VerifySignature(ctx, raw)
	if err := libraryError(signed, err); err != nil {
		return identity.Revocation{}, err
	}
	c, err := decodeClaims(payload, nil)
	if err != nil {
		return identity.Revocation{}, err
	}
	now, issued, ends, begins := o.env.Now(), c.seconds("iat"), c.seconds("exp"), c.seconds("nbf")
	id, _ := c.text("jti")
	var audience jwtAudience
	iss, _ := c.text("iss")
	switch {
	case iss != m.IssuerURL:
		return identity.Revocation{}, bad("token_issuer", "verify revocation: issued by %q", clip(iss))
	case json.Unmarshal(c["aud"], &audience) != nil || !slices.Contains(audience, o.endpoint):
		return identity.Revocation{}, bad("token_audience", "verify revocation: it is not for %s", o.endpoint)
	case c.has("events") || c.has("nonce"):
		return identity.Revocation{}, bad("token_kind", "verify revocation: a token of another use")
	case ends.IsZero() || now.After(ends.Add(skew)):
		return identity.Revocation{}, bad("token_expired", "verify revocation: it ended at %s", ends)
	case issued.IsZero() || issued.After(now.Add(skew)) || now.Sub(issued) > maxRevocationAge || begins.After(now.Add(skew)):
		return identity.Revocation{}, bad("token_iat", "verify revocation: issued at %s, it is %s", issued, now)
	case id == "" || len(id) > maxName:
		return identity.Revocation{}, bad("token_id", "verify revocation: jti has %d bytes", len(id))
	}
	return identity.Revocation{TokenID: id, Expires: issued.Add(maxRevocationAge)}, nil
}

// readRevoked reads the subject identifier (RFC 9493 sections 3.2.1 and 3.2.4): "sub_id" in the draft, "subject" in older copies of it.
// The person's own issuer is the organisation or its authorization server that people here sign in at.
func (o *okta) readRevoked(body []byte, org string, out *identity.Revocation) error {
	var request claims
	if err := json.Unmarshal(body, &request); err != nil {
		return fmt.Errorf("decode revocation: %w", err)
	}
	raw, ok := request["sub_id"]
	if !ok {
		raw = request["subject"]
	}
	var who claims
	if err := json.Unmarshal(raw, &who); err != nil {
		return fmt.Errorf("decode subject: %w", err)
	}
	format, _ := who.text("format")
	switch format {
	case "iss_sub":
		iss, _ := who.text("iss")
		sub, _ := who.text("sub")
		if (iss != org && iss != o.cfg.Issuer) || sub == "" || len(sub) > maxSubject {
			return fmt.Errorf("the subject is of issuer %q", clip(iss))
		}
		out.Issuer, out.Subject = o.cfg.Issuer, sub
	case "email":
		email, _ := who.text("email")
		if !isAddress(email) {
			return fmt.Errorf("%q is no address", clip(email))
		}
		out.Email = identity.Normalize(email)
	default:
		return fmt.Errorf("the subject has format %q", clip(format))
	}
	return nil
}
