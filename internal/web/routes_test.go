package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

func TestMethods(t *testing.T) {
	for target, allow := range map[string]string{
		"/_gate/sign-in":               "GET, HEAD, POST",
		"/_gate/sign-in/password":      "GET, HEAD, POST",
		"/_gate/sign-in/contoso":       "GET, HEAD",
		"/_gate/callback/contoso":      "GET, HEAD, POST",
		"/_gate/reset":                 "GET, HEAD, POST",
		"/_gate/reset/set":             "GET, HEAD, POST",
		"/_gate/reset/" + goodLink:     "GET, HEAD",
		"/_gate/withdraw":              "GET, HEAD, POST",
		"/_gate/withdraw/" + goodLink:  "GET, HEAD",
		"/_gate/password-check":        "POST",
		"/_gate/invite/set":            "GET, HEAD, POST",
		"/_gate/invite/" + goodLink:    "GET, HEAD",
		"/_gate/sign-out":              "GET, HEAD, POST",
		"/_gate/signed-out":            "GET, HEAD",
		"/_gate/help":                  "GET, HEAD",
		"/_gate/account":               "GET, HEAD",
		"/_gate/session":               "GET, HEAD",
		"/_gate/jwks.json":             "GET, HEAD",
		"/_gate/client-jwks.json":      "GET, HEAD",
		"/_gate/assets/style.css":      "GET, HEAD",
		"/.well-known/change-password": "GET, HEAD",
	} {
		w := newWorld(t)
		for _, method := range []string{"DELETE", "PUT", "OPTIONS", "TRACE"} {
			rec := w.do(method, target, "")
			if rec.Code != http.StatusMethodNotAllowed || rec.Header().Get("Allow") != allow {
				t.Errorf("%s %s: %d, Allow %q, want %q", method, target, rec.Code, rec.Header().Get("Allow"), allow)
			}
		}
		if len(w.flow.requests) > 0 || len(w.accounts.asked) > 0 {
			t.Errorf("%s: a wrong method did something", target)
		}
	}
}

func TestUnknownAddresses(t *testing.T) {
	for _, target := range []string{"/_gate/nothing", "/_gate/sign-in/a/b", "/_gate/reset/set/x", "/_gate/callback/", "/_gate/invite", "/_gate/assets/none.css", "/_gate/sign-in/"} {
		rec := newWorld(t).do("GET", target, "")
		if rec.Code != http.StatusNotFound || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, Cache-Control %q", target, rec.Code, rec.Header().Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/_gate", "/_gate/"} {
		if rec := newWorld(t).do("GET", path, ""); rec.Code != 303 || rec.Header().Get("Location") != "/_gate/account" {
			t.Errorf("%s: %d to %q", path, rec.Code, rec.Header().Get("Location"))
		}
	}
}

func TestAssetsMayBeKept(t *testing.T) {
	w := newWorld(t)
	page := parse(t, w.do("GET", "/_gate/sign-in", "").Body.String())
	for _, n := range append(page.all(t, "link[href]"), page.all(t, "script[src]")...) {
		rec := w.do("GET", n.attr["href"]+n.attr["src"], "")
		if rec.Code != 200 || !strings.Contains(rec.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%v: %d, Cache-Control %q", n.attr, rec.Code, rec.Header().Get("Cache-Control"))
		}
	}
}

func TestSession(t *testing.T) {
	program := func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "cors"); r.Header.Set("Accept", "*/*") }
	t.Run("signed in", func(t *testing.T) {
		w := newWorld(t)
		w.Sessions = fakeSessions{s: annSession("contoso")}
		rec := w.do("GET", "/_gate/session", "", program)
		var got map[string]any
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"account":  map[string]any{"id": "acc-1", "email": "ann@contoso.com", "name": "Ann Archer"},
			"provider": "contoso", "groups": []any{"sales", "crm-admins"}, "amr": []any{"pwd"},
			"signed_in_at": "2026-11-22T09:30:00Z", "expires_at": "2026-11-23T09:30:00Z",
		}
		if diff := cmp.Diff(want, got); diff != "" || rec.Code != 200 {
			t.Errorf("%d (-want +got):\n%s", rec.Code, diff)
		}
		if rec.Header().Get("Content-Type") != "application/json" || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", rec.Header())
		}
	})
	t.Run("without groups", func(t *testing.T) {
		w := newWorld(t)
		s := annSession("local")
		s.Groups, s.AMR = nil, nil
		w.Sessions = fakeSessions{s: s}
		if body := w.do("GET", "/_gate/session", "", program).Body.String(); !strings.Contains(body, `"groups":[],"amr":[]`) {
			t.Errorf("body %s", body)
		}
	})
	t.Run("nobody", func(t *testing.T) {
		rec := newWorld(t).do("GET", "/_gate/session", "", program)
		if rec.Code != 401 || strings.TrimSpace(rec.Body.String()) != `{"error":"sign_in_required","sign_in_url":"https://crm.example.com/_gate/sign-in"}` {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	})
	t.Run("store is down", func(t *testing.T) {
		w := newWorld(t)
		w.Sessions = fakeSessions{err: errors.New("down")}
		rec := w.do("GET", "/_gate/session", "", func(r *http.Request) { r.Header = http.Header{} })
		if rec.Code != 500 || rec.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d %v", rec.Code, rec.Header())
		}
	})
}

func TestAccountWithoutSession(t *testing.T) {
	w := newWorld(t)
	if rec := w.do("GET", "/_gate/account", ""); rec.Code != 303 || rec.Header().Get("Location") != "/_gate/sign-in?return_to=%2F_gate%2Faccount" {
		t.Errorf("a browser: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	rec := w.do("GET", "/_gate/account", "", func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "cors") })
	if rec.Code != 401 || rec.Header().Get("Location") != "" || !strings.Contains(rec.Body.String(), "sign_in_required") {
		t.Errorf("a program: %d %s", rec.Code, rec.Body)
	}
}

func TestAccountPage(t *testing.T) {
	for provider, want := range map[string]string{
		"contoso":  "https://change.contoso.com/",
		"fabrikam": "",
		"local":    "/_gate/sign-in/change-password?return_to=%2F_gate%2Faccount",
		"gone":     "",
	} {
		w := newWorld(t)
		w.Sessions = fakeSessions{s: annSession(provider)}
		page := parse(t, w.do("GET", "/_gate/account", "").Body.String())
		got := ""
		for _, a := range page.all(t, "main a[class=button]") {
			got = a.attr["href"]
		}
		if got != want {
			t.Errorf("%s: change link %q, want %q", provider, got, want)
		}
		page.one(t, "form[action=/_gate/sign-out][method=post]")
		if strings.Contains(page.words(), "raw-id-token") || strings.Contains(page.words(), "session-id") {
			t.Errorf("%s: the page shows a token or session id", provider)
		}
	}
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	w.flow.signOut = "https://id.contoso.com/logout?id_token_hint=x"
	page := parse(t, w.do("GET", "/_gate/sign-out", "").Body.String())
	page.one(t, "form[action=/_gate/sign-out][method=post] button[type=submit]")
	if rec := w.do("POST", "/_gate/sign-out", ""); rec.Code != 303 || rec.Header().Get("Location") != w.flow.signOut {
		t.Errorf("%d to %q", rec.Code, rec.Header().Get("Location"))
	}
	w.flow.err = errors.New("store is down")
	if rec := w.do("POST", "/_gate/sign-out", ""); rec.Code != 500 {
		t.Errorf("a sign-out that failed: %d", rec.Code)
	}
}

func TestSignedOutStays(t *testing.T) {
	rec := newWorld(t).do("GET", "/_gate/signed-out?rd=https://evil.example&message=evil", "")
	if rec.Code != 200 || rec.Header().Get("Refresh") != "" || strings.Contains(rec.Body.String(), "evil") {
		t.Errorf("%d\n%s", rec.Code, rec.Body)
	}
}

func TestHelp(t *testing.T) {
	page := parse(t, newWorld(t).do("GET", "/_gate/help", "").Body.String())
	for _, href := range []string{"https://reset.contoso.com/", "https://change.contoso.com/", "https://reset.fabrikam.com/", "/_gate/sign-in", "mailto:help@example.com", "tel:+15550100"} {
		if !page.has(t, "a[href="+href+"]") {
			t.Errorf("no link to %s", href)
		}
	}
	page.one(t, "form[action=/_gate/reset] input[name=identifier]")
	if n := len(page.all(t, "details")); n != 5 {
		t.Errorf("%d ways to sign in, want four providers and the local one", n)
	}
	t.Run("a dangerous link in the configuration", func(t *testing.T) {
		w := newWorld(t)
		w.Realms = identity.NewRealms(fakeProvider(identity.Info{ID: "x", Name: "X", Password: identity.PasswordHelp{ResetURL: "javascript:alert(1)"}}))
		if body := w.do("GET", "/_gate/help", "").Body.String(); strings.Contains(body, "javascript:") {
			t.Error("the link would run a script")
		}
	})
}

func TestChangePassword(t *testing.T) {
	for name, tc := range map[string]struct {
		sessions fakeSessions
		status   int
		want     string
	}{
		"nobody":                {fakeSessions{}, 303, "/_gate/help"},
		"local":                 {fakeSessions{s: annSession("local")}, 303, "/_gate/sign-in/change-password"},
		"change link":           {fakeSessions{s: annSession("contoso")}, 303, "https://change.contoso.com/"},
		"only a reset link":     {fakeSessions{s: annSession("fabrikam")}, 303, "https://reset.fabrikam.com/"},
		"no link":               {fakeSessions{s: annSession("directory")}, 303, "/_gate/help"},
		"provider of yesterday": {fakeSessions{s: annSession("gone")}, 303, "/_gate/help"},
		"store is down":         {fakeSessions{err: errors.New("down")}, 500, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Sessions = tc.sessions
			rec := w.do("GET", "/.well-known/change-password", "")
			if rec.Code != tc.status || rec.Header().Get("Location") != tc.want || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d to %q, Cache-Control %q", rec.Code, rec.Header().Get("Location"), rec.Header().Get("Cache-Control"))
			}
		})
	}
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	if rec := w.do("GET", "/_gate/jwks.json", ""); rec.Code != 404 {
		t.Errorf("without keys: %d", rec.Code)
	}
	w.Keys = func(context.Context) ([]byte, error) { return []byte(`{"keys":[]}`), nil }
	rec := w.do("GET", "/_gate/jwks.json", "")
	if rec.Code != 200 || rec.Body.String() != `{"keys":[]}` || rec.Header().Get("Content-Type") != "application/jwk-set+json" || rec.Header().Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%d %v %s", rec.Code, rec.Header(), rec.Body)
	}
	w.Keys = func(context.Context) ([]byte, error) {
		return nil, fault.New(fault.Unavailable, "The keys cannot be read right now.")
	}
	if rec := w.do("GET", "/_gate/jwks.json", ""); rec.Code != 503 || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("store is down: %d %v", rec.Code, rec.Header())
	}
}
