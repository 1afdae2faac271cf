package account_test

import (
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"crmgate/internal/account"
	"crmgate/internal/page"
	"crmgate/templates"
)

const base = "https://crm.example.test/_gate"

// about is a reader whose every word is an attack.
func about(name string) account.About {
	return account.About{Name: name, Email: "ann@example.test", Username: "asmith", At: "1 March 2026, 09:00 UTC", Address: "192.0.2.7", Browser: "Firefox on Windows",
		SignInURL: base + "/sign-in", ResetURL: base + "/reset", HelpURL: base + "/help"}
}

func samples(name string) map[string]any {
	a := about(name)
	linked := a
	linked.NotMeLink, linked.NotMeLifetime = base+"/not-me/SECRET", "3 days"
	return map[string]any{
		"new_device": account.NewDeviceMail{About: linked, Device: true, How: "Contoso", AccountURL: base + "/account"},
		"token_made": account.TokenMadeMail{About: linked, Token: "nightly " + name, Until: "4 March 2026, 09:00 UTC", TokensURL: base + "/account/tokens"},
		"not_me":     account.NotMeMail{About: a, Provider: "Contoso"},
		"not_me_report": account.NotMeReport{About: a, Who: name, WhoEmail: "ann@example.test", AccountID: "0123abcd", Cause: "a new sign-in", Provider: "Contoso",
			ChangeURL: base + "/change"},
		"invitation": account.InvitationMail{About: a, SignInName: a.Email, Link: base + "/invite/SECRET", Lifetime: "3 days", Until: "4 March 2026, 09:00 UTC"},
		"reset_local": account.ResetMail{About: a, Link: base + "/reset/SECRET", WithdrawLink: base + "/withdraw/SECRET", Lifetime: "30 minutes",
			Until: "1 March 2026, 09:30 UTC"},
		"reset_provider":   account.ProviderMail{About: a, Provider: "Contoso " + name, ProviderURL: "https://reset.contoso.test/start?a=1&b=2", Help: "Ring 1234 " + name},
		"password_changed": account.PasswordChangedMail{About: a, CanReset: true},
		"password_expires": account.PasswordExpiresMail{About: a, Until: "10 March 2026, 09:00 UTC", Left: "9 days", CanReset: true},
		"locked":           account.LockedMail{About: a, Until: "1 March 2026, 09:15 UTC", Lifetime: "15 minutes", CanReset: true},
		"account_adopted":  account.AdoptedMail{About: a, Provider: "Contoso"},
		"account_beside":   account.BesideMail{About: a, Provider: "Contoso"},
		"factor_code":      account.FactorCodeMail{About: a, Code: "042917", Lifetime: "10 minutes"},
		"factor_changed":   account.FactorChangedMail{About: a, What: "An authenticator app was added.", AccountURL: base + "/account"},
		"factor_locked":    account.FactorLockedMail{About: a, Until: "1 March 2026, 09:15 UTC", Lifetime: "15 minutes", Local: true, CanReset: true},
	}
}

func newPages(t *testing.T) *page.Pages {
	t.Helper()
	cfg := page.Config{}.Default()
	cfg.Product, cfg.Organisation = "Example CRM", "Northwind"
	cfg.Support = page.Support{Email: "help@example.test", Phone: "+49 30 1234", URL: "https://help.example.test", Hours: "Mon to Fri"}
	pages, err := page.New(cfg, templates.FS, "/_gate", slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

var (
	anchors = regexp.MustCompile(`href="([^"]*)"`)
	webs    = regexp.MustCompile(`https?://[^\s<>"]+`)
)

func TestMailsAreComplete(t *testing.T) {
	pages := newPages(t)
	// What must stand in both forms of each mail, beside what stands in all of them.
	must := map[string][]string{
		"new_device":       {base + "/not-me/SECRET", "3 days", base + "/account", "Contoso", "192.0.2.7", "Firefox on Windows", "not you"},
		"token_made":       {base + "/not-me/SECRET", "3 days", base + "/account/tokens", "nightly ", "4 March 2026, 09:00 UTC", "192.0.2.7", "not you"},
		"not_me":           {base + "/help", "Contoso", "192.0.2.7", "Firefox on Windows", "not you"},
		"not_me_report":    {"user enable -c crmgate.yaml --id 0123abcd", "clear-mfa", "a new sign-in", "Contoso", base + "/change", "192.0.2.7"},
		"invitation":       {base + "/invite/SECRET", "3 days", "4 March 2026, 09:00 UTC", "asmith", "nothing"},
		"reset_local":      {base + "/reset/SECRET", base + "/withdraw/SECRET", "30 minutes", "09:30 UTC", "192.0.2.7", "Firefox on Windows", "not you"},
		"reset_provider":   {"https://reset.contoso.test/start", "Contoso", "Ring 1234", "192.0.2.7", "not you"},
		"password_changed": {base + "/reset", "192.0.2.7", "not you"},
		"password_expires": {base + "/reset", "9 days", "10 March 2026, 09:00 UTC", "192.0.2.7", "not you"},
		"locked":           {base + "/reset", "15 minutes", "09:15 UTC", "192.0.2.7", "not you"},
		"account_adopted":  {base + "/sign-in", "Contoso", "192.0.2.7", "not you"},
		"account_beside":   {base + "/help", "Contoso", "192.0.2.7", "not you", "no way into your account"},
		"factor_code":      {"042917", "10 minutes", base + "/sign-in", "192.0.2.7", "not you", "nobody"},
		"factor_changed":   {"An authenticator app was added.", base + "/account", base + "/help", "192.0.2.7", "not you"},
		"factor_locked":    {base + "/reset", "15 minutes", "09:15 UTC", "192.0.2.7", "not you", "passkey"},
	}
	for name, data := range samples("Ann Smith") {
		t.Run(name, func(t *testing.T) {
			subject, text, html, err := pages.RenderMail(name, data)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(subject, "Example CRM") || len(subject) > 78 {
				t.Errorf("subject %q", subject)
			}
			words := append(must[name], "Ann Smith", "Example CRM", "Northwind", "help@example.test", "+49 30 1234", "1 March 2026, 09:00 UTC", "ann@example.test")
			for form, content := range map[string]string{"text": text, "html": strings.NewReplacer("&#43;", "+", "&amp;", "&").Replace(html)} {
				for _, w := range words {
					if !strings.Contains(content, w) {
						t.Errorf("%s does not say %q:\n%s", form, w, content)
					}
				}
				for _, bad := range []string{"no value", "{{", "ZgotmplZ", "<script", "http://"} {
					if strings.Contains(content, bad) {
						t.Errorf("%s holds %q:\n%s", form, bad, content)
					}
				}
			}
			if strings.Contains(text, "\n\n\n") || strings.Contains(text, "<p") {
				t.Errorf("text is untidy:\n%s", text)
			}
		})
	}
}

func TestMailsLinkOnlyToUsAndTheProvider(t *testing.T) {
	pages := newPages(t)
	for name, data := range samples("Ann") {
		_, text, html, err := pages.RenderMail(name, data)
		if err != nil {
			t.Fatal(err)
		}
		links := anchors.FindAllStringSubmatch(html, -1)
		if len(links) == 0 {
			t.Errorf("%s: no link in html", name)
		}
		for _, m := range links {
			if !strings.HasPrefix(m[1], base+"/") && !(name == "reset_provider" && strings.HasPrefix(m[1], "https://reset.contoso.test/")) {
				t.Errorf("%s: html links to %s", name, m[1])
			}
		}
		for _, u := range webs.FindAllString(text, -1) {
			if !strings.HasPrefix(u, base+"/") && u != "https://help.example.test" && !(name == "reset_provider" && strings.HasPrefix(u, "https://reset.contoso.test/")) {
				t.Errorf("%s: text names %s", name, u)
			}
		}
		if name == "reset_provider" && (strings.Contains(text+html, "SECRET") || strings.Contains(text+html, base+"/reset")) {
			t.Errorf("the mail that names the provider offers a reset of ours:\n%s", text)
		}
	}
}

func TestMailsEscapeTheirReader(t *testing.T) {
	pages := newPages(t)
	for name, data := range samples(`<img src=x onerror=alert(1)>"'`) {
		subject, _, html, err := pages.RenderMail(name, data)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(html, "<img") || strings.ContainsAny(subject, "\r\n") {
			t.Errorf("%s: %q\n%s", name, subject, html)
		}
	}
}

func TestMailsSayWhatIsTrueOfTheReader(t *testing.T) {
	pages := newPages(t)
	anonymous := account.About{Email: "ann@example.test", At: "1 March 2026, 09:00 UTC", SignInURL: base + "/sign-in", ResetURL: base + "/reset", HelpURL: base + "/help"}
	withLink := anonymous
	withLink.NotMeLink, withLink.NotMeLifetime = base+"/not-me/SECRET", "3 days"
	byAdmin := anonymous
	byAdmin.ByAdministrator = true
	tests := []struct {
		name, template string
		data           any
		with, without  []string
	}{
		{name: "no name, no address", template: "reset_local", data: account.ResetMail{About: anonymous, Link: base + "/reset/x", WithdrawLink: base + "/withdraw/x"},
			with: []string{"Hello,", "Somebody, most likely you"}, without: []string{"network address", "()", "administrator"}},
		{name: "by an administrator", template: "reset_local", data: account.ResetMail{About: byAdmin, Link: base + "/reset/x", WithdrawLink: base + "/withdraw/x"},
			with: []string{"An administrator has made a link"}, without: []string{"most likely you"}},
		{name: "provider without a page", template: "reset_provider", data: account.ProviderMail{About: anonymous, Provider: "Contoso"},
			with: []string{"Please ask those who look"}, without: []string{"Reset it"}},
		{name: "first password", template: "password_changed", data: account.PasswordChangedMail{About: anonymous, First: true},
			with: []string{"was set", base + "/help"}, without: []string{"changed", "signed out", base + "/reset"}},
		{name: "locked without reset", template: "locked", data: account.LockedMail{About: anonymous, Lifetime: "15 minutes"},
			with: []string{"ask us to open", base + "/help"}, without: []string{base + "/reset"}},
		{name: "new browser and network", template: "new_device", data: account.NewDeviceMail{About: anonymous, Device: true, Network: true},
			with: []string{"from a browser and a network that", "Tell us at once", base + "/help"}, without: []string{"/not-me/", "works once", ", with", "()"}},
		{name: "new network", template: "new_device", data: account.NewDeviceMail{About: anonymous, Network: true}, with: []string{"from a network that"}, without: []string{"browser"}},
		{name: "locked for a local account", template: "not_me_report", data: account.NotMeReport{About: anonymous, Who: "Ann", AccountID: "1", Local: true},
			with: []string{"crmgate user reset -c crmgate.yaml --id 1", "signed in, on their own page", "a password of the gateway"}, without: []string{"change their password at"}},
		{name: "locked with a link", template: "locked", data: account.LockedMail{About: withLink, Lifetime: "15 minutes", CanReset: true},
			with: []string{base + "/not-me/SECRET", "works once, for 3 days"}},
		{name: "password changed with a link", template: "password_changed", data: account.PasswordChangedMail{About: withLink, CanReset: true},
			with: []string{base + "/not-me/SECRET", base + "/reset"}},
		{name: "factor locked with a link", template: "factor_locked", data: account.FactorLockedMail{About: withLink}, with: []string{base + "/not-me/SECRET"}},
		{name: "locked without end", template: "locked", data: account.LockedMail{About: anonymous, Lifetime: "15 minutes", Until: "2126", Endless: true, CanReset: true},
			with: []string{"until you choose a new password or we open it", base + "/reset"}, without: []string{"15 minutes", "2126", "by itself"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			subject, text, html, err := pages.RenderMail(tt.template, tt.data)
			if err != nil {
				t.Fatal(err)
			}
			for form, content := range map[string]string{"text": subject + "\n" + text, "html": html} {
				flat := strings.Join(strings.Fields(content), " ")
				for _, w := range tt.with {
					if !strings.Contains(flat, w) {
						t.Errorf("%s does not say %q:\n%s", form, w, content)
					}
				}
				for _, w := range tt.without {
					if strings.Contains(flat, w) {
						t.Errorf("%s says %q:\n%s", form, w, content)
					}
				}
			}
		})
	}
}

// Whose address leads to a company at sign-in is told the user name alone.
func TestInvitationNamesWhatSignsIn(t *testing.T) {
	for _, tt := range []struct{ name, signIn, want, not string }{
		{"either", "ann@example.test", "ann@example.test or ann", ""},
		{"the user name alone", "ann", "you sign in as ann at", "sign in as ann@"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, text, _, err := newPages(t).RenderMail("invitation", account.InvitationMail{About: account.About{Email: "ann@example.test", Username: "ann"}, SignInName: tt.signIn})
			if err != nil {
				t.Fatal(err)
			}
			if words := strings.Join(strings.Fields(text), " "); !strings.Contains(words, tt.want) || tt.not != "" && strings.Contains(words, tt.not) {
				t.Errorf("no %q in %s", tt.want, words)
			}
		})
	}
}
