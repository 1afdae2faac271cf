package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmgate/internal/identity"
	"crmgate/internal/signin"
	"crmgate/internal/token"
)

// provenWorld is a sign-in that needs a new password first, and the form that the page then has.
func provenWorld(t *testing.T) (w *world, form url.Values, page string) {
	t.Helper()
	w = newWorld(t, mustChange(staff))
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	w.Now = func() time.Time { return now }
	var err error
	if w.Sealer, err = token.NewSealer(token.NewSealKey(now)); err != nil {
		t.Fatal(err)
	}
	page = w.do("POST", "/_gate/sign-in/password", "identifier=ann@staff.example.com&password=old-secret&return_to=/deals").Body.String()
	return w, fields(t, page), page
}

func fields(t *testing.T, page string) url.Values {
	t.Helper()
	form := url.Values{}
	for _, field := range parse(t, page).all(t, "input[name]") {
		form.Set(field.attr["name"], field.attr["value"])
	}
	return form
}

// Who has just typed the expired password chooses a new one in two fields.
func TestProvenPasswordIsNotTypedAgain(t *testing.T) {
	w, form, page := provenWorld(t)
	if form.Has("current_password") || !form.Has("password") || !form.Has("password_confirm") || strings.Contains(page, "old-secret") {
		t.Fatalf("page:\n%s", page)
	}
	form.Set("password", "too short")
	rec := w.do("POST", "/_gate/sign-in/change-password", form.Encode())
	form = fields(t, rec.Body.String())
	if rec.Code != http.StatusUnprocessableEntity || form.Has("current_password") {
		t.Fatalf("not repeated: status %d, page:\n%s", rec.Code, rec.Body)
	}
	w.flow.err, w.flow.step = nil, signin.Step{Kind: signin.StepDone, URL: "/deals"}
	form.Set("password", "correct horse")
	form.Set("password_confirm", "correct horse")
	rec = w.do("POST", "/_gate/sign-in/change-password", form.Encode())
	if got := w.flow.last(); rec.Code != http.StatusSeeOther || got.Password != "old-secret" || got.NewPassword != "correct horse" {
		t.Errorf("status %d, asked %+v", rec.Code, got)
	}
}

func TestProvenPasswordIsForOnePersonAndAWhile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*world, url.Values)
	}{
		{"somebody else's name", func(_ *world, f url.Values) { f.Set("identifier", "bob@staff.example.com") }},
		{"another directory", func(_ *world, f url.Values) { f.Set("provider", "directory") }},
		{"too late", func(w *world, _ url.Values) {
			late := w.Now().Add(11 * time.Minute)
			w.Now = func() time.Time { return late }
		}},
		{"not ours", func(_ *world, f url.Values) { f.Set("proven", "x."+f.Get("proven")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, form, _ := provenWorld(t)
			form.Set("password", "correct horse")
			form.Set("password_confirm", "correct horse")
			tt.change(w, form)
			asked := len(w.flow.requests)
			rec := w.do("POST", "/_gate/sign-in/change-password", form.Encode())
			if rec.Code != http.StatusUnprocessableEntity || len(w.flow.requests) != asked || !fields(t, rec.Body.String()).Has("current_password") {
				t.Errorf("status %d, asked %+v:\n%s", rec.Code, w.flow.requests[asked:], rec.Body)
			}
		})
	}
}

// A password that the directory no longer takes is typed again.
func TestProvenPasswordThatIsWrongNow(t *testing.T) {
	w, form, _ := provenWorld(t)
	w.flow.err = identity.ErrWrongPassword
	form.Set("password", "correct horse")
	form.Set("password_confirm", "correct horse")
	rec := w.do("POST", "/_gate/sign-in/change-password", form.Encode())
	if again := fields(t, rec.Body.String()); rec.Code != http.StatusUnauthorized || !again.Has("current_password") || again.Has("proven") {
		t.Errorf("status %d, page:\n%s", rec.Code, rec.Body)
	}
}
