package account

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/token"
)

func TestRequestReset(t *testing.T) {
	const away = "eve@elsewhere.test"
	ofContoso := func(state State) func(*testing.T, *bench) {
		return func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "eve", Owner: "contoso", Email: away, State: state})
		}
	}
	tests := []struct {
		name       string
		prepare    func(*testing.T, *bench)
		identifier string
		provider   string // of the answer
		mails      []string
		event      string
	}{
		{name: "domain of a provider", identifier: "Bob@Contoso.test ", provider: "contoso", event: "reset_requested at_provider bob@contoso.test"},
		{name: "domain of a provider, nobody there", identifier: "nobody@fabrikam.test", provider: "fabrikam", event: "reset_requested at_provider nobody@fabrikam.test"},
		{name: "local", identifier: " ANN@example.test", mails: []string{"reset_local " + ann}, event: "reset_requested link_sent " + annID},
		{name: "local by username", identifier: "asmith", mails: []string{"reset_local " + ann}, event: "reset_requested link_sent " + annID},
		{name: "invited", identifier: "new@example.test", prepare: func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "new", Owner: OwnerLocal, Email: "new@example.test", State: Invited})
		}, mails: []string{"reset_local new@example.test"}, event: "reset_requested link_sent new"},
		{name: "owned by a provider under another domain", identifier: away, prepare: ofContoso(Active),
			mails: []string{"reset_provider " + away}, event: "reset_requested provider_named eve"},
		{name: "several: the local one wins", identifier: away, prepare: func(t *testing.T, b *bench) {
			ofContoso(Active)(t, b)
			b.add(t, Account{ID: "fab", Owner: "fabrikam", Email: away, State: Active})
			b.local(t, away)
		}, mails: []string{"reset_local " + away}, event: "reset_requested link_sent id-" + away},
		{name: "several: a disabled local one does not", identifier: away, prepare: func(t *testing.T, b *bench) {
			ofContoso(Active)(t, b)
			b.add(t, Account{ID: "off", Owner: OwnerLocal, Email: away, State: Disabled})
		}, mails: []string{"reset_provider " + away}, event: "reset_requested provider_named eve"},
		{name: "several providers: the one used last", identifier: away, prepare: func(t *testing.T, b *bench) {
			ofContoso(Active)(t, b)
			b.add(t, Account{ID: "fab", Owner: "fabrikam", Email: away, State: Active, LastSignIn: b.now})
		}, mails: []string{"reset_provider " + away}, event: "reset_requested provider_named fab"},
		{name: "nobody", identifier: nobody, event: "reset_requested unknown " + nobody},
		{name: "nobody by username", identifier: "nobody", event: "reset_requested unknown nobody"},
		{name: "look-alike of an address", identifier: "ann@exampIe.test", event: "reset_requested unknown ann@exampie.test"},
		{name: "two addresses", identifier: ann + "," + nobody, event: "reset_requested unknown " + ann + "," + nobody},
		{name: "injected address", identifier: ann + "\r\nRCPT TO:<eve@evil.test>", event: "reset_requested unknown " + ann + " rcpt to:<eve@evil.test>"},
		{name: "pattern", identifier: "%@example.test", event: "reset_requested unknown %@example.test"},
		{name: "disabled", identifier: ann, prepare: func(t *testing.T, b *bench) { b.setState(t, annID, Disabled) },
			event: "reset_requested disabled " + annID},
		{name: "owned by a provider and disabled", identifier: away, prepare: ofContoso(Disabled), event: "reset_requested disabled eve"},
		{name: "provider is gone", identifier: away, prepare: func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "eve", Owner: "gone", Email: away, State: Active})
		}, event: "reset_requested provider_gone eve"},
		{name: "local switched off", identifier: ann, prepare: func(_ *testing.T, b *bench) { b.Config.Enabled = false },
			event: "reset_requested reset_off " + annID},
		{name: "local switched off, provider's person", identifier: away, prepare: func(t *testing.T, b *bench) { ofContoso(Active)(t, b); b.Config.Enabled = false },
			mails: []string{"reset_provider " + away}, event: "reset_requested provider_named eve"},
		{name: "reset switched off", identifier: ann, prepare: func(_ *testing.T, b *bench) { b.Config.Reset.Enabled = false },
			event: "reset_requested reset_off " + annID},
		{name: "no mail server", identifier: ann, prepare: func(_ *testing.T, b *bench) { b.Mail = nil }, event: "reset_requested reset_off " + annID},
		{name: "locked", identifier: ann, prepare: func(t *testing.T, b *bench) {
			for range 3 {
				b.CheckPassword(t.Context(), ann, wrongly)
			}
			b.reasons()
		}, mails: []string{"reset_local " + ann, "locked " + ann}, event: "reset_requested link_sent " + annID},
		{name: "nothing typed", identifier: " "},
		{name: "endless", identifier: strings.Repeat("a", 1<<20)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.local(t, ann)
			if _, err := b.store.UpdateAccount(t.Context(), annID, func(a *Account) error { a.Username = "asmith"; return nil }); err != nil {
				t.Fatal(err)
			}
			if tt.prepare != nil {
				tt.prepare(t, b)
			}
			tokens := len(b.store.tokens)
			answer, err := b.RequestReset(from(t), ResetRequest{Identifier: tt.identifier})
			if err != nil {
				t.Fatal(err)
			}
			switch got := answer.Provider; {
			case tt.provider == "" && got != nil, tt.provider != "" && (got == nil || got.ID != tt.provider):
				t.Errorf("answer names %+v, want %q", got, tt.provider)
			}
			if len(b.posted()) != 0 || len(b.store.tokens) != tokens {
				t.Error("something happened before the answer")
			}
			b.work(t)
			got := b.posted()
			if len(got) == 2 && strings.HasPrefix(got[0], "locked") {
				got[0], got[1] = got[1], got[0]
			}
			if diff := cmp.Diff(tt.mails, got); diff != "" {
				t.Errorf("mails (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.event, strings.Join(b.reasons(), "; ")); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if made := len(b.store.tokens) > tokens; made != strings.Contains(tt.event, "link_sent") {
				t.Errorf("token made: %v", made)
			}
		})
	}
}

// The four kinds of person, one answer: nothing that RequestReset does before it returns may depend on who exists.
func TestRequestResetAsksNobodyBeforeItAnswers(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@elsewhere.test", State: Active})
	b.store.before = func(call string) { t.Errorf("%s was called before the answer", call) }
	for _, name := range []string{ann, "eve@elsewhere.test", nobody, "asmith"} {
		answer, err := b.RequestReset(from(t), ResetRequest{Identifier: name})
		if diff := cmp.Diff(ResetAnswer{}, answer); diff != "" || err != nil {
			t.Errorf("%s: error %v, answer (-want +got):\n%s", name, err, diff)
		}
	}
	if got := b.reasons(); len(got) != 0 {
		t.Errorf("events before the answer: %q", got)
	}
}

func TestResetMailHoldsTheLinkAndTheOtherDoesNot(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@elsewhere.test", Name: "Eve", State: Active})
	for _, name := range []string{ann, "eve@elsewhere.test"} {
		if _, err := b.RequestReset(from(t), ResetRequest{Identifier: name}); err != nil {
			t.Fatal(err)
		}
	}
	b.work(t)
	about := About{Email: ann, At: "1 March 2026, 09:00 UTC", Address: "192.0.2.7", SignInURL: "https://crm.example.test/_gate/sign-in",
		ResetURL: "https://crm.example.test/_gate/reset", HelpURL: "https://crm.example.test/_gate/help"}
	local := b.mails[0].Data.(ResetMail)
	link, withdraw := local.Link, local.WithdrawLink
	local.Link, local.WithdrawLink = "", ""
	if secret, ok := strings.CutPrefix(withdraw, "https://crm.example.test/_gate/withdraw/"); !ok || !token.WellFormed(secret) || strings.Contains(link, secret) {
		t.Errorf("link that withdraws %q", withdraw)
	}
	if diff := cmp.Diff(ResetMail{About: about, Lifetime: "30 minutes", Until: "1 March 2026, 09:30 UTC"}, local); diff != "" {
		t.Errorf("local mail (-want +got):\n%s", diff)
	}
	secret, ok := strings.CutPrefix(link, "https://crm.example.test/_gate/reset/")
	if !ok || !token.WellFormed(secret) {
		t.Errorf("link %q", link)
	}
	if _, kept := b.store.tokens[secret]; kept {
		t.Error("the token itself is stored")
	}
	if got := b.store.tokens[token.Digest(secret)]; got.Address != "192.0.2.7" || !got.ExpiresAt.Equal(b.now.Add(30*time.Minute)) || got.AccountID != annID {
		t.Errorf("stored token %+v", got)
	}
	about.Email, about.Name = "eve@elsewhere.test", "Eve"
	want := mail.Message{To: "eve@elsewhere.test", Template: "reset_provider",
		Data: ProviderMail{About: about, Provider: "Contoso", ProviderURL: "https://reset.contoso.test/", Help: "Ring 1234."}}
	if diff := cmp.Diff(want, b.mails[1]); diff != "" {
		t.Errorf("provider's mail (-want +got):\n%s", diff)
	}
	if strings.Contains(b.logs(), secret) {
		t.Error("the token is in the log")
	}
}

func TestResetMailsAreLimited(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@elsewhere.test", State: Active})
	ask := func(n int) {
		t.Helper()
		for range n {
			for _, name := range []string{ann, "eve@elsewhere.test"} {
				if _, err := b.RequestReset(from(t), ResetRequest{Identifier: name}); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.work(t)
	}
	ask(20)
	if got := len(b.posted()); got != 2*mailLimit {
		t.Errorf("%d mails of twenty requests each, want %d each", got, mailLimit)
	}
	b.now = b.now.Add(mailWindow - time.Second)
	ask(1)
	if got := b.posted(); len(got) != 0 {
		t.Errorf("just before the window ends: %q", got)
	}
	b.now = b.now.Add(time.Second)
	ask(1)
	if got := b.posted(); len(got) != 2 {
		t.Errorf("after the window: %q", got)
	}
}

func TestFloodOfRequestsIsDropped(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	for i := range backlog + 50 {
		answer, err := b.RequestReset(from(t), ResetRequest{Identifier: fmt.Sprintf("p%d@example.test", i)})
		if err != nil || answer.Provider != nil {
			t.Fatalf("request %d: %+v, %v", i, answer, err)
		}
	}
	if n := strings.Count(b.logs(), "background work dropped"); n != 50 {
		t.Errorf("%d drops in the log, want 50", n)
	}
	if strings.Contains(b.logs(), "@example.test") {
		t.Error("the log holds what was typed")
	}
	b.work(t)
	if n := len(b.reasons()); n != backlog {
		t.Errorf("%d requests were answered, want %d", n, backlog)
	}
}

func TestResetThatCannotBeAnswered(t *testing.T) {
	for _, failing := range []string{"ListAccounts", "FindLocal", "CountAttempt", "CreateToken", "Send"} {
		t.Run(failing, func(t *testing.T) {
			b := newBench(t)
			b.local(t, ann)
			broken := errors.New("out of order")
			b.store.before = func(call string) {
				b.store.mu.Lock()
				defer b.store.mu.Unlock()
				b.store.fail = nil
				if call == failing {
					b.store.fail = broken
				}
			}
			if failing == "Send" {
				b.mailFail = broken
			}
			if _, err := b.RequestReset(from(t), ResetRequest{Identifier: ann}); err != nil {
				t.Errorf("the answer tells: %v", err)
			}
			b.work(t)
			if got := b.posted(); len(got) != 0 {
				t.Errorf("mails %q", got)
			}
			if log := b.logs(); !strings.Contains(log, "out of order") || !strings.Contains(log, "ref-1") {
				t.Errorf("log %q", log)
			}
		})
	}
}

// A local account whose address the sign-in page sends to a provider is still a local account: an administrator's links to it work, whether it
// has a user name to sign in with or waits to be taken over. Whoever makes or uses one is told.
func TestLinksOfMovedDomain(t *testing.T) {
	for name, username := range map[string]string{"by address alone": "", "with a username": "ann"} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			a := b.add(t, Account{ID: "moved", Owner: OwnerLocal, Email: "moved@contoso.test", Username: username, State: Active})
			reset, err := b.IssueReset(t.Context(), a.ID, "cli")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.RedeemToken(t.Context(), ForReset, secretIn(t, reset), otherPassword); err != nil {
				t.Errorf("reset: %v", err)
			}
			inv := Invitation{Email: "new@contoso.test"}
			if username != "" {
				inv.Username = "new"
			}
			_, invitation, err := b.Invite(t.Context(), inv, "cli")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.RedeemToken(t.Context(), ForInvitation, secretIn(t, invitation), otherPassword); err != nil {
				t.Errorf("invitation: %v", err)
			}
		})
	}
}

func TestIssueReset(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@elsewhere.test", State: Active})
	b.add(t, Account{ID: "lost", Owner: "gone", Email: "lost@elsewhere.test", State: Active})
	b.add(t, Account{ID: "off", Owner: OwnerLocal, Email: "off@example.test", State: Disabled})

	link, err := b.IssueReset(t.Context(), annID, "cli")
	if err != nil || !strings.HasPrefix(link, "https://crm.example.test/_gate/reset/") {
		t.Fatalf("link %q, error %v", link, err)
	}
	if got := b.mails[0].Data.(ResetMail); got.Link != link || !got.ByAdministrator || got.Address != "" {
		t.Errorf("mail %+v", got)
	}
	if diff := cmp.Diff([]string{"reset_requested issued " + annID + " cli"}, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	second, err := b.IssueReset(t.Context(), annID, "cli")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.PeekToken(t.Context(), ForReset, secretIn(t, link)); !fault.Is(err, fault.Expired) {
		t.Errorf("the older link still works: %v", err)
	}
	if _, err := b.PeekToken(t.Context(), ForReset, secretIn(t, second)); err != nil {
		t.Errorf("the newer link: %v", err)
	}

	if e := wantFault(t, errOf(b.IssueReset(t.Context(), "eve", "cli")), fault.Conflict); !strings.Contains(e.Sentence, "Contoso") || !strings.Contains(e.Sentence, "https://reset.contoso.test/") {
		t.Errorf("sentence %q", e.Sentence)
	}
	wantFault(t, errOf(b.IssueReset(t.Context(), "lost", "cli")), fault.Conflict)
	wantFault(t, errOf(b.IssueReset(t.Context(), "off", "cli")), fault.Conflict)
	wantFault(t, errOf(b.IssueReset(t.Context(), "missing", "cli")), fault.NotFound)

	b.mailFail = errors.New("queue full")
	link, err = b.IssueReset(t.Context(), annID, "cli")
	if wantFault(t, err, fault.Unavailable); link == "" {
		t.Error("the link is lost because the mail is")
	}
	b.Mail = nil
	if link, err = b.IssueReset(t.Context(), annID, "cli"); err != nil || link == "" {
		t.Errorf("without mail: link %q, error %v", link, err)
	}
	b.Config.Enabled = false
	wantFault(t, errOf(b.IssueReset(t.Context(), annID, "cli")), fault.Conflict)
}

// errOf is the second of two results.
func errOf[T any](_ T, err error) error { return err }

func TestProviderThatTakesEveryDomain(t *testing.T) {
	b := newBench(t)
	b.Realms = identity.NewRealms(provider{ID: "all", Name: "All", Domains: []string{"*"}})
	b.local(t, ann)
	answer, err := b.RequestReset(from(t), ResetRequest{Identifier: "anybody@anywhere.test"})
	if err != nil || answer.Provider == nil || answer.Provider.ID != "all" {
		t.Errorf("answer %+v, error %v", answer, err)
	}
	if answer, err = b.RequestReset(from(t), ResetRequest{Identifier: "a@b@anywhere.test"}); err != nil || answer.Provider != nil {
		t.Errorf("an address with two ats belongs to %+v, error %v", answer, err)
	}
}
