package provider

import (
	"fmt"
	"net/http"
	"net/url"

	"crmgate/internal/fault"
)

// This file holds every sentence that people read when an OpenID sign-in fails. What a provider or a stranger wrote goes to
// the log, shortened; never to the page.

// unreachable is a provider that does not answer, or not in a way that can be used.
func (r *redirector) unreachable(err error) error {
	return fault.Wrap(fault.Unavailable, fmt.Sprintf("%s cannot be reached at the moment. Please try again in a minute.", r.cfg.displayName()), err).
		WithReason("provider_unreachable").WithNext(fault.NextSignIn)
}

// misconfigured is something that only an administrator can mend; the log says what.
func (r *redirector) misconfigured(reason string, err error) error {
	return fault.Wrap(fault.Unavailable, fmt.Sprintf("Sign-in with %s is not set up correctly. Please tell your administrator.", r.cfg.displayName()), err).
		WithReason(reason).WithNext(fault.NextHelp)
}

// garbled is a response that no provider sends; the person is offered a fresh start.
func (r *redirector) garbled(reason string) error {
	return fault.New(fault.Invalid, fmt.Sprintf("The answer from %s did not arrive as it was sent. Please sign in again.", r.cfg.displayName())).
		WithReason(reason).WithNext(fault.NextSignIn)
}

// tokenRefused is an ID token that is not believed, or whose keys cannot be had.
func (r *redirector) tokenRefused(err error) error {
	b, ok := asBad(err)
	if !ok {
		return r.unreachable(err)
	}
	return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("The answer from %s could not be verified, so nobody was signed in. Please sign in again.",
		r.cfg.displayName()), err).WithReason(b.reason).WithNext(fault.NextSignIn)
}

func (r *redirector) groupsUnreadable(reason string, err error) error {
	return fault.Wrap(fault.Forbidden, fmt.Sprintf("%s did not tell which groups you belong to, so access cannot be decided. Please tell your administrator.",
		r.cfg.displayName()), err).WithReason(reason).WithNext(fault.NextHelp)
}

// codeRefused is what the token endpoint answered instead of tokens (RFC 6749 section 5.2).
func (r *redirector) codeRefused(err error) error {
	err = fmt.Errorf("redeem code: %w", err)
	refused, ok := asRefused(err)
	switch {
	case !ok || refused.status >= http.StatusInternalServerError || refused.status == http.StatusTooManyRequests:
		return r.unreachable(err)
	case refused.code == "invalid_grant":
		return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("The answer from %s was too old or had been used. Please sign in again.", r.cfg.displayName()), err).
			WithReason("code_refused").WithNext(fault.NextSignIn)
	case refused.code == "" && refused.status < http.StatusBadRequest:
		return r.unreachable(err) // a redirect, which is not followed
	}
	// invalid_client, unauthorized_client and the like: nothing that the person could do differently.
	return r.misconfigured("client_refused", err)
}

// refused is an error response of the authorization endpoint (RFC 6749 section 4.1.2.1, OpenID Connect Core section
// 3.1.2.6). Its parameters are text that anybody can put into an address.
func (r *redirector) refused(params url.Values) error {
	name, code := r.cfg.displayName(), params.Get("error")
	cause := fmt.Errorf("authorization response: error %q: %q", clip(code), clip(params.Get("error_description")))
	if r.dialect.explain != nil {
		if e := r.dialect.explain(r.cfg, params); e != nil {
			return fault.Wrap(e.Kind, e.Sentence, cause).WithReason(e.Reason).WithNext(e.Next)
		}
	}
	switch code {
	case "access_denied":
		return fault.Wrap(fault.Forbidden, fmt.Sprintf("%s did not let you in: the sign-in was cancelled, or your account has not been given access. "+
			"Try another account, or ask your administrator for access.", name), cause).WithReason(code).WithNext(fault.NextSignIn)
	case "login_required", "interaction_required", "account_selection_required", "consent_required":
		return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("%s needs you to sign in on its own page first. Please start again.", name), cause).
			WithReason(code).WithNext(fault.NextSignIn)
	case "temporarily_unavailable", "server_error":
		return fault.Wrap(fault.Unavailable, fmt.Sprintf("%s has trouble at the moment. Please try again in a minute.", name), cause).
			WithReason(code).WithNext(fault.NextSignIn)
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "request_not_supported",
		"request_uri_not_supported", "registration_not_supported", "invalid_request_uri", "invalid_request_object":
		return r.misconfigured(code, cause)
	}
	return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("%s ended the sign-in with an error. Please sign in again.", name), cause).
		WithReason("provider_error").WithNext(fault.NextSignIn)
}
