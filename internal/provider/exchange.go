package provider

import (
	"context"
	"errors"
	"fmt"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Exchange turns the response into an identity. The order of the checks matters: whatever can be refused without the
// provider is refused before the code is spent.
func (r *redirector) Exchange(ctx context.Context, cb identity.Callback) (identity.Identity, error) {
	for _, values := range cb.Params {
		if len(values) != 1 {
			return identity.Identity{}, r.garbled("response_repeated")
		}
	}
	code := cb.Params.Get("code")
	if code != "" && cb.Params.Has("error") {
		return identity.Identity{}, r.garbled("response_ambiguous")
	}
	m, err := r.metadata(ctx)
	if err != nil {
		return identity.Identity{}, err
	}
	// RFC 9207 section 2.4: an answer of another provider must not be taken for this one's.
	iss, named := cb.Params.Get("iss"), cb.Params.Has("iss")
	if (named || m.SendsIssuer) && !r.isIssuer(m, iss) {
		return identity.Identity{}, r.garbled("response_issuer")
	}
	if cb.Params.Has("error") {
		return identity.Identity{}, r.refused(cb.Params)
	}
	if code == "" {
		return identity.Identity{}, r.garbled("response_empty")
	}
	tokens, err := r.redeem(ctx, m, code, cb.Verifier)
	if err != nil {
		return identity.Identity{}, r.codeRefused(err)
	}
	if m, err = r.metadataFor(ctx, m, tokens.IDToken); err != nil {
		return identity.Identity{}, err
	}
	if named && iss != m.IssuerURL {
		return identity.Identity{}, r.garbled("response_issuer")
	}
	verified, err := r.verifier.verify(ctx, m, presented{raw: tokens.IDToken, nonce: cb.Nonce, accessToken: tokens.AccessToken})
	if err != nil {
		return identity.Identity{}, r.tokenRefused(err)
	}
	if err := r.checkRequested(verified); err != nil {
		return identity.Identity{}, err
	}
	id, err := r.identify(ctx, m, verified, tokens.AccessToken)
	if err != nil {
		return identity.Identity{}, err
	}
	id.IDToken = tokens.IDToken
	if r.cfg.Revalidate > 0 {
		id.RefreshToken = tokens.RefreshToken // otherwise there is no use for such a secret
	}
	return id, nil
}

// identify turns verified claims into an identity, with the help of the userinfo endpoint where they are not complete.
func (r *redirector) identify(ctx context.Context, m *metadata, verified claims, accessToken string) (identity.Identity, error) {
	if r.dialect.check != nil {
		if err := r.dialect.check(r.cfg, verified); err != nil {
			return identity.Identity{}, err
		}
	}
	subject, _ := verified.text("sub")
	all := verified
	if r.incomplete(verified) && m.UserInfoURL != "" {
		more, err := r.userinfo(ctx, m, subject, accessToken)
		if err != nil {
			return identity.Identity{}, err
		}
		all = verified.complete(more, r.names.Email)
	}
	if r.dialect.groupKeys {
		all = all.keysAsGroups(r.names.Groups)
	}
	id, err := all.describe(r.names)
	if err != nil {
		return identity.Identity{}, fault.Wrap(fault.Forbidden, fmt.Sprintf("%s sent a mail address that cannot be right. "+
			"Please ask your administrator to correct it there.", r.cfg.displayName()), err).WithReason("malformed_email").WithNext(fault.NextHelp)
	}
	if id.Groups, err = r.groups(ctx, m, all, accessToken); err != nil {
		return identity.Identity{}, err
	}
	id.Provider, id.Issuer, id.Subject = r.cfg.ID, m.IssuerURL, subject
	if r.dialect.subject != nil {
		id.Subject = r.dialect.subject(r.cfg, verified)
	}
	if r.dialect.emailVerified != nil {
		id.EmailVerified = id.Email != "" && r.dialect.emailVerified(r.cfg, all, id.Email)
	}
	if r.dialect.enrich != nil {
		r.dialect.enrich(r.cfg, verified, &id)
	}
	return id, nil
}

// wantsGroups reports whether the configuration cannot do without groups.
func (r *redirector) wantsGroups() bool {
	g := r.cfg.Groups
	return r.env.WantGroups || r.cfg.Claims.Groups != "" || len(g.Allow) > 0 || len(g.Map) > 0
}

// groups reads, filters and renames the groups. Groups that there are but that we cannot read are never "no groups": a
// rule that keeps a group out would let everybody of it in.
func (r *redirector) groups(ctx context.Context, m *metadata, c claims, accessToken string) ([]string, error) {
	name := r.names.Groups
	if r.dialect.moreGroups != nil {
		if groups, ok, err := r.dialect.moreGroups(ctx, m, c, accessToken); err != nil || ok {
			return r.cfg.Groups.choose(groups), err
		}
	}
	if !c.has(name) && c.overage(name) {
		return nil, r.groupsUnreadable("groups_overage", errors.New("the provider left the groups out because there are too many; "+
			"let it send only groups that are assigned to the application, or use roles"))
	}
	groups, err := c.groups(name)
	if err != nil && r.wantsGroups() {
		return nil, r.groupsUnreadable("groups_malformed", err)
	}
	if r.dialect.sawGroups != nil {
		r.dialect.sawGroups(c, groups)
	}
	return r.cfg.Groups.choose(groups), nil
}
