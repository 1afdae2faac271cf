package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// incomplete reports whether the userinfo endpoint may know more that we want.
func (r *redirector) incomplete(c claims) bool {
	if r.dialect.noUserinfo {
		return false
	}
	email, _ := c.text(r.names.Email)
	_, groups := c[r.names.Groups]
	return email == "" || (r.wantsGroups() && !groups && r.dialect.moreGroups == nil)
}

// userinfo asks for the claims that the ID token lacks (OpenID Connect Core section 5.3). An answer about somebody else is an
// attack or a broken provider; both end the sign-in.
func (r *redirector) userinfo(ctx context.Context, m *metadata, subject, accessToken string) (claims, error) {
	body, kind, err := get(ctx, r.client, m.UserInfoURL, accessToken)
	if err != nil {
		return nil, r.unreachable(fmt.Errorf("userinfo: %w", err))
	}
	var c claims
	if kind == "application/jwt" {
		if c, err = r.verifier.verifyUserinfo(ctx, m, strings.TrimSpace(string(body))); err != nil {
			return nil, r.tokenRefused(err)
		}
	} else if err := json.Unmarshal(body, &c); err != nil {
		return nil, r.unreachable(fmt.Errorf("userinfo: decode answer: %w", err))
	}
	if sub, _ := c.text("sub"); sub != subject {
		return nil, r.tokenRefused(bad("userinfo_subject", "userinfo: the answer is about %q, not %q", clip(sub), clip(subject)))
	}
	return c, nil
}

// verifyUserinfo returns the claims of a signed userinfo answer (OpenID Connect Core section 5.3.2). It carries no exp and no nonce: what
// ties it to the sign-in is that it came for our access token. Its errors are those of verify.
func (v verifier) verifyUserinfo(ctx context.Context, m *metadata, raw string) (claims, error) {
	if err := checkShape(raw, maxToken); err != nil {
		return nil, err
	}
	algs := m.Algorithms
	if len(m.UserinfoAlgs) > 0 {
		algs = slices.DeleteFunc(slices.Clone(m.UserinfoAlgs), func(a string) bool { return !slices.Contains(goodAlgs, a) })
	}
	signed := &signedBy{keys: m.keys, algs: algs}
	payload, err := signed.VerifySignature(ctx, raw)
	if err := libraryError(signed, err); err != nil {
		return nil, err
	}
	c, err := decodeClaims(payload, nil)
	if err != nil {
		return nil, err
	}
	var audience jwtAudience
	switch iss, _ := c.text("iss"); {
	case c.has("iss") && iss != m.IssuerURL:
		return nil, bad("userinfo_issuer", "verify userinfo: issued by %q", clip(iss))
	case c.has("aud") && (json.Unmarshal(c["aud"], &audience) != nil || !slices.Contains(audience, v.clientID)):
		return nil, bad("userinfo_audience", "verify userinfo: it is for another client")
	case c.has("events"):
		return nil, bad("token_kind", "verify userinfo: a security event is no userinfo")
	}
	return c, nil
}

// jwtAudience is an "aud" claim: a string or a list of them (RFC 7519 section 4.1.3).
type jwtAudience []string

// UnmarshalJSON reads both forms.
func (a *jwtAudience) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = jwtAudience{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}
