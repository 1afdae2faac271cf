package app_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/app"
	"crmgate/internal/audit"
	"crmgate/internal/realtest"
)

// shots keeps a page as people see it: telephone and desktop, light and dark. It costs a second a page, so it is done when asked for.
func shots(b *realtest.Browser, name string) {
	if os.Getenv("SCREENSHOTS") == "" {
		return
	}
	for _, dark := range []bool{false, true} {
		b.Dark(dark)
		b.Phone()
		b.Screenshot(fmt.Sprintf("factor-%s-phone-dark-%v", name, dark))
		b.Desktop()
		b.Screenshot(fmt.Sprintf("factor-%s-desktop-dark-%v", name, dark))
	}
	b.Dark(false)
}

// localGateway starts a gateway under the name localhost and returns it with its address.
func localGateway(t *testing.T, more string) (*app.App, string) {
	t.Helper()
	l, gate := listen(t)
	gate = strings.Replace(gate, "127.0.0.1", "localhost", 1)
	a := start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
branding: {product: Deal Desk, organisation: Example, support: {email: help@example.test}}
%s
`, gate, t.TempDir(), recordingCRM(t).URL, more))
	return a, gate
}

const pats = "violet otter sings twice"

// invited makes an account with a password and leaves the browser signed in.
func invited(t *testing.T, a *app.App, gate string, b *realtest.Browser) {
	t.Helper()
	_, link, err := a.Accounts.Invite(t.Context(), account.Invitation{Email: "pat@partner.test", Name: "Pat Partner"}, "test")
	if err != nil {
		t.Fatal(err)
	}
	b.Go(link)
	b.Fill("#password", pats)
	b.Fill("#password_confirm", pats)
	b.Click("main button[type=submit]")
	b.Wait(".badge.good")
	signIn(b, gate)
}

func signIn(b *realtest.Browser, gate string) {
	b.Go(gate + "/_gate/sign-in?return_to=/deals")
	b.Fill("#identifier", "pat@partner.test")
	b.Click("form[action$='/sign-in'] button[type=submit]")
	b.Fill("#password", pats)
	b.Click("main button[type=submit]")
}

func signOut(b *realtest.Browser, gate string) {
	b.Go(gate + "/_gate/sign-out")
	b.Click("main button[type=submit]")
}

func at(t *testing.T, b *realtest.Browser, want string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !strings.Contains(b.URL(), want); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("at %s, want %s\n%s", b.URL(), want, b.Text("body"))
		}
	}
}

// A passkey is set up, used as the second step, and as the only one, by a button and while one types; a copy of it is noticed.
func TestPasskeysInBrowser(t *testing.T) {
	b := realtest.Open(t)
	a, gate := localGateway(t, "")
	invited(t, a, gate, b)
	at(t, b, "/deals")
	key := b.Authenticator()

	b.Go(gate + "/_gate/factor/manage")
	shots(b, "manage-empty")
	b.Click("main a.button.primary")
	shots(b, "choose")
	b.Click("form:has(input[value=passkey]) button[type=submit]")
	shots(b, "passkey-add")
	b.Fill("#name", "Work laptop")
	b.Click("main button[type=submit]")
	if got := b.Text("h1"); got != "Your recovery codes" {
		t.Fatalf("heading %q", got)
	}
	shots(b, "codes")
	b.Click("main a.button.primary")
	at(t, b, "/_gate/factor/manage")
	shots(b, "manage")
	if got := b.Text(".entry h2"); got != "Work laptop" {
		t.Errorf("the list says %q", got)
	}
	b.Click("main a.button.primary")
	b.Click("form:has(input[value=passkey]) button[type=submit]")
	b.Click("main button[type=submit]")
	if got := b.Text("#passkey-problem"); !strings.Contains(got, "has a passkey for your account already") {
		t.Errorf("the same device again: %q", got)
	}

	signOut(b, gate)
	key.Present(false)
	signIn(b, gate)
	at(t, b, "/_gate/factor?step=")
	shots(b, "passkey")
	key.Present(true)
	b.Click("main button[type=submit]")
	at(t, b, "/deals")

	signOut(b, gate)
	b.Go(gate + "/_gate/sign-in?return_to=/deals/9") // conditional: the browser offers the key, and somebody takes it
	at(t, b, "/deals/9")
	signOut(b, gate)
	key.Present(false)
	b.Go(gate + "/_gate/sign-in?return_to=/deals/8")
	shots(b, "sign-in")
	key.Present(true)
	b.Click("form[data-passkey] button[type=submit]")
	at(t, b, "/deals/8")

	signOut(b, gate)
	key.Present(false)
	key.Rewind()
	b.Go(gate + "/_gate/sign-in")
	key.Present(true)
	b.Click("form[data-passkey] button[type=submit]")
	b.Wait(".badge.bad")
	if got := b.Text("main"); !strings.Contains(got, "may have been copied") {
		t.Errorf("a copy: %s", got)
	}
	events, err := a.DB.ListEvents(t.Context(), audit.Filter{Kind: audit.PasskeyCopied})
	if err != nil || len(events) != 1 {
		t.Errorf("recorded %v, %v", events, err)
	}
	for _, e := range b.Errors() {
		t.Errorf("the browser complains: %s", e)
	}
}

// The pages of codes, as a browser shows them.
func TestFactorPagesInBrowser(t *testing.T) {
	b := realtest.Open(t)
	mailbox := realtest.Mailbox(t)
	a, gate := localGateway(t, fmt.Sprintf(`
factors: {enrolment_grace: 7d, required_for: {groups: [staff]}, sms: {url: "http://127.0.0.1:9", body: "{{to}} {{code}}"}}
mail: {from: "CRM <no-reply@crm.test>", smtp: {host: %q, port: %d, username: %q, password: %q, ca_file: %q}}
`, mailbox.Host, mailbox.Port, mailbox.Username, mailbox.Password, mailbox.CAFile))
	if _, _, err := a.Accounts.Invite(t.Context(), account.Invitation{Email: "pat@partner.test", Groups: []string{"staff"}}, "test"); err != nil {
		t.Fatal(err)
	}
	invited(t, a, gate, b)
	at(t, b, "/_gate/factor/enrol?step=")
	shots(b, "choose-at-sign-in")
	b.Fill("#phone", "12")
	b.Click("form:has(input[value=sms]) button[type=submit]")
	shots(b, "choose-problem")
	b.Click("form:has(input[value=totp]) button[type=submit]")
	b.Fill("#code", "000000")
	b.Click("form[action$='/totp'] button[type=submit]")
	shots(b, "totp-add")
	if got := b.Eval(`(() => { const q = document.querySelector(".qr").getBoundingClientRect(); return q.width > 150 && q.width === q.height })()`); got != "true" {
		t.Errorf("the QR code has no size")
	}
	b.Click(".after a")
	b.Click("form:has(input[value=email]) button[type=submit]")
	shots(b, "email-add")
	b.Click(".after a")
	b.Click("form[action$='/skip'] button[type=submit]")
	at(t, b, "/deals")
	p := factorOf(t)
	b.Go(gate + "/_gate/factor/enrol")
	b.Click("form:has(input[value=totp]) button[type=submit]")
	b.Click("summary")
	b.Fill("#code", p(b.Text("#key"), -1))
	b.Click("form[action$='/totp'] button[type=submit]")
	at(t, b, "/_gate/factor/enrol")
	signOut(b, gate)
	signIn(b, gate)
	shots(b, "totp")
	b.Click(".ways a")
	b.Fill("#code", "0000")
	b.Click("main button[type=submit]")
	shots(b, "recovery-problem")
	b.Click(".ways a")
	b.Fill("#code", p("", 0))
	b.Click("#remember_device")
	b.Click("main button[type=submit]")
	at(t, b, "/deals")
	b.Go(gate + "/_gate/factor/manage")
	shots(b, "manage-device")
	b.Click(".entry summary")
	b.Click(".entry a.button")
	shots(b, "remove")
	for _, e := range b.Errors() {
		t.Errorf("the browser complains: %s", e)
	}
}
