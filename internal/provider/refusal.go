package provider

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// This file and refusaltable.go hold every sentence that people read when an OpenID sign-in fails. What a provider or a stranger wrote goes to
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
	}
	if f, found := findRefusal(r.cfg.Type, refused.code, refused.description); found.number() {
		return r.explain(f, found, refused.description, err)
	}
	switch {
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
	code, description := params.Get("error"), params.Get("error_description")
	cause := fmt.Errorf("authorization response: error %q: %q", clip(code), clip(description))
	if f, found := findRefusal(r.cfg.Type, code, description); found.refusal != nil {
		return r.explain(f, found, description, cause)
	}
	name := r.cfg.displayName()
	return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("%s ended the sign-in with an error. Please sign in again.", name), cause).
		WithTitle(name + " ended the sign-in").WithDetails(r.details(unknownCode(r.cfg.Type, code, description), description)...).
		WithReason("provider_error").WithNext(fault.NextSignIn)
}

// explain is the answer to a known code.
func (r *redirector) explain(f family, found match, description string, cause error) error {
	name, known := r.cfg.displayName(), found.refusal
	code := found.shown(f)
	if len(f.kinds) == 0 { // a number that is not in the table still helps whoever looks into it
		code = unknownCode(r.cfg.Type, found.code, description)
	}
	return fault.Wrap(known.kind, strings.ReplaceAll(known.text, "{name}", name), cause).
		WithTitle(strings.ReplaceAll(known.title, "{name}", name)).WithDetails(r.details(code, description)...).
		WithReason(f.reason + strings.ToLower(found.code)).WithNext(r.next(known.step, code))
}

// next is the one button that a step becomes. Where somebody has to be asked, the help page says what an administrator can mend.
func (r *redirector) next(step identity.Step, code string) fault.Next {
	name, links := r.cfg.displayName(), r.cfg.Password
	switch step {
	case identity.StepSwitch:
		return fault.Next{Label: "Use another account", Path: "/sign-in/" + r.cfg.ID + "?switch=1"}
	case identity.StepReset:
		if links.ResetURL != "" {
			return fault.Next{Label: "Reset it at " + name, Path: "/help", Away: links.ResetURL}
		}
	case identity.StepChange:
		if to := cmp.Or(links.ChangeURL, links.ResetURL); to != "" {
			return fault.Next{Label: "Change it at " + name, Path: "/help", Away: to}
		}
	case identity.StepAgain:
		return fault.NextSignIn
	case identity.StepAsk:
		if code != "" {
			return fault.Next{Label: fault.NextHelp.Label, Path: fault.NextHelp.Path + "?code=" + url.QueryEscape(code)}
		}
	}
	return fault.NextHelp
}

// caseIDs are the ids that a provider writes into a description so that its own log can be searched.
var caseIDs = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"Correlation ID", regexp.MustCompile(`(?i)\bcorrelation[ _]id:?\s*([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`)},
	{"Trace ID", regexp.MustCompile(`(?i)\btrace[ _]id:?\s*([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`)},
	{"Activity ID", regexp.MustCompile(`(?i)\bactivity[ _]id:?\s*([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`)},
}

// details is what the help desk asks for. Of a description only what has the form of an id is taken over.
func (r *redirector) details(code, description string) []fault.Detail {
	d := []fault.Detail{{Name: "From", Value: r.cfg.displayName()}}
	if code != "" {
		d = append(d, fault.Detail{Name: "Code", Value: code})
	}
	d = append(d, fault.Detail{Name: "Time", Value: r.env.Now().UTC().Format("2006-01-02 15:04:05 UTC")})
	for _, id := range caseIDs {
		if found := id.pattern.FindStringSubmatch(description); found != nil {
			d = append(d, fault.Detail{Name: id.name, Value: strings.ToLower(found[1])})
		}
	}
	return d
}
