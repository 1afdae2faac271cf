package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/signin"
	"crmgate/internal/throttle"
)

// fakeLogouts takes the token "good" and the sid "s1".
type fakeLogouts struct{ ended []string }

func (f *fakeLogouts) BackChannel(_ context.Context, provider, token string) error {
	if token != "good" {
		return fault.New(fault.Invalid, "This is not a sign-out that Contoso sent.").WithReason("token_signature")
	}
	f.ended = append(f.ended, provider)
	return nil
}

func (f *fakeLogouts) FrontChannel(_ context.Context, provider string, params url.Values) (string, error) {
	if params.Get("sid") != "s1" {
		return "", fault.New(fault.Invalid, "This is not a sign-out that Contoso sent.")
	}
	f.ended = append(f.ended, provider)
	return "https://id.contoso.com/a?b", nil
}

func (f *fakeLogouts) SignedOutAt(state string) string {
	if state == "good" {
		return "contoso"
	}
	return ""
}

// fromServer makes a request look like that of a provider's server.
func fromServer(r *http.Request) {
	r.Header.Del("Sec-Fetch-Mode")
	r.Header.Set("Accept", "*/*")
}

func TestBackChannel(t *testing.T) {
	json := func(r *http.Request) { r.Header.Set("Content-Type", "application/json") }
	for _, tt := range []struct {
		name, target, body string
		edit               func(*http.Request)
		status             int
	}{
		{"good", "", "logout_token=good", nil, 200},
		{"with more", "", "logout_token=good&foo=bar", nil, 200},
		{"bad", "", "logout_token=bad", nil, 400},
		{"empty", "", "logout_token=", nil, 400},
		{"missing", "", "foo=bar", nil, 400},
		{"nothing", "", "", nil, 400},
		{"twice", "", "logout_token=good&logout_token=good", nil, 400},
		{"in the address", "?logout_token=good", "foo=bar", nil, 400},
		{"as JSON", "", `{"logout_token":"good"}`, json, 400},
		{"too long", "", "logout_token=" + strings.Repeat("x", 70_000), nil, 400},
		{"malformed", "", "logout_token=%zz", nil, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, l := newWorld(t), &fakeLogouts{}
			w.SignOut.Logouts = l
			edits := []func(*http.Request){fromServer}
			if tt.edit != nil {
				edits = append(edits, tt.edit)
			}
			rec := w.do("POST", "/_gate/logout/backchannel/contoso"+tt.target, tt.body, edits...)
			if rec.Code != tt.status || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d, Cache-Control %q; want %d", rec.Code, rec.Header().Get("Cache-Control"), tt.status)
			}
			if ended := len(l.ended) == 1; ended != (tt.status == 200) {
				t.Errorf("ended %v", l.ended)
			}
			if tt.status == 400 && (rec.Header().Get("Content-Type") != "application/json" || !strings.Contains(rec.Body.String(), `"error":"invalid"`)) {
				t.Errorf("a program is told %s %s", rec.Header().Get("Content-Type"), rec.Body)
			}
			if strings.Contains(w.log.String(), "good") {
				t.Errorf("the token is in the log: %s", w.log)
			}
		})
	}
}

func TestFrontChannel(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		status      int
	}{
		{"good", "?iss=https%3A%2F%2Fid.contoso.com&sid=s1", 200},
		{"bad", "?sid=s2", 400},
		{"nothing", "", 400},
		{"malformed", "?sid=%zz", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, l := newWorld(t), &fakeLogouts{}
			w.SignOut.Logouts = l
			rec := w.do("GET", "/_gate/logout/frontchannel/contoso"+tt.query, "", func(r *http.Request) {
				r.Header.Set("Sec-Fetch-Dest", "iframe")
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			})
			if rec.Code != tt.status || rec.Header().Get("Cache-Control") != "no-store" || len(rec.Header()["Set-Cookie"]) > 0 {
				t.Errorf("%d, %v", rec.Code, rec.Header())
			}
			if ended := len(l.ended) == 1; ended != (tt.status == 200) {
				t.Errorf("ended %v", l.ended)
			}
			csp := rec.Header().Get("Content-Security-Policy")
			if good := strings.HasSuffix(csp, "frame-ancestors https://id.contoso.com"); good != (tt.status == 200) {
				t.Errorf("policy %s", csp)
			}
		})
	}
}

func TestLogoutMethods(t *testing.T) {
	w := newWorld(t)
	if rec := w.do("POST", "/_gate/logout/backchannel/contoso", "logout_token=good"); rec.Code != 404 {
		t.Errorf("without anybody to take it: %d", rec.Code)
	}
	w.SignOut.Logouts = &fakeLogouts{}
	for target, allow := range map[string]string{"/_gate/logout/backchannel/contoso": "POST", "/_gate/logout/frontchannel/contoso": "GET, HEAD"} {
		if rec := w.do("DELETE", target, ""); rec.Code != 405 || rec.Header().Get("Allow") != allow {
			t.Errorf("%s: %d, Allow %q", target, rec.Code, rec.Header().Get("Allow"))
		}
	}
}

// TestLogoutLimit: good tokens are not counted, however many people a provider signs out at once.
func TestLogoutLimit(t *testing.T) {
	w := newWorld(t)
	w.SignOut.Logouts, w.Limits.Logouts = &fakeLogouts{}, &throttle.Limiter{PerMinute: 3}
	send := func(token string) int {
		return w.do("POST", "/_gate/logout/backchannel/contoso", "logout_token="+token, fromServer).Code
	}
	for i, want := range []int{400, 400, 400, 429} {
		if got := send("bad"); got != want {
			t.Errorf("bad token %d: %d, want %d", i, got, want)
		}
	}
	if got := send("good"); got != 200 {
		t.Errorf("a good token after that: %d", got)
	}
}

func TestSignedOutAtTheProvider(t *testing.T) {
	w := newWorld(t)
	w.SignOut.Logouts = &fakeLogouts{}
	there := "and so has the one at Contoso"
	for state, want := range map[string]bool{"good": true, "bad": false, "": false} {
		body := w.do("GET", "/_gate/signed-out?state="+state, "").Body.String()
		if got := strings.Contains(body, there); got != want || got == strings.Contains(body, "shared computer") {
			t.Errorf("state %q:\n%s", state, body)
		}
	}
}

func TestSignInAgain(t *testing.T) {
	for direct, want := range map[string]string{"": "/_gate/sign-in", "contoso": "/_gate/sign-in/contoso"} {
		w := newWorld(t)
		w.Direct = direct
		parse(t, w.do("GET", "/_gate/signed-out", "").Body.String()).one(t, "a[href="+want+"]")
	}
}

func TestSignInStopsGoingStraightOn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		pace   session.Pace
		target string
		link   string // on the page; "" for being sent on
	}{
		{"on", session.PaceGo, "/_gate/sign-in?return_to=/deals", ""},
		{"signed out", session.PaceWait, "/_gate/sign-in?return_to=/deals", "/_gate/sign-in/contoso?return_to=%2Fdeals"},
		{"in circles", session.PaceLoop, "/_gate/sign-in?return_to=/deals", "/_gate/sign-in/contoso?return_to=%2Fdeals"},
		{"another account is a click", session.PaceLoop, "/_gate/sign-in?return_to=/deals&switch=1", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.Direct, w.Sessions = "contoso", fakeSessions{pace: tt.pace}
			w.flow.step = signin.Step{Kind: signin.StepRedirect, URL: "https://idp.contoso.test/authorize"}
			rec := w.do("GET", tt.target, "")
			if tt.link == "" {
				if rec.Code != 303 {
					t.Errorf("%d, want to be sent on", rec.Code)
				}
				return
			}
			if rec.Code != 200 || rec.Header().Get("Location") != "" || !parse(t, rec.Body.String()).has(t, "a[href="+tt.link+"]") {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		})
	}
}
