package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmgate/internal/mfa"
	"crmgate/internal/token"
)

// typedWorld is somebody who has sent a form and must first prove who they are; back is where they come back to.
func typedWorld(t *testing.T, target, form string) (w *world, o *own, back string) {
	t.Helper()
	w = newWorld(t)
	o = (&own{}).in(w, "local")
	o.list = []mfa.Enrolment{{ID: "f1", Kind: mfa.TOTP, Name: "Phone"}}
	var err error
	if w.Sealer, err = token.NewSealer(token.NewSealKey(ownNow)); err != nil {
		t.Fatal(err)
	}
	o.stale = true
	rec := w.do("POST", "/_gate"+target, form)
	to, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || rec.Code != http.StatusSeeOther || to.Path != "/_gate/factor/step-up" || len(o.asked) > 0 {
		t.Fatalf("%d to %v, asked %v", rec.Code, to, o.asked)
	}
	o.stale = false
	return w, o, to.Query().Get("return_to")
}

// What somebody typed is still there when they have proven who they are; nothing has been done with it meanwhile.
func TestTypedIsThereAfterStepUp(t *testing.T) {
	for _, tt := range []struct{ name, target, form, page, selector, value string }{
		{"name", "/account/name", "name=Ann+%3CB%3E", "/_gate/account/name", "input[name=name][autofocus]", "Ann <B>"},
		{"token", "/account/tokens", "name=Export&days=7&paths=/a/**&write=1", "/_gate/account/tokens", "input[name=name][autofocus]", "Export"},
		{"name of a second step", "/factor/rename", "id=f1&name=Work", "/_gate/factor/manage", "details[open] input[name=name][autofocus]", "Work"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, o, back := typedWorld(t, tt.target, tt.form)
			path, query, _ := strings.Cut(back, "?")
			if path != tt.page || !strings.HasPrefix(query, "typed=") || strings.Contains(back, "Export") || strings.Contains(back, "Ann") {
				t.Fatalf("comes back to %q", back)
			}
			rec := w.do("GET", back, "")
			page := parse(t, rec.Body.String())
			if got := page.one(t, tt.selector).attr["value"]; got != tt.value || rec.Code != 200 {
				t.Errorf("%d, field %q, want %q", rec.Code, got, tt.value)
			}
			if got := page.one(t, "[role=status][class=notice]").words(); !strings.Contains(got, "Nothing has changed yet") || len(o.asked) > 0 {
				t.Errorf("says %q, asked %v", got, o.asked)
			}
			if tt.name == "token" {
				for selector, want := range map[string]string{"option[selected]": "7", "input[name=write][checked]": "1"} {
					if got := page.one(t, selector).attr["value"]; got != want {
						t.Errorf("%s: %q", selector, got)
					}
				}
				if got := page.one(t, "textarea").words(); got != "/a/**" {
					t.Errorf("paths %q", got)
				}
			}
		})
	}
}

// A button has nothing to fill in; that it was not taken is said all the same.
func TestPressedBeforeStepUp(t *testing.T) {
	w, _, back := typedWorld(t, "/account/devices/end", "id=session-2")
	rec := w.do("GET", back, "")
	if got := parse(t, rec.Body.String()).one(t, "[role=status]").words(); !strings.Contains(got, "press the button once more") {
		t.Errorf("says %q", got)
	}
}

// Only what its own person typed, lately and for this page, comes back: a stranger's link must not fill in a form.
func TestTypedIsForOnePersonPageAndAWhile(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(w *world, o *own, back string) string
	}{
		{"somebody else", func(_ *world, o *own, back string) string { o.sessions[1].AccountID = "acc-2"; return back }},
		{"another page", func(_ *world, _ *own, back string) string { return strings.Replace(back, "/tokens?", "/name?", 1) }},
		{"too late", func(w *world, _ *own, back string) string {
			w.Now = func() time.Time { return ownNow.Add(16 * time.Minute) }
			return back
		}},
		{"not sealed by us", func(_ *world, _ *own, _ string) string { return "/_gate/account/tokens?typed=x&name=Export" }},
		{"twice", func(_ *world, _ *own, back string) string { return back + "&" + back[strings.Index(back, "typed="):] }},
		{"nothing seals", func(w *world, _ *own, back string) string { w.Sealer = nil; return back }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, o, back := typedWorld(t, "/account/tokens", "name=Export&days=7&paths=/a/**")
			rec := w.do("GET", tt.change(w, o, back), "")
			if body := rec.Body.String(); rec.Code != 200 || strings.Contains(body, "Export") || strings.Contains(body, "Nothing has changed yet") {
				t.Errorf("%d:\n%s", rec.Code, body)
			}
		})
	}
	if _, _, back := typedWorld(t, "/account/tokens", "name="+strings.Repeat("long+", 600)+"&days=7"); back != "/_gate/account/tokens" {
		t.Errorf("too much is carried: %d bytes", len(back))
	}
}
