package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Opening the link moves its token into a cookie; the page asks; the button acts, once.
func TestWithdraw(t *testing.T) {
	w := newWorld(t)
	rec := w.do("GET", "/_gate/withdraw/"+goodLink, "")
	cookies := rec.Result().Cookies()
	if rec.Code != 303 || rec.Header().Get("Location") != "/_gate/withdraw" || rec.Header().Get("Referrer-Policy") != "no-referrer" || len(cookies) != 1 || cookies[0].Path != "/_gate/withdraw" {
		t.Fatalf("%d to %q, cookies %v", rec.Code, rec.Header().Get("Location"), cookies)
	}
	with := func(r *http.Request) { r.AddCookie(cookies[0]) }
	for range 2 {
		rec = w.do("GET", "/_gate/withdraw", "", with)
		page := parse(t, rec.Body.String())
		if rec.Code != 200 || w.accounts.used || !strings.Contains(page.words(), "ann@partner.example") || strings.Contains(rec.Body.String(), goodLink) {
			t.Fatalf("%d, used %v: %s", rec.Code, w.accounts.used, page.words())
		}
		page.one(t, "form[method=post][action=/_gate/withdraw]")
	}
	rec = w.do("POST", "/_gate/withdraw", "", with)
	if words := parse(t, rec.Body.String()).words(); rec.Code != 200 || !w.accounts.used || !strings.Contains(words, "The request is withdrawn") {
		t.Fatalf("%d: %s", rec.Code, words)
	}
	if got := rec.Result().Cookies(); len(got) != 1 || got[0].MaxAge >= 0 {
		t.Errorf("cookies afterwards %v", got)
	}
	for _, method := range []string{"GET", "POST"} {
		rec = w.do(method, "/_gate/withdraw", "", with)
		if words := parse(t, rec.Body.String()).words(); rec.Code != 410 || !strings.Contains(words, "over already") {
			t.Errorf("%s again: %d %s", method, rec.Code, words)
		}
		if rec = w.do(method, "/_gate/withdraw", ""); rec.Code != 410 {
			t.Errorf("%s without the link: %d", method, rec.Code)
		}
	}
}

func TestPasswordCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		body string
		want string
	}{
		"good":             {"password=lantern+quince", `{"ok":true}`},
		"weak":             {"password=password", `{"ok":false,"problem":"Everybody's first guess is this password. Choose another one."}`},
		"one's own name":   {"password=ann%40x&username=ann%40x", `{"ok":false,"problem":"Everybody's first guess is this password. Choose another one."}`},
		"another's name":   {"password=ann%40x&username=bob%40x", `{"ok":true}`},
		"nothing is typed": {"", `{"ok":false,"problem":"Everybody's first guess is this password. Choose another one."}`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			rec := w.do("POST", "/_gate/password-check", tc.body)
			if diff := cmp.Diff(tc.want, strings.TrimSpace(rec.Body.String())); diff != "" || rec.Code != 200 || rec.Header().Get("Cache-Control") != "no-store" || len(rec.Result().Cookies()) > 0 {
				t.Errorf("%d %v\n%s", rec.Code, rec.Header(), diff)
			}
			if len(w.accounts.asked) > 0 {
				t.Error("somebody was looked up")
			}
		})
	}
	if rec := newWorld(t).do("GET", "/_gate/password-check?password=secret", ""); rec.Code != 405 {
		t.Errorf("GET: %d", rec.Code)
	}
}

func TestResetAsksForTheUsername(t *testing.T) {
	w := newWorld(t)
	if strings.Contains(w.do("GET", "/_gate/reset", "").Body.String(), `name="username"`) {
		t.Error("the form asks for a user name although none is required")
	}
	w.Reset.RequireUsername = true
	parse(t, w.do("GET", "/_gate/reset", "").Body.String()).one(t, "input[name=username]")
	rec := w.do("POST", "/_gate/reset", "identifier=ann%40partner.example&username=+asmith+")
	page := parse(t, rec.Body.String())
	if diff := cmp.Diff([]string{"ann@partner.example asmith"}, w.accounts.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	for _, want := range []string{"user name must be right", "Wait a little", "spam", "let no-reply@example.com through"} {
		if !strings.Contains(page.words(), want) {
			t.Errorf("no %q in %s", want, page.words())
		}
	}
	if got := page.one(t, "input[name=username]").attr["value"]; got != "asmith" {
		t.Errorf("sent again with user name %q", got)
	}
}

func TestHelpNamesTheLock(t *testing.T) {
	if words := parse(t, newWorld(t).do("GET", "/_gate/help", "").Body.String()).words(); !strings.Contains(words, "Wait 20 minutes") {
		t.Errorf("no duration in %s", words)
	}
}
