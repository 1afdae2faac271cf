package fakeidp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fakeidp"
)

func TestLogout(t *testing.T) {
	type want struct {
		page string // words on the page; empty means a redirect
		back string // the address the browser is sent to
		in   bool   // still signed in afterwards
	}
	for _, tt := range []struct {
		name  string
		query func(ann, bob string) url.Values
		html  bool
		want  want
	}{
		{"hint and address", func(ann, _ string) url.Values {
			return url.Values{"id_token_hint": {ann}, "post_logout_redirect_uri": {signedOut}, "state": {"a b"}}
		}, true, want{"You are signed out", signedOut + "?state=a+b", false}},
		{"the same, not a browser", func(ann, _ string) url.Values {
			return url.Values{"id_token_hint": {ann}, "post_logout_redirect_uri": {signedOut}, "state": {"a b"}}
		}, false, want{"", signedOut + "?state=a+b", false}},
		{"hint without address", func(ann, _ string) url.Values { return url.Values{"id_token_hint": {ann}} }, true,
			want{"You are signed out", "", false}},
		{"address that is not registered", func(ann, _ string) url.Values {
			return url.Values{"id_token_hint": {ann}, "post_logout_redirect_uri": {"http://evil.example/"}}
		}, true, want{"You are signed out", "", false}},
		{"hint of another client", func(ann, _ string) url.Values {
			return url.Values{"id_token_hint": {ann}, "client_id": {"spa"}, "post_logout_redirect_uri": {signedOut}}
		}, true, want{"Sign out of Contoso?", "", true}},
		{"hint of another person", func(_, bob string) url.Values { return url.Values{"id_token_hint": {bob}} }, true,
			want{"Sign out of Contoso?", "", true}},
		{"no hint", func(_, _ string) url.Values {
			return url.Values{"client_id": {"crm"}, "post_logout_redirect_uri": {signedOut}}
		}, true, want{"Sign out of Contoso?", "", true}},
		{"hint of somebody else's making", func(ann, _ string) url.Values { return url.Values{"id_token_hint": {ann + "A"}} }, true,
			want{"Sign out of Contoso?", "", true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParty(t, nil)
			bob := p.exchange(p.back(p.signIn(p.request(), "bob@contoso.example", "battery staple")).Get("code")).ID
			p.http = browser(t)
			ann := p.exchange(p.back(p.signIn(p.request(), "ann", "correct horse")).Get("code")).ID
			req, _ := http.NewRequest(http.MethodGet, p.base+"/logout?"+tt.query(ann, bob).Encode(), nil)
			if tt.html {
				req.Header.Set("Accept", "text/html")
			}
			a := p.do(req)
			got := want{back: a.Header.Get("Location"), in: p.back(p.get(p.request("prompt", "none"))).Get("code") != ""}
			if _, after, ok := strings.Cut(a.Header.Get("Refresh"), "url="); ok {
				got.back = after
			}
			if tt.want.page != "" && strings.Contains(a.body, "<h1>"+tt.want.page) {
				got.page = tt.want.page
			}
			if d := cmp.Diff(tt.want, got, cmp.AllowUnexported(want{})); d != "" {
				t.Errorf("(-want +got):\n%s\n%s", d, a.body)
			}
		})
	}
	t.Run("the page's answer ends it", func(t *testing.T) {
		p := newParty(t, nil)
		p.quick()
		a := p.get(p.base + "/logout?" + url.Values{"client_id": {"crm"}, "post_logout_redirect_uri": {signedOut}}.Encode())
		a = p.post(p.base+"/sign-out", url.Values{"request": {p.hidden(a, "request")}})
		if a.Header.Get("Refresh") != "1; url="+signedOut {
			t.Errorf("Refresh %q", a.Header.Get("Refresh"))
		}
		if v := p.back(p.get(p.request("prompt", "none"))); v.Get("error") != "login_required" {
			t.Errorf("response %v", v)
		}
	})
}

func TestBackchannelLogout(t *testing.T) {
	p := newParty(t, nil)
	var got atomic.Value
	rp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			got.Store(r.PostFormValue("logout_token"))
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(rp.Close)
	if err := p.idp.PutClient(fakeidp.Client{ID: "crm", Secret: "s3cret", RedirectURIs: []string{callback}, BackchannelLogoutURI: rp.URL}); err != nil {
		t.Fatal(err)
	}
	id := p.quick().ID
	_, idClaims := unverified(t, id)
	p.get(p.base + "/logout?id_token_hint=" + id)
	raw, _ := got.Load().(string)
	claims, err := p.verify(raw)
	if err != nil {
		t.Fatalf("logout token %q: %v", raw, err)
	}
	if jti, _ := claims["jti"].(string); jti == "" {
		t.Error("no jti")
	}
	delete(claims, "jti")
	want := map[string]any{
		"iss": p.idp.Issuer(), "aud": "crm", "sub": "u-ann", "sid": idClaims["sid"], "iat": 1.8e9, "exp": 1.8e9 + 120,
		"events": map[string]any{fakeidp.LogoutEvent: map[string]any{}},
	}
	if d := cmp.Diff(want, claims); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if header, _ := unverified(t, raw); header["typ"] != "logout+jwt" {
		t.Errorf("header %v", header)
	}

	t.Run("made by hand", func(t *testing.T) {
		token, err := p.idp.LogoutToken("crm", "u-bob", "", func(c map[string]any) { delete(c, "jti") })
		if err != nil {
			t.Fatal(err)
		}
		if status, err := fakeidp.SendLogout(t.Context(), rp.URL, token); err != nil || status != http.StatusNoContent {
			t.Errorf("status %d, %v", status, err)
		}
		_, claims := unverified(t, got.Load().(string))
		if _, has := claims["jti"]; has || claims["sub"] != "u-bob" || claims["sid"] != nil {
			t.Errorf("claims %v", claims)
		}
	})
	t.Run("unknown client", func(t *testing.T) {
		if _, err := p.idp.LogoutToken("nobody", "u-bob", "", nil); err == nil {
			t.Error("a token came")
		}
	})
}

func TestForgotPassword(t *testing.T) {
	p := newParty(t, nil)
	p.quick()
	query := strings.SplitN(p.request(), "?", 2)[1]
	a := p.get(p.base + "/forgot?" + url.Values{"email": {"ann@contoso.example"}, "request": {query}}.Encode())
	if !strings.Contains(a.body, `value="ann@contoso.example"`) {
		t.Fatalf("the address is not filled in: %s", a.body)
	}
	if a := p.post(p.base+"/forgot", url.Values{"email": {"nobody@contoso.example"}}); !strings.Contains(a.body, "Nobody at Contoso") {
		t.Errorf("unknown address: %s", a.body)
	}
	a = p.post(p.base+"/forgot", url.Values{"email": {"ann"}, "request": {query}})
	_, rest, _ := strings.Cut(a.body, `id="phone-code">`)
	code, _, _ := strings.Cut(rest, "<")
	if len(code) != 6 {
		t.Fatalf("code %q", code)
	}
	form := func(code, password, confirm string) url.Values {
		return url.Values{"email": {"ann@contoso.example"}, "code": {code}, "password": {password}, "password_confirm": {confirm}, "request": {query}}
	}
	for _, tt := range []struct {
		name string
		form url.Values
		want string
	}{
		{"wrong code", form("x", "a new password", "a new password"), "not the code"},
		{"empty code", form("", "a new password", "a new password"), "not the code"},
		{"short", form(code, "short", "short"), "at least 8"},
		{"different", form(code, "a new password", "another password"), "differ"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := p.post(p.base+"/forgot/set", tt.form); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, tt.want) {
				t.Errorf("status %d: %s", a.StatusCode, a.body)
			}
		})
	}
	a = p.post(p.base+"/forgot/set", form(code, "a new password", "a new password"))
	if !strings.Contains(a.body, "Password changed") || !strings.Contains(a.body, "/authorize?") {
		t.Fatalf("status %d: %s", a.StatusCode, a.body)
	}
	if a := p.post(p.base+"/forgot/set", form(code, "once more please", "once more please")); !strings.Contains(a.body, "not the code") {
		t.Errorf("the code works twice: %s", a.body)
	}
	if a := p.signIn(p.request(), "ann", "correct horse"); p.back(a) != nil {
		t.Error("the old password still works, or the old session")
	}
	if a := p.signIn(p.request(), "ann", "a new password"); p.back(a).Get("code") == "" {
		t.Error("the new password does not work")
	}
}

func TestChangePassword(t *testing.T) {
	p := newParty(t, nil)
	if a := p.get(p.base + "/.well-known/change-password"); a.Header.Get("Location") != p.base+"/change-password" {
		t.Errorf("Location %q", a.Header.Get("Location"))
	}
	p.quick()
	if a := p.get(p.base + "/change-password"); !strings.Contains(a.body, `value="ann@contoso.example"`) {
		t.Errorf("the address is not filled in: %s", a.body)
	}
	form := url.Values{"email": {"ann"}, "current_password": {"wrong"}, "password": {"a new password"}, "password_confirm": {"a new password"}}
	if a := p.post(p.base+"/change-password", form); !strings.Contains(a.body, "do not belong together") {
		t.Errorf("wrong current password: %s", a.body)
	}
	form.Set("current_password", "correct horse")
	if a := p.post(p.base+"/change-password", form); !strings.Contains(a.body, "Password changed") {
		t.Errorf("change: %s", a.body)
	}
	if a := p.signIn(p.request(), "ann", "a new password"); p.back(a).Get("code") == "" {
		t.Error("the new password does not work")
	}
}

func TestBackLinkIsOurs(t *testing.T) {
	p := newParty(t, nil)
	for _, request := range []string{"http://evil.example/", "client_id=crm&redirect_uri=http://evil.example/", "%zz"} {
		a := p.get(p.base + "/forgot?" + url.Values{"request": {request}}.Encode())
		if strings.Contains(a.body, "evil.example") || !strings.Contains(a.body, `href="`+p.base+`/"`) {
			t.Errorf("request %q: %s", request, a.body)
		}
	}
}
