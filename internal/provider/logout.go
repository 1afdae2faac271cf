package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

const (
	// maxLogoutAge is how old a logout token may be. It travels from server to server, so a few minutes are for clocks and for tries
	// that are repeated.
	maxLogoutAge = 5 * time.Minute
	// maxLogoutToken is the size in bytes from which a logout token is not even parsed: anybody can send one.
	maxLogoutToken = 16 << 10
	// maxName is the length in bytes of a session's or a token's name, which we keep.
	maxName = 512
	// logoutEvent makes a token a logout token.
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
)

// BackChannel verifies a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6).
func (r *redirector) BackChannel(ctx context.Context, logoutToken string) (identity.Logout, error) {
	m, err := r.metadata(ctx)
	if err != nil {
		return identity.Logout{}, err
	}
	c, err := r.verifier.verifyLogout(ctx, m, logoutToken)
	if err != nil {
		return identity.Logout{}, r.logoutRefused(err)
	}
	out := identity.Logout{Issuer: m.IssuerURL}
	out.Subject, _ = c.text("sub")
	out.Session, _ = c.text("sid")
	out.TokenID, _ = c.text("jti")
	// It stops being good then at the latest, whatever exp says; nobody needs to remember it longer.
	out.Expires = c.seconds("iat").Add(maxLogoutAge)
	return out, nil
}

// FrontChannel reads a front-channel request (OpenID Connect Front-Channel Logout 1.0 section 2). It is not signed, so nothing but the
// session's own name counts.
func (r *redirector) FrontChannel(params url.Values) (identity.Logout, error) {
	for name, values := range params {
		if len(values) != 1 {
			return identity.Logout{}, r.logoutRefused(bad("logout_repeated", "front-channel logout: %q stands there %d times", clip(name), len(values)))
		}
	}
	sid := params.Get("sid")
	if sid == "" || len(sid) > maxName {
		return identity.Logout{}, r.logoutRefused(bad("logout_session", "front-channel logout: sid has %d bytes", len(sid)))
	}
	several := r.dialect.authority
	iss := params.Get("iss")
	switch {
	case !params.Has("iss") && r.dialect.sidAlone && several != nil:
		return identity.Logout{Session: sid}, nil // of whichever of them
	case !params.Has("iss") && r.dialect.sidAlone:
		iss = r.cfg.Issuer
	}
	if (several == nil && iss != r.cfg.Issuer) || (several != nil && !several.knows(iss)) {
		return identity.Logout{}, r.logoutRefused(bad("logout_issuer", "front-channel logout: iss is %q", clip(iss)))
	}
	return identity.Logout{Issuer: iss, Session: sid}, nil
}

// logoutRefused is a logout request that is not believed, or whose keys cannot be had. A provider's program reads it, hardly ever a person.
func (r *redirector) logoutRefused(err error) error {
	b, ok := asBad(err)
	if !ok {
		return r.unreachable(err)
	}
	return fault.Wrap(fault.Invalid, fmt.Sprintf("This is not a sign-out that %s sent.", r.cfg.displayName()), err).WithReason(b.reason)
}

// verifyLogout returns the claims of a logout token that passes every check. Its errors are those of verify.
func (v verifier) verifyLogout(ctx context.Context, m *metadata, raw string) (claims, error) {
	if err := checkShape(raw, maxLogoutToken); err != nil {
		return nil, err
	}
	signed := &signedBy{keys: m.keys, from: fromAnybody, algs: m.Algorithms, types: []string{"logout+jwt", "jwt"}}
	// The library checks issuer, audience, exp, and that events, jti and a subject or session are there.
	t, err := v.library(m, signed).VerifyLogout(ctx, raw)
	if err := libraryError(signed, err); err != nil {
		return nil, err
	}
	var payload json.RawMessage
	if err := t.Claims(&payload); err != nil {
		return nil, bad("token_malformed", "decode logout token: %w", err)
	}
	c, err := decodeClaims(payload, map[string]string{"iss": t.Issuer, "sub": t.Subject, "sid": t.SessionID, "jti": t.TokenID})
	if err != nil {
		return nil, err
	}
	return c, v.checkLogout(c)
}

// checkLogout is what the library leaves to us.
func (v verifier) checkLogout(c claims) error {
	var events map[string]json.RawMessage
	var event map[string]json.RawMessage
	_, hasNonce := c["nonce"]
	issued := c.seconds("iat")
	age := v.now().Sub(issued)
	switch {
	case json.Unmarshal(c["events"], &events) != nil || json.Unmarshal(events[logoutEvent], &event) != nil || event == nil:
		return bad("logout_event", "verify logout token: there is no logout event")
	case hasNonce:
		// With one it could be an ID token that somebody caught.
		return bad("logout_nonce", "verify logout token: there is a nonce")
	case issued.IsZero() || age < -skew || age > maxLogoutAge:
		return bad("token_iat", "verify logout token: issued at %s, it is %s", issued, v.now())
	}
	for _, name := range []string{"sub", "sid", "jti"} {
		if s, _ := c.text(name); len(s) > maxName || (c.has(name) && s == "") {
			return bad("token_malformed", "verify logout token: %s has %d bytes", name, len(s))
		}
	}
	return nil
}
