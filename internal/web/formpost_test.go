package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/signin"
)

var errUnknownBrowser = fault.New(fault.Expired, "This sign-in has expired.").WithReason(signin.ReasonBrowserUnknown)

// posting is a world in which Contoso answers by form, and the browser's own cookie does not come along.
func posting(t *testing.T) *world {
	return newWorld(t, func(w *world) {
		info := contoso
		info.FormPost = true
		w.Realms = identity.NewRealms(fakeProvider(info), fakeProvider(fabrikam))
		w.flow.err = errUnknownBrowser
	})
}

func TestPostedAnswerIsCarriedOver(t *testing.T) {
	w := posting(t)
	w.Secure = true
	rec := w.do("POST", "/_gate/callback/contoso", "code=c%26d&state=s&state=t&iss=https%3A%2F%2Fid&session_state=x")
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/_gate/callback/contoso?answer=posted" {
		t.Fatalf("%d to %q", rec.Code, rec.Header().Get("Location"))
	}
	cookies := rec.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies: %v", cookies)
	}
	c := cookies[0]
	if c.Name != "__Secure-crmgate_answer" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/_gate/callback/contoso" || c.MaxAge != 60 {
		t.Errorf("cookie: %v", c)
	}
	w.flow.err, w.flow.step = nil, signin.Step{Kind: signin.StepDone, URL: "/deals"}
	rec = w.do("GET", "/_gate/callback/contoso?answer=posted", "", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value}) })
	if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "/deals" {
		t.Errorf("second request: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	// Every parameter as often as it came: refusing repeated ones is the provider's check.
	want := url.Values{"code": {"c&d"}, "state": {"s", "t"}, "iss": {"https://id"}}
	if diff := cmp.Diff(want, w.flow.params); diff != "" {
		t.Errorf("params (-want +got):\n%s", diff)
	}
	if gone := rec.Result().Cookies(); len(gone) != 1 || gone[0].MaxAge >= 0 || gone[0].Name != c.Name || gone[0].Path != c.Path {
		t.Errorf("the answer stays in the browser: %v", gone)
	}
}

func TestWhatIsNotCarriedOver(t *testing.T) {
	for name, tt := range map[string]struct {
		method, target, body string
		err                  error
	}{
		"provider that answers in the address": {"POST", "/_gate/callback/fabrikam", "code=c&state=s", errUnknownBrowser},
		"provider that there is not":           {"POST", "/_gate/callback/nobody", "code=c&state=s", errUnknownBrowser},
		"answer in the address":                {"GET", "/_gate/callback/contoso?code=c&state=s", "", errUnknownBrowser},
		"second try without the cookie":        {"GET", "/_gate/callback/contoso?answer=posted", "", errUnknownBrowser},
		"another refusal":                      {"POST", "/_gate/callback/contoso", "code=c&state=s", errUnknownBrowser.WithReason("attempt_unknown")},
		"too long for a cookie":                {"POST", "/_gate/callback/contoso", "code=" + strings.Repeat("x", 4000) + "&state=s", errUnknownBrowser},
	} {
		t.Run(name, func(t *testing.T) {
			w := posting(t)
			w.flow.err = tt.err
			rec := w.do(tt.method, tt.target, tt.body)
			if rec.Code != http.StatusGone || rec.Header().Get("Location") != "" || rec.Header().Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%d to %q", rec.Code, rec.Header().Get("Location"))
			}
			for _, c := range rec.Result().Cookies() {
				if c.MaxAge >= 0 {
					t.Errorf("cookie: %v", c)
				}
			}
		})
	}
	t.Run("a long description is left behind", func(t *testing.T) {
		w := posting(t)
		rec := w.do("POST", "/_gate/callback/contoso", "error=access_denied&state=s&error_description="+strings.Repeat("x", 5000))
		if c := rec.Result().Cookies(); rec.Code != http.StatusSeeOther || len(c) != 1 || c[0].Value != "error=access_denied&state=s" {
			t.Errorf("%d, %v", rec.Code, c)
		}
	})
}

// keyHolder is a provider to which the gateway proves itself with a key.
type keyHolder struct{ fakeProvider }

func (keyHolder) PublicKeys() ([][]byte, error) {
	return [][]byte{[]byte(`{"kty":"OKP","kid":"k1"}`)}, nil
}

func TestClientKeys(t *testing.T) {
	if rec := newWorld(t).do("GET", "/_gate/client-jwks.json", ""); rec.Code != http.StatusNotFound {
		t.Errorf("without keys: %d", rec.Code)
	}
	w := newWorld(t)
	w.Realms = identity.NewRealms(fakeProvider(fabrikam), keyHolder{fakeProvider(contoso)})
	rec := w.do("GET", "/_gate/client-jwks.json", "")
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal(rec.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != 1 || set.Keys[0]["kid"] != "k1" || rec.Header().Get("Content-Type") != "application/jwk-set+json" {
		t.Errorf("%v: %s", rec.Header(), rec.Body)
	}
}
