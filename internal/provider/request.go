package provider

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// The values of request.response_mode and request.par.
const (
	modeQuery    = "query"
	modeFormPost = "form_post"

	parAuto   = "auto"
	parNever  = "never"
	parAlways = "always"
)

// RequestConfig is what an administrator can add to the authorization request (OpenID Connect Core section 3.1.2.1).
type RequestConfig struct {
	Prompt       string         `json:"prompt" jsonschema:"login, consent or select_account: the page that the provider shows although somebody is signed in there. Empty shows none."`
	MaxAge       time.Duration  `json:"max_age" jsonschema:"How long ago somebody may have signed in at the provider; older asks again there. 0 takes any time."`
	ACRValues    []string       `json:"acr_values" jsonschema:"How strongly the provider shall authenticate, in its own words. An answer that names none of them is refused."`
	DomainHint   string         `json:"domain_hint" jsonschema:"Skips the provider's question where somebody belongs; known to Entra ID."`
	ResponseMode string         `json:"response_mode" jsonschema:"query, or form_post: the answer comes as a form, so that no code stands in an address. Empty is the type's own."`
	PAR          string         `json:"par" jsonschema:"auto pushes the request to the provider first where it offers that (RFC 9126); always insists; never does not."`
	Params       []RequestParam `json:"params" jsonschema:"Further parameters for one provider, such as organization or kc_idp_hint."`
}

// RequestParam is one parameter of an authorization request.
type RequestParam struct {
	Name  string `json:"name" jsonschema:"The name of the parameter."`
	Value string `json:"value" jsonschema:"Its value."`
}

// ownParams are those that the gateway sets itself.
var ownParams = []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"prompt", "max_age", "acr_values", "login_hint", "domain_hint", "response_mode", "request", "request_uri", "id_token_hint", "client_secret",
	"client_assertion", "client_assertion_type"}

func (c RequestConfig) validate(p *fault.Problems) {
	if !slices.Contains([]string{"", "login", "consent", "select_account"}, c.Prompt) {
		p.Add("request.prompt", "Write login, consent or select_account, or leave it out.", "%q is no page to ask for", c.Prompt)
	}
	if c.MaxAge < 0 || (c.MaxAge > 0 && c.MaxAge < time.Second) {
		p.Add("request.max_age", "Write a time such as 8h, or 0.", "%s is no time to go back", c.MaxAge)
	}
	if !slices.Contains([]string{"", modeQuery, modeFormPost}, c.ResponseMode) {
		p.Add("request.response_mode", "Write query or form_post.", "%q is no way to answer", c.ResponseMode)
	}
	if !slices.Contains([]string{"", parAuto, parNever, parAlways}, c.PAR) {
		p.Add("request.par", "Write auto, never or always.", "%q is no way to push a request", c.PAR)
	}
	for i, v := range c.ACRValues {
		if v == "" || strings.ContainsAny(v, " \t\r\n") {
			p.Add(fmt.Sprintf("request.acr_values[%d]", i), "Write one value per entry.", "%q is no acr value", v)
		}
	}
	for i, param := range c.Params {
		if param.Name == "" || slices.Contains(ownParams, param.Name) {
			p.Add(fmt.Sprintf("request.params[%d].name", i), "Choose another parameter; this one is the gateway's own.", "%q cannot be set here", param.Name)
		}
	}
}

// AuthURL returns where to send the browser (OpenID Connect Core section 3.1.2.1).
func (r *redirector) AuthURL(ctx context.Context, req identity.AuthRequest) (string, error) {
	if req.State == "" || req.Nonce == "" || req.Verifier == "" {
		return "", fmt.Errorf("build authorization request: state, nonce or verifier is missing")
	}
	m, err := r.metadata(ctx)
	if err != nil {
		return "", err
	}
	params := r.authParams(m, req)
	if pushed, err := r.push(ctx, m, params); err != nil {
		return "", err
	} else if pushed != nil {
		params = pushed
	}
	u, err := url.Parse(m.AuthURL)
	if err != nil {
		return "", fmt.Errorf("parse authorization_endpoint: %w", err)
	}
	q := u.Query() // the endpoint may have parameters of its own
	for name, values := range params {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// authParams are the parameters of the request.
func (r *redirector) authParams(m *metadata, req identity.AuthRequest) url.Values {
	v, prompt := url.Values{}, r.prompt(m, req)
	if r.dialect.tunePrompt != nil {
		prompt = r.dialect.tunePrompt(prompt)
	}
	for _, p := range r.cfg.Request.Params {
		v.Set(p.Name, p.Value)
	}
	for name, values := range r.dialect.authParams {
		v[name] = values
	}
	for name, value := range map[string]string{
		"client_id": r.cfg.ClientID, "redirect_uri": r.env.RedirectURI, "response_type": "code", "scope": strings.Join(r.scopes(m), " "),
		"state": req.State, "nonce": req.Nonce,
		"code_challenge": oauth2.S256ChallengeFromVerifier(req.Verifier), "code_challenge_method": "S256",
		"prompt": prompt, "domain_hint": r.cfg.Request.DomainHint, "acr_values": strings.Join(r.cfg.Request.ACRValues, " "),
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if r.cfg.Request.ResponseMode == modeFormPost {
		v.Set("response_mode", modeFormPost)
	}
	if age := r.cfg.Request.MaxAge; age > 0 {
		v.Set("max_age", strconv.FormatInt(int64(age.Seconds()), 10))
	}
	// Entra ID refuses a hint together with the choice of an account, and it would make no sense.
	if req.LoginHint != "" && !req.SelectAccount {
		v.Set("login_hint", req.LoginHint)
	}
	return v
}

// prompt is which page of the provider is asked for: what the journey needs goes before the configuration.
func (r *redirector) prompt(m *metadata, req identity.AuthRequest) string {
	switch {
	case req.SelectAccount && len(m.Prompts) > 0 && !slices.Contains(m.Prompts, r.dialect.choosePrompt):
		return "login" // everywhere a page with a way to another account
	case req.SelectAccount:
		return r.dialect.choosePrompt
	case req.ForceLogin:
		return "login"
	}
	return r.cfg.Request.Prompt
}

// scopes are what is asked for. A refresh token needs offline_access (OpenID Connect Core section 11), which is asked for only where there
// is a use for it and the provider knows it: some refuse what they do not know.
func (r *redirector) scopes(m *metadata) []string {
	scopes := []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail}
	for _, s := range r.cfg.Scopes {
		scopes = add(scopes, s)
	}
	if r.cfg.Revalidate > 0 && !r.dialect.noOffline && slices.Contains(m.Scopes, oidc.ScopeOfflineAccess) {
		scopes = add(scopes, oidc.ScopeOfflineAccess)
	}
	return scopes
}

// push sends the request to the provider ahead of the browser (RFC 9126) and returns the two parameters that stand for it; nil sends the
// browser with the request itself.
func (r *redirector) push(ctx context.Context, m *metadata, params url.Values) (url.Values, error) {
	insist := m.RequiresPAR || r.cfg.Request.PAR == parAlways
	switch {
	case r.cfg.Request.PAR == parNever, m.PARURL == "" && !insist:
		return nil, nil
	case m.PARURL == "":
		return nil, r.misconfigured("par_missing", fmt.Errorf("push request: the provider has no address for it"))
	}
	var answer struct {
		RequestURI string `json:"request_uri"`
	}
	err := r.post(ctx, m, m.PARURL, params, &answer)
	if err == nil && answer.RequestURI == "" {
		err = fmt.Errorf("push request: the answer names no request_uri")
	}
	if err == nil {
		return url.Values{"client_id": {r.cfg.ClientID}, "request_uri": {answer.RequestURI}}, nil
	}
	refused, isAnswer := asRefused(err)
	switch {
	case !insist && (!isAnswer || refused.code != "invalid_client"):
		// It is an extra. Whoever only offers it must not keep people out with it.
		r.log.Warn("push authorization request", "error", err)
		return nil, nil
	case isAnswer && refused.code == "invalid_client":
		return nil, r.misconfigured("client_refused", err)
	case isAnswer && refused.status < http.StatusInternalServerError:
		return nil, r.misconfigured("par_refused", err)
	}
	return nil, r.unreachable(err)
}

// checkRequested refuses a sign-in that is older or weaker than the configuration demands. A provider need not heed what it was asked for
// (OpenID Connect Core section 3.1.2.1), so it is looked at.
func (r *redirector) checkRequested(c claims) error {
	want := r.cfg.Request
	if want.MaxAge > 0 {
		if at := c.seconds("auth_time"); at.IsZero() || r.now().Sub(at) > want.MaxAge+skew {
			return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("Your sign-in at %s is too long ago. Please sign in there again.", r.cfg.displayName()),
				fmt.Errorf("auth_time is %s, max_age %s", at, want.MaxAge)).WithReason("auth_time").WithNext(fault.NextSignIn)
		}
	}
	if acr, _ := c.text("acr"); len(want.ACRValues) > 0 && !slices.Contains(want.ACRValues, acr) {
		return fault.Wrap(fault.Forbidden, fmt.Sprintf("%s did not check as strongly who you are as is needed here. Please sign in again and use your second factor there.",
			r.cfg.displayName()), fmt.Errorf("acr is %q", clip(acr))).WithReason("acr").WithNext(fault.NextSignIn)
	}
	return nil
}
