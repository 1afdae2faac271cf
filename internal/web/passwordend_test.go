package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"crmgate/internal/session"
)

func TestPasswordEnd(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		left     time.Duration
		provider string
		own      string // pwd_url
		want     string
		link     string
	}{
		"soon":                    {3*24*time.Hour + time.Hour, "contoso", "", "Your password at Contoso expires in 3 days.", "https://change.contoso.com/"},
		"the provider says where": {36 * time.Hour, "contoso", "https://here.contoso.com/", "Your password at Contoso expires in 1 day.", "https://here.contoso.com/"},
		"today":                   {time.Hour, "contoso", "", "expires in less than a day.", "https://change.contoso.com/"},
		"only reset":              {time.Hour, "fabrikam", "", "Your password at Fabrikam expires", "https://reset.fabrikam.com/"},
		"the last day of talk":    {14 * 24 * time.Hour, "contoso", "", "in 14 days.", "https://change.contoso.com/"},
		"far away":                {15 * 24 * time.Hour, "contoso", "", "", ""},
		"over":                    {-time.Hour, "contoso", "", "", ""},
		"a local password":        {time.Hour, "local", "", "", ""},
		"a provider of the past":  {time.Hour, "gone", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Now = func() time.Time { return now }
			s := annSession(tc.provider)
			s.PasswordExpires, s.PasswordChangeURL = now.Add(tc.left), tc.own
			w.Sessions = fakeSessions{s: s}
			for _, target := range []string{"/_gate/account", "/_gate/sign-in"} {
				rec := w.do("GET", target, "")
				checkPage(t, rec, false)
				words := parse(t, rec.Body.String()).one(t, "main").words()
				if said := strings.Contains(words, "Your password at"); said != (tc.want != "") || !strings.Contains(words, tc.want) {
					t.Errorf("%s says %q", target, words)
				}
				if tc.link != "" && !strings.Contains(rec.Body.String(), `href="`+tc.link+`"`) {
					t.Errorf("%s does not link to %s", target, tc.link)
				}
			}
		})
	}
}

// What a provider says about one person leads browsers and password managers, too.
func TestChangePasswordOfOnePerson(t *testing.T) {
	w := newWorld(t)
	s := annSession("contoso")
	s.PasswordChangeURL = "https://here.contoso.com/"
	w.Sessions = fakeSessions{s: s}
	if rec := w.do("GET", "/.well-known/change-password", ""); rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != "https://here.contoso.com/" {
		t.Errorf("%d to %q", rec.Code, rec.Header().Get("Location"))
	}
	for zero, want := range map[bool]bool{true: false, false: true} {
		s := *annSession("contoso")
		if !zero {
			s.PasswordExpires = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		}
		w.Sessions = fakeSessions{s: &session.Session{AccountID: s.AccountID, Provider: s.Provider, PasswordExpires: s.PasswordExpires}}
		if body := w.do("GET", "/_gate/session", "").Body.String(); strings.Contains(body, "password_expires_at") != want {
			t.Errorf("expiry %s: %s", s.PasswordExpires, body)
		}
	}
}
