package provider

import (
	"context"
	"fmt"
	"net/url"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Revalidate asks whether somebody may still be signed in, by a refresh token (OpenID Connect Core section 12). Where the provider has
// changed the token and something fails after that, the new one stands alone in the identity beside the error: the old one is dead.
func (r *redirector) Revalidate(ctx context.Context, g identity.Grant) (identity.Identity, error) {
	if g.RefreshToken == "" {
		return identity.Identity{}, identity.ErrNothingToAsk
	}
	m, err := r.metadata(ctx)
	if err != nil {
		return identity.Identity{}, err
	}
	if !r.isIssuer(m, g.Issuer) {
		return identity.Identity{}, r.grantEnded("grant_issuer", fmt.Errorf("refresh: the session is of issuer %q", clip(g.Issuer)))
	}
	tokens, err := r.tokens(ctx, m, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.RefreshToken}})
	if err != nil {
		return identity.Identity{}, r.refreshRefused(err)
	}
	if m, err = r.metadataAt(ctx, m, g.Issuer); err != nil {
		return identity.Identity{RefreshToken: tokens.RefreshToken}, err
	}
	id, err := r.reread(ctx, m, g, tokens)
	if err != nil {
		return identity.Identity{RefreshToken: tokens.RefreshToken}, err
	}
	id.RefreshToken, id.IDToken = tokens.RefreshToken, tokens.IDToken
	return id, nil
}

// reread makes an identity of what came with a refresh. The ID token may be missing; then the userinfo endpoint says who it is about. There
// is no nonce: it belongs to the sign-in.
func (r *redirector) reread(ctx context.Context, m *metadata, g identity.Grant, tokens tokenAnswer) (identity.Identity, error) {
	var about claims
	var err error
	switch {
	case tokens.IDToken != "":
		about, err = r.verifier.verify(ctx, m, presented{raw: tokens.IDToken, refreshed: true, accessToken: tokens.AccessToken})
		if err != nil {
			return identity.Identity{}, r.tokenRefused(err)
		}
	case m.UserInfoURL != "":
		if about, err = r.userinfo(ctx, m, g.Subject, tokens.AccessToken); err != nil {
			return identity.Identity{}, err
		}
	default:
		return identity.Identity{}, r.misconfigured("refresh_empty", fmt.Errorf("refresh: neither an ID token nor a userinfo endpoint"))
	}
	id, err := r.identify(ctx, m, about, tokens.AccessToken)
	if err != nil {
		return identity.Identity{}, err
	}
	if id.Subject != g.Subject {
		return identity.Identity{}, r.tokenRefused(bad("token_subject", "refresh: the answer is about %q, not %q", clip(id.Subject), clip(g.Subject)))
	}
	return id, nil
}

// refreshRefused is what the token endpoint answered to a refresh token. Only what is about the person ends the session; what is about us,
// or about nothing, leaves it to the grace.
func (r *redirector) refreshRefused(err error) error {
	refused, ok := asRefused(err)
	switch {
	case !ok || refused.status >= 500 || refused.status == 429:
		return r.unreachable(fmt.Errorf("refresh: %w", err))
	}
	switch refused.code {
	case "invalid_grant", "interaction_required", "login_required", "consent_required", "access_denied":
		return r.grantEnded(refused.code, fmt.Errorf("refresh: %w", err))
	}
	return r.misconfigured("client_refused", fmt.Errorf("refresh: %w", err))
}

// grantEnded is a provider that no longer vouches for somebody.
func (r *redirector) grantEnded(reason string, err error) error {
	return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("%s has ended your sign-in. Please sign in again.", r.cfg.displayName()), err).
		WithReason(reason).WithNext(fault.NextSignIn)
}
