package account_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/realtest"
)

const (
	firstPassword  = "lantern quince over the gravel"
	secondPassword = "seventeen violet ferries hum"
)

// The four resets, with real templates over a real mail server with STARTTLS and sign-in.
func TestResetsOverMail(t *testing.T) {
	box := realtest.Mailbox(t)
	b := account.NewBench(t)
	sender := &mail.Sender{
		Config: mail.Config{From: "CRM sign-in <no-reply@crm.example.test>", SMTP: mail.SMTPConfig{Host: box.Host, Port: box.Port, Security: "starttls",
			Username: box.Username, Password: "smtp-test-password", CAFile: box.CAFile}},
		Renderer: newPages(t), Now: b.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	b.Mail = sender
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- sender.Run(ctx) }()
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
	from := audit.WithOrigin(ctx, audit.Origin{Address: "192.0.2.7", Reference: "ref-1"})

	// Somebody local, by invitation.
	if _, _, err := b.Invite(from, account.Invitation{Email: "ann@example.test", Name: "Ann Smith"}, "cli"); err != nil {
		t.Fatal(err)
	}
	invitation := box.Wait(t, "ann@example.test", 1)[0]
	if _, err := b.RedeemToken(from, account.ForInvitation, secretOf(invitation.Link(t, "/invite/")), firstPassword); err != nil {
		t.Fatal(err)
	}
	box.Wait(t, "ann@example.test", 2)
	// Somebody of a provider, under a domain that nobody owns.
	eve, err := b.Admit(from, identity.Identity{Provider: "contoso", Issuer: "https://contoso.test", Subject: "eve", Email: "eve@elsewhere.test", Name: "Eve"})
	if err != nil {
		t.Fatal(err)
	}

	answers := map[string]account.ResetAnswer{}
	for _, who := range []string{"bob@contoso.test", "eve@elsewhere.test", "ann@example.test", "nobody@example.test"} {
		if answers[who], err = b.RequestReset(from, account.ResetRequest{Identifier: who}); err != nil {
			t.Fatal(err)
		}
	}
	if p := answers["bob@contoso.test"].Provider; p == nil || p.Name != "Contoso" || p.Password.ResetURL == "" {
		t.Errorf("the provider's domain is answered with %+v", p)
	}
	for _, who := range []string{"eve@elsewhere.test", "ann@example.test"} {
		if diff := cmp.Diff(answers["nobody@example.test"], answers[who]); diff != "" {
			t.Errorf("%s is answered otherwise than nobody:\n%s", who, diff)
		}
	}

	named := box.Wait(t, "eve@elsewhere.test", 1)[0]
	if !strings.Contains(named.Text, "https://reset.contoso.test/") || strings.Contains(named.Text+named.HTML, "/_gate/reset") {
		t.Errorf("mail to the provider's person:\n%s", named.Text)
	}
	if _, err := b.IssueReset(from, eve.ID, "cli"); !fault.Is(err, fault.Conflict) {
		t.Errorf("reset link for the provider's person: %v", err)
	}

	link := box.Wait(t, "ann@example.test", 3)[2].Link(t, "/reset/")
	secret, ok := strings.CutPrefix(link, "https://crm.example.test/_gate/reset/")
	if !ok {
		t.Fatalf("link %q", link)
	}
	if _, err := b.RedeemToken(from, account.ForReset, secret, secondPassword); err != nil {
		t.Fatal(err)
	}
	if _, err := b.RedeemToken(from, account.ForReset, secret, firstPassword+" again"); !fault.Is(err, fault.Expired) {
		t.Errorf("the link worked twice: %v", err)
	}
	if _, err := b.CheckPassword(from, "ann@example.test", secondPassword); err != nil {
		t.Errorf("the new password: %v", err)
	}
	changed := box.Wait(t, "ann@example.test", 4)[3]
	if strings.Contains(changed.Text+changed.HTML, secondPassword) || !strings.Contains(changed.Text, "192.0.2.7") {
		t.Errorf("mail about the change:\n%s", changed.Text)
	}
	if n := len(box.Messages("")); n != 5 {
		t.Errorf("%d mails in all, want 4 for Ann and 1 for Eve", n)
	}
}

func secretOf(link string) string { return link[strings.LastIndexByte(link, '/')+1:] }
