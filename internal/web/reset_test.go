package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
)

func TestReset(t *testing.T) {
	for name, tc := range map[string]struct {
		identifier string
		want       []string
		not        []string
	}{
		"a provider's domain":           {"ann@contoso.com", []string{"Your password is managed by Contoso", "has no password of yours", "Keep your badge at hand."}, []string{"Check your mail"}},
		"a directory without a link":    {"ann@corp.example.com", []string{"Your password is managed by Corporate directory", "help desk"}, []string{"Reset it at"}},
		"everybody else":                {"ann@partner.example", []string{"Check your mail", "If ann@partner.example can sign in here", "for 30 minutes", "spam", "help desk"}, nil},
		"a name without a domain":       {"ann", []string{"Check your mail"}, nil},
		"a name that looks like markup": {"<b>x</b>", []string{"If <b>x</b> can"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			rec := w.do("POST", "/_gate/reset", "identifier="+strings.ReplaceAll(tc.identifier, "@", "%40"))
			words := parse(t, rec.Body.String()).words()
			if rec.Code != 200 {
				t.Errorf("status %d", rec.Code)
			}
			for _, want := range tc.want {
				if !strings.Contains(words, want) {
					t.Errorf("no %q in %s", want, words)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(words, not) {
					t.Errorf("%q in %s", not, words)
				}
			}
			if diff := cmp.Diff([]string{tc.identifier}, w.accounts.asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResetLinksOfProvider(t *testing.T) {
	w := newWorld(t)
	page := parse(t, w.do("POST", "/_gate/reset", "identifier=ann@contoso.com").Body.String())
	if got := page.one(t, "a[href=https://reset.contoso.com/]").words(); got != "Reset it at Contoso" {
		t.Errorf("link %q", got)
	}
	page.one(t, "a[href=/_gate/sign-in/contoso]")
}

// Known or not, the answer is the same to the byte.
func TestResetTellsNothing(t *testing.T) {
	show := func(identifier string) string {
		body := newWorld(t).do("POST", "/_gate/reset", "identifier="+identifier).Body.String()
		return strings.ReplaceAll(body, identifier, "WHO")
	}
	if diff := cmp.Diff(show("ann@partner.example"), show("nobody@partner.example")); diff != "" {
		t.Errorf("the pages differ:\n%s", diff)
	}
}

func TestOpenLink(t *testing.T) {
	for name, tc := range map[string]struct {
		target, cookie, path, to string
		secure                   bool
		status                   int
	}{
		"reset":         {"/_gate/reset/" + goodLink, "crmgate_reset", "/_gate/reset", "/_gate/reset/set", false, 303},
		"reset, https":  {"/_gate/reset/" + goodLink, "__Secure-crmgate_reset", "/_gate/reset", "/_gate/reset/set", true, 303},
		"invitation":    {"/_gate/invite/" + goodLink, "crmgate_invite", "/_gate/invite", "/_gate/invite/set", false, 303},
		"malformed":     {"/_gate/reset/short", "", "", "", false, 410},
		"not ours":      {"/_gate/invite/" + strings.Repeat("!", 43), "", "", "", false, 410},
		"used already":  {"/_gate/reset/" + strings.Repeat("B", 42) + "A", "crmgate_reset", "/_gate/reset", "/_gate/reset/set", false, 303},
		"by a HEAD too": {"/_gate/reset/" + goodLink, "crmgate_reset", "/_gate/reset", "/_gate/reset/set", false, 303},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Secure = tc.secure
			method := "GET"
			if strings.Contains(name, "HEAD") {
				method = "HEAD"
			}
			rec := w.do(method, tc.target, "")
			if rec.Code != tc.status || rec.Header().Get("Location") != tc.to {
				t.Fatalf("%d to %q", rec.Code, rec.Header().Get("Location"))
			}
			if rec.Header().Get("Referrer-Policy") != "no-referrer" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", rec.Header())
			}
			if tc.status != 303 {
				return
			}
			if rec.Body.Len() > 0 {
				t.Errorf("something is shown: %q", rec.Body)
			}
			c := rec.Result().Cookies()[0]
			if c.Name != tc.cookie || c.Path != tc.path || !c.HttpOnly || c.Secure != tc.secure || c.SameSite != http.SameSiteLaxMode || c.MaxAge <= 0 || c.MaxAge > 3600 || c.Domain != "" {
				t.Errorf("cookie %+v", c)
			}
			if w.accounts.used || strings.Contains(w.log.String(), goodLink) {
				t.Error("opening the link used it up or logged it")
			}
		})
	}
}

// follow does what a browser does with a mailed link, and returns the world's last answer and the cookies.
func follow(t *testing.T, w *world, kind string) (cookies []*http.Cookie) {
	t.Helper()
	rec := w.do("GET", "/_gate/"+kind+"/"+goodLink, "")
	cookies = rec.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies", len(cookies))
	}
	return cookies
}

func send(w *world, method, kind, body string, cookies ...*http.Cookie) *httptest.ResponseRecorder {
	return w.do(method, "/_gate/"+kind+"/set", body, func(r *http.Request) {
		for _, c := range cookies {
			r.AddCookie(c)
		}
	})
}

func TestSetPassword(t *testing.T) {
	for _, kind := range []string{"reset", "invite"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t)
			cookies := follow(t, w, kind)
			if rec := send(w, "GET", kind, "", cookies...); rec.Code != 200 || w.accounts.used || strings.Contains(rec.Body.String(), goodLink) {
				t.Fatalf("%d, used %v", rec.Code, w.accounts.used)
			}
			for body, sentence := range map[string]string{
				"password=&password_confirm=":                 "Type a new password.",
				"password=one":                                "Type the new password once more in the second field.",
				"password=one&password_confirm=two":           "The two passwords are not the same.",
				"password=password&password_confirm=password": "Everybody's first guess is this password.",
			} {
				rec := send(w, "POST", kind, body, cookies...)
				if rec.Code != 422 || !strings.Contains(parse(t, rec.Body.String()).one(t, "[role=alert]").words(), sentence) {
					t.Errorf("%s: %d\n%s", body, rec.Code, rec.Body)
				}
				if len(rec.Result().Cookies()) > 0 || w.accounts.used {
					t.Errorf("%s: the link did not stay good", body)
				}
			}
			rec := send(w, "POST", kind, "password=+correct+horse+&password_confirm=+correct+horse+", cookies...)
			if rec.Code != 200 || w.accounts.password != " correct horse " {
				t.Fatalf("%d, password %q", rec.Code, w.accounts.password)
			}
			parse(t, rec.Body.String()).one(t, "a[href=/_gate/sign-in]")
			got := rec.Result().Cookies()
			if len(got) != 1 || got[0].Name != cookies[0].Name || got[0].MaxAge >= 0 || got[0].Path != cookies[0].Path {
				t.Errorf("the link's cookie stays, or a session came with it: %v", got)
			}
			if rec := send(w, "POST", kind, "password=another+good+one&password_confirm=another+good+one", cookies...); rec.Code != 410 {
				t.Errorf("used again: %d", rec.Code)
			}
		})
	}
}

func TestSetPasswordWithoutLink(t *testing.T) {
	good := &http.Cookie{Name: "crmgate_reset", Value: goodLink}
	for name, tc := range map[string]struct {
		kind    string
		cookies []*http.Cookie
		err     error
		status  int
		next    string
		removes bool
	}{
		"no cookie":          {"reset", nil, nil, 410, "/_gate/reset", true},
		"no invitation":      {"invite", nil, nil, 410, "/_gate/sign-in", true},
		"another's cookie":   {"invite", []*http.Cookie{good}, nil, 410, "/_gate/sign-in", true},
		"a planted second":   {"reset", []*http.Cookie{good, {Name: "crmgate_reset", Value: strings.Repeat("B", 42) + "A"}}, nil, 410, "/_gate/reset", true},
		"malformed":          {"reset", []*http.Cookie{{Name: "crmgate_reset", Value: "x"}}, nil, 410, "/_gate/reset", true},
		"not found":          {"reset", []*http.Cookie{good}, fault.New(fault.NotFound, "No."), 410, "/_gate/reset", true},
		"the store is down":  {"reset", []*http.Cookie{good}, errors.New("disk full"), 500, "/", false},
		"account is refused": {"reset", []*http.Cookie{good}, fault.New(fault.Forbidden, "This account is disabled."), 403, "/", false},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(name+" "+method, func(t *testing.T) {
				w := newWorld(t)
				w.accounts.err = tc.err
				body := ""
				if method == "POST" {
					body = "password=correct+horse&password_confirm=correct+horse"
				}
				rec := send(w, method, tc.kind, body, tc.cookies...)
				if rec.Code != tc.status {
					t.Fatalf("status %d, want %d", rec.Code, tc.status)
				}
				page := parse(t, rec.Body.String())
				if got := page.one(t, "a[class=button.primary]").attr["href"]; got != tc.next {
					t.Errorf("next %q, want %q", got, tc.next)
				}
				if removes := len(rec.Result().Cookies()) == 1; removes != tc.removes {
					t.Errorf("cookie removed: %v", removes)
				}
				if strings.Contains(rec.Body.String(), "disk full") {
					t.Error("the cause is on the page")
				}
			})
		}
	}
}

func TestLifetimeInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Minute: "for 30 minutes", time.Hour: "for 1 hour", 2 * time.Hour: "for 2 hours", 72 * time.Hour: "for 3 days",
		90 * time.Minute: "for 90 minutes", time.Minute: "for 1 minute", 10 * time.Second: "for 10 seconds", 24 * time.Hour: "for 24 hours",
	} {
		w := newWorld(t)
		w.Reset.LinkLifetime = d
		if words := parse(t, w.do("POST", "/_gate/reset", "identifier=ann").Body.String()).words(); !strings.Contains(words, "works once, "+want+".") {
			t.Errorf("%v: no %q in %s", d, want, words)
		}
	}
	w := newWorld(t)
	w.Reset.LinkLifetime = 0
	if words := parse(t, w.do("POST", "/_gate/reset", "identifier=ann").Body.String()).words(); strings.Contains(words, "works once") {
		t.Errorf("a lifetime is named that nobody gave: %s", words)
	}
}
