package page

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"crmgate/internal/fault"
)

// Failure is the Data of the pages "error" and "forbidden".
type Failure struct {
	// Kind is the fault's kind with "_" for spaces, such as "not_found" or, without a fault, "method_not_allowed".
	Kind     string
	Status   int
	Sentence string
	// Title heads the page; empty takes the kind's.
	Title string
	// Details stand in a box above the reference.
	Details []fault.Detail
	// NextLabel and NextURL are the one thing to do; an empty label means the CRM's start page.
	NextLabel, NextURL string
	// OtherLabel and OtherURL are a second step; both are empty where there is none.
	OtherLabel, OtherURL string
	// NextAway is true where NextURL leads to somebody else's page.
	NextAway bool
	// SwitchURL leads to signing in as somebody else and back here.
	SwitchURL string
}

// weigh says what a kind of fault is on the wire and in the log.
func weigh(k fault.Kind) (status int, level slog.Level) {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest, slog.LevelInfo
	case fault.Unauthenticated:
		return http.StatusUnauthorized, slog.LevelInfo
	case fault.Forbidden:
		return http.StatusForbidden, slog.LevelInfo
	case fault.NotFound:
		return http.StatusNotFound, slog.LevelInfo
	case fault.Conflict:
		return http.StatusConflict, slog.LevelInfo
	case fault.Expired:
		return http.StatusGone, slog.LevelInfo
	case fault.TooMany:
		return http.StatusTooManyRequests, slog.LevelWarn
	case fault.Upstream:
		return http.StatusBadGateway, slog.LevelWarn
	case fault.Unavailable:
		return http.StatusServiceUnavailable, slog.LevelWarn
	case fault.Timeout:
		return http.StatusGatewayTimeout, slog.LevelWarn
	}
	return http.StatusInternalServerError, slog.LevelError
}

// ourFault is what people read where no fault says more.
const ourFault = "Something went wrong on our side. It is nothing you did. Please try again in a moment."

// Fail writes the answer to an error: page or JSON, with the status of its kind, and one log line with the same reference id.
func (p *Pages) Fail(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.New(fault.Internal, ourFault)
	cause := err
	var known *fault.Error
	if errors.As(err, &known) {
		f = known
		if err == error(known) {
			cause = known.Unwrap()
		}
	}
	status, level := weigh(f.Kind)
	if errors.Is(err, context.Canceled) && r.Context().Err() != nil {
		level = slog.LevelDebug // the browser went away; nobody reads the answer
	}
	ref := reference(r)
	attrs := []slog.Attr{
		slog.String("reference", ref), slog.String("kind", f.Kind.String()), slog.Int("status", status),
		slog.String("method", r.Method), slog.String("path", loggedPath(r)), slog.String("sentence", f.Sentence),
	}
	if f.Reason != "" {
		attrs = append(attrs, slog.String("reason", f.Reason))
	}
	if cause != nil {
		attrs = append(attrs, slog.String("cause", cause.Error()))
	}
	p.log.LogAttrs(r.Context(), level, "request failed", attrs...)

	switch f.Kind {
	case fault.TooMany:
		w.Header().Set("Retry-After", "60")
	case fault.Unavailable:
		w.Header().Set("Retry-After", "20")
	}
	fail := Failure{Kind: strings.ReplaceAll(f.Kind.String(), " ", "_"), Status: status, Sentence: f.Sentence}
	fail.Title, fail.Details = f.Title, f.Details
	fail.NextLabel, fail.NextURL = p.next(r, f)
	if local(f.Other.Path) {
		fail.OtherLabel, fail.OtherURL = f.Other.Label, p.prefix+f.Other.Path
	}
	if webAddress(f.Next.Away) {
		fail.NextLabel, fail.NextURL, fail.NextAway = f.Next.Label, f.Next.Away, true
	}
	p.answer(w, r, ref, fail)
}

// MethodNotAllowed answers a request whose address is right and whose method is not. Allow lists the methods that are.
func (p *Pages) MethodNotAllowed(w http.ResponseWriter, r *http.Request, allow ...string) {
	w.Header().Set("Allow", strings.Join(allow, ", "))
	p.answer(w, r, reference(r), Failure{
		Kind: "method_not_allowed", Status: http.StatusMethodNotAllowed, NextURL: "/",
		Sentence: "This address does not work that way. Please start again from the beginning.",
	})
}

// answer writes a failure as a page, or as JSON for a program.
func (p *Pages) answer(w http.ResponseWriter, r *http.Request, ref string, fail Failure) {
	h := w.Header()
	for _, name := range []string{"Content-Length", "Content-Encoding", "ETag", "Last-Modified", "Location"} {
		h.Del(name) // they belong to the answer that did not come about
	}
	// The address of a failed callback holds what the provider sent; the next page must not learn it.
	h.Set("Referrer-Policy", "no-referrer")
	if !p.wantsPage(r) {
		secure(h)
		h.Set("Content-Type", "application/json")
		w.WriteHeader(fail.Status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": fail.Kind, "message": fail.Sentence, "reference": ref})
		return
	}
	name := "error"
	// A title says who refused: that is not the access rules.
	if fail.Status == http.StatusForbidden && fail.Title == "" {
		name = "forbidden"
		fail.SwitchURL = p.prefix + "/sign-in?switch=1"
		if r.Method == http.MethodGet && !p.ours(r) {
			fail.SwitchURL += "&return_to=" + url.QueryEscape(r.URL.RequestURI())
		}
	}
	v := p.view(fail)
	v.Reference = ref
	if err := p.render(w, fail.Status, name, v); err != nil {
		// An administrator's template may fail on what it is given; the person still gets the sentence.
		p.log.LogAttrs(r.Context(), slog.LevelError, "error page failed", slog.String("reference", ref), slog.String("cause", err.Error()))
		secure(h)
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(fail.Status)
		_, _ = w.Write([]byte(fail.Sentence + "\n\nReference: " + ref + "\n"))
	}
}
