package web_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/signin"
	"crmgate/internal/throttle"
)

func TestChangePasswordHere(t *testing.T) {
	w := newWorld(t)
	w.flow.step = signin.Step{Kind: signin.StepDone, URL: "/deals"}
	rec := w.do("POST", "/_gate/sign-in/change-password", changeForm+"&return_to=/deals")
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/deals" {
		t.Errorf("status %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	want := signin.Request{Identifier: "ann@staff.example.com", Provider: "staff", ReturnTo: "/deals", Password: "old", NewPassword: "correct horse"}
	if diff := cmp.Diff(want, w.flow.last()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// What is not complete is not asked, and no password comes back in a page.
func TestChangePasswordAsksOnlyWhatIsWhole(t *testing.T) {
	for _, tt := range []struct{ name, change, at string }{
		{"no name", "identifier", "identifier"},
		{"no current password", "current_password", "current_password"},
		{"no new password", "password", "password"},
		{"not repeated", "password_confirm", "password_confirm"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			f, err := url.ParseQuery(changeForm)
			if err != nil {
				t.Fatal(err)
			}
			f.Set(tt.change, "")
			rec := w.do("POST", "/_gate/sign-in/change-password", f.Encode())
			if rec.Code != http.StatusUnprocessableEntity || len(w.flow.requests) != 0 {
				t.Fatalf("status %d, asked %+v", rec.Code, w.flow.requests)
			}
			page := parse(t, rec.Body.String())
			if wrong := page.all(t, "[aria-invalid]"); len(wrong) != 1 || wrong[0].attr["id"] != tt.at {
				t.Errorf("%d fields are marked, want %s", len(wrong), tt.at)
			}
			if strings.Contains(rec.Body.String(), "correct horse") || strings.Contains(rec.Body.String(), `"old"`) {
				t.Error("a password came back in the page")
			}
		})
	}
}

func TestChangePasswordAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		step   signin.Step
		err    error
		status int
		see    string
	}{
		{"wrong current password", signin.Step{}, identity.WrongPassword{Reason: "account_locked"}, 401, "do not belong together"},
		{"refused by the directory", signin.Step{}, errors.Join(fault.New(fault.Invalid, "Too short for Staff directory."), nil), 422, "Too short for Staff directory."},
		{"refused by us", signin.Step{}, &account.PasswordError{Sentence: "Everybody's first guess."}, 422, "first guess."},
		{"guessed too often", signin.Step{}, fault.New(fault.TooMany, "There were too many wrong passwords."), 429, "too many wrong passwords"},
		{"disabled", signin.Step{}, fault.New(fault.Forbidden, "Your account at Staff directory is disabled."), 403, "is disabled"},
		{"down", signin.Step{}, fault.New(fault.Unavailable, "Staff directory cannot be reached."), 503, "cannot be reached"},
		{"a provider with its own page", signin.Step{Kind: signin.StepElsewhere, Provider: &contoso}, nil, 200, "https://change.contoso.com/"},
		{"a local account", signin.Step{Kind: signin.StepElsewhere}, nil, 303, ""},
		{"nobody's address", signin.Step{Kind: signin.StepUnknown}, nil, 422, "Nobody signs in here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.flow.step, w.flow.err = tt.step, tt.err
			rec := w.do("POST", "/_gate/sign-in/change-password", changeForm)
			body := strings.ReplaceAll(rec.Body.String(), "&#39;", "'")
			if rec.Code != tt.status || !strings.Contains(body, tt.see) || strings.Contains(body, "account_locked") {
				t.Errorf("status %d, want %d and %q:\n%s", rec.Code, tt.status, tt.see, body)
			}
		})
	}
}

// A sign-in that needs a new password first leads to the form, with the name and the provider in it.
func TestMustChange(t *testing.T) {
	w := newWorld(t, mustChange(staff))
	rec := w.do("POST", "/_gate/sign-in/password", "identifier=ann@staff.example.com&password=old-secret&return_to=/deals")
	page := parse(t, rec.Body.String())
	form := page.one(t, "form")
	got := map[string]string{"action": form.attr["action"]}
	for _, field := range page.all(t, "input[name]") {
		got[field.attr["name"]] = field.attr["value"]
	}
	want := map[string]string{"action": "/_gate/sign-in/change-password", "identifier": "ann@staff.example.com", "provider": "staff",
		"return_to": "/deals", "current_password": "", "password": "", "password_confirm": ""}
	if diff := cmp.Diff(want, got); diff != "" || rec.Code != http.StatusForbidden {
		t.Errorf("status %d, form (-want +got):\n%s", rec.Code, diff)
	}
	if !strings.Contains(rec.Body.String(), "Your password at Staff directory has expired.") || strings.Contains(rec.Body.String(), "old-secret") {
		t.Errorf("page:\n%s", rec.Body)
	}
	w = newWorld(t, mustChange(contoso))
	rec = w.do("POST", "/_gate/sign-in/password", "identifier=ann@contoso.com&password=x")
	if body := rec.Body.String(); rec.Code != http.StatusForbidden || !strings.Contains(body, "https://change.contoso.com/") || !strings.Contains(body, "Keep your badge at hand.") {
		t.Errorf("status %d, no way to the provider:\n%s", rec.Code, body)
	}
}

func TestChangePasswordIsLimited(t *testing.T) {
	w := newWorld(t)
	w.Limits.Passwords = &throttle.Limiter{PerMinute: 2}
	w.flow.err = identity.ErrWrongPassword
	for i, want := range []int{401, 401, 429} {
		if rec := w.do("POST", "/_gate/sign-in/change-password", changeForm); rec.Code != want {
			t.Errorf("try %d: status %d, want %d", i+1, rec.Code, want)
		}
	}
}

func TestWellKnownLeadsHere(t *testing.T) {
	w := newWorld(t, func(v *world) { v.Sessions = fakeSessions{s: annSession("staff")} })
	rec := w.do("GET", "/.well-known/change-password", "")
	if got := rec.Header().Get("Location"); got != "/_gate/sign-in/change-password?provider=staff" {
		t.Errorf("Location %q", got)
	}
}
