package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/throttle"
)

// fakeUniversal takes the token "good" and the body "ann".
type fakeUniversal struct{ ended []string }

func (f *fakeUniversal) UniversalLogout(_ context.Context, provider, bearer string, body []byte) error {
	switch {
	case provider != "contoso":
		return fault.New(fault.NotFound, "There is no such provider here.")
	case bearer != "good":
		return fault.New(fault.Unauthenticated, "This request was not sent by Contoso.").WithReason("token_refused")
	case string(body) == "nobody":
		return fault.New(fault.NotFound, "Nobody of that name has an account here.")
	case string(body) != "ann":
		return fault.New(fault.Invalid, "This request does not say whose sessions are to end.")
	}
	f.ended = append(f.ended, provider)
	return nil
}

func TestUniversalLogout(t *testing.T) {
	for name, tc := range map[string]struct {
		method, target, body string
		tokens               []string
		status               int
	}{
		"good":             {"POST", "contoso", "ann", []string{"Bearer good"}, 204},
		"in small letters": {"POST", "contoso", "ann", []string{"bearer good"}, 204},
		"bad token":        {"POST", "contoso", "ann", []string{"Bearer bad"}, 401},
		"no token":         {"POST", "contoso", "ann", nil, 401},
		"two tokens":       {"POST", "contoso", "ann", []string{"Bearer good", "Bearer good"}, 401},
		"another scheme":   {"POST", "contoso", "ann", []string{"Basic good"}, 401},
		"nobody":           {"POST", "contoso", "nobody", []string{"Bearer good"}, 404},
		"no subject":       {"POST", "contoso", "{}", []string{"Bearer good"}, 400},
		"too long":         {"POST", "contoso", strings.Repeat("x", 70_000), []string{"Bearer good"}, 400},
		"no such provider": {"POST", "fabrikam", "ann", []string{"Bearer good"}, 404},
		"asked, not told":  {"GET", "contoso", "", []string{"Bearer good"}, 405},
	} {
		t.Run(name, func(t *testing.T) {
			u := &fakeUniversal{}
			w := newWorld(t, func(w *world) { w.SignOut.Universal = u })
			rec := w.do(tc.method, "/_gate/logout/universal/"+tc.target, tc.body, fromServer, func(r *http.Request) {
				r.Header.Set("Content-Type", "application/json")
				for _, token := range tc.tokens {
					r.Header.Add("Authorization", token)
				}
			})
			if rec.Code != tc.status || rec.Header().Get("Cache-Control") != "no-store" || (rec.Code == 401) != (rec.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("%d, headers %v; want %d", rec.Code, rec.Header(), tc.status)
			}
			if (len(u.ended) == 1) != (tc.status == 204) {
				t.Errorf("ended %v", u.ended)
			}
			if tc.status >= 400 && tc.status != 405 && rec.Header().Get("Content-Type") != "application/json" {
				t.Errorf("not JSON: %v", rec.Header())
			}
		})
	}
}

// Strangers who try tokens are slowed; a provider that signs out a whole company is not.
func TestUniversalLogoutLimit(t *testing.T) {
	w := newWorld(t, func(w *world) {
		w.SignOut.Universal, w.Limits.Logouts = &fakeUniversal{}, &throttle.Limiter{PerMinute: 2}
	})
	send := func(token string) int {
		return w.do("POST", "/_gate/logout/universal/contoso", "ann", fromServer, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }).Code
	}
	for range 10 {
		if got := send("good"); got != http.StatusNoContent {
			t.Fatalf("a good one: %d", got)
		}
	}
	var last int
	for range 10 {
		last = send("bad")
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the tenth bad one: %d", last)
	}
}
