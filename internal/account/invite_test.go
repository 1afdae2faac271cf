package account

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
)

func TestInvitation(t *testing.T) {
	b := newBench(t)
	a, link, err := b.Invite(t.Context(), Invitation{Email: " New@Example.test ", Name: "New\nComer", Username: "NewComer",
		Groups: []string{"sales", " sales ", "", "crm-admins"}}, "cli")
	if err != nil {
		t.Fatal(err)
	}
	want := Account{ID: a.ID, Owner: OwnerLocal, Email: "new@example.test", Username: "newcomer", Name: "New Comer", Groups: []string{"sales", "crm-admins"},
		State: Invited, CreatedAt: b.now, UpdatedAt: b.now}
	if diff := cmp.Diff(want, *b.get(t, a.ID)); diff != "" || len(a.ID) != 32 {
		t.Errorf("account (-want +got):\n%s", diff)
	}
	data := b.mails[0].Data.(InvitationMail)
	if data.Link != link || !strings.HasPrefix(link, "https://crm.example.test/_gate/invite/") || data.Lifetime != "3 days" || data.Until != "4 March 2026, 09:00 UTC" {
		t.Errorf("mail %+v, link %q", data, link)
	}
	if diff := cmp.Diff([]string{"invitation new@example.test"}, b.posted()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"account_created invitation " + a.ID + " cli", "invited " + a.ID + " cli"}, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := b.PeekToken(t.Context(), ForReset, secretIn(t, link)); !fault.Is(err, fault.Expired) {
		t.Errorf("an invitation is no reset link: %v", err)
	}
	b.now = b.now.Add(71 * time.Hour)
	if _, err := b.RedeemToken(from(t), ForInvitation, secretIn(t, link), goodPassword); err != nil {
		t.Fatal(err)
	}
	if got := b.mails[0].Data.(PasswordChangedMail); !got.First {
		t.Errorf("mail %+v", got)
	}
	if b.get(t, a.ID).State != Active {
		t.Error("still invited")
	}
	if _, err := b.CheckPassword(from(t), "newcomer", goodPassword); err != nil {
		t.Errorf("first sign-in: %v", err)
	}
}

func TestInvitingAgain(t *testing.T) {
	b := newBench(t)
	first, old, err := b.Invite(t.Context(), Invitation{Email: "new@example.test", Name: "New", Groups: []string{"sales"}}, "cli")
	if err != nil {
		t.Fatal(err)
	}
	second, link, err := b.Invite(t.Context(), Invitation{Email: "new@example.test", Username: "newcomer"}, "cli")
	if err != nil || second.ID != first.ID {
		t.Fatalf("account %+v, error %v", second, err)
	}
	if second.Name != "New" || second.Username != "newcomer" || len(second.Groups) != 1 {
		t.Errorf("account %+v", second)
	}
	if _, err := b.PeekToken(t.Context(), ForInvitation, secretIn(t, old)); !fault.Is(err, fault.Expired) {
		t.Errorf("the older invitation: %v", err)
	}
	if _, err := b.PeekToken(t.Context(), ForInvitation, secretIn(t, link)); err != nil {
		t.Errorf("the newer invitation: %v", err)
	}
}

func TestInviteRefuses(t *testing.T) {
	long := strings.Repeat("x", 201)
	tests := []struct {
		name string
		inv  Invitation
		kind fault.Kind
		says string
	}{
		{name: "active", inv: Invitation{Email: ann}, kind: fault.Conflict, says: "reset link"},
		{name: "disabled", inv: Invitation{Email: "off@example.test"}, kind: fault.Conflict, says: "Enable"},
		{name: "username is taken", inv: Invitation{Email: "b@example.test", Username: "asmith"}, kind: fault.Conflict, says: "asmith"},
		{name: "address is somebody's username", inv: Invitation{Email: "odd@example.test"}, kind: fault.Conflict, says: "username of another"},
		{name: "again, username is taken", inv: Invitation{Email: "new@example.test", Username: "asmith"}, kind: fault.Conflict, says: "asmith"},
		{name: "no address", inv: Invitation{Name: "Ann"}, kind: fault.Invalid},
		{name: "two addresses", inv: Invitation{Email: "a@example.test,b@example.test"}, kind: fault.Invalid},
		{name: "injected", inv: Invitation{Email: "a@example.test\r\nRCPT TO:<eve@evil.test>"}, kind: fault.Invalid},
		{name: "quoted", inv: Invitation{Email: `"a@b"@example.test`}, kind: fault.Invalid},
		{name: "username with at", inv: Invitation{Email: "b@example.test", Username: "eve@example.test"}, kind: fault.Invalid},
		{name: "username with space", inv: Invitation{Email: "b@example.test", Username: "b b"}, kind: fault.Invalid},
		{name: "username with control", inv: Invitation{Email: "b@example.test", Username: "b\x00b"}, kind: fault.Invalid},
		{name: "username with bidi", inv: Invitation{Email: "b@example.test", Username: "b\u202eb"}, kind: fault.Invalid},
		{name: "long username", inv: Invitation{Email: "b@example.test", Username: long}, kind: fault.Invalid},
		{name: "long name", inv: Invitation{Email: "b@example.test", Name: long}, kind: fault.Invalid},
		{name: "long group", inv: Invitation{Email: "b@example.test", Groups: []string{long}}, kind: fault.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.local(t, ann)
			if _, err := b.store.UpdateAccount(t.Context(), annID, func(a *Account) error { a.Username = "asmith"; return nil }); err != nil {
				t.Fatal(err)
			}
			b.add(t, Account{ID: "off", Owner: OwnerLocal, Email: "off@example.test", State: Disabled})
			b.add(t, Account{ID: "odd", Owner: OwnerLocal, Email: "other@example.test", Username: "odd@example.test", State: Active})
			b.add(t, Account{ID: "new", Owner: OwnerLocal, Email: "new@example.test", State: Invited})
			a, link, err := b.Invite(t.Context(), tt.inv, "cli")
			if a != nil || link != "" {
				t.Errorf("account %+v, link %q", a, link)
			}
			if e := wantFault(t, err, tt.kind); !strings.Contains(e.Sentence, tt.says) {
				t.Errorf("sentence %q, want %q in it", e.Sentence, tt.says)
			}
			if len(b.posted()) != 0 || len(b.reasons()) != 0 || len(b.store.tokens) != 0 {
				t.Error("a refused invitation left something behind")
			}
		})
	}
}

func TestInviteBesideAProvidersAccount(t *testing.T) {
	b := newBench(t)
	b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@example.test", State: Active})
	if _, _, err := b.Invite(t.Context(), Invitation{Email: "eve@example.test"}, "cli"); err != nil {
		t.Errorf("one address, two accounts: %v", err)
	}
}

func TestInviteWithoutMailAndWithoutLocal(t *testing.T) {
	b := newBench(t)
	b.mailFail = errors.New("queue full")
	a, link, err := b.Invite(t.Context(), Invitation{Email: "a@example.test"}, "cli")
	if wantFault(t, err, fault.Unavailable); a == nil || link == "" {
		t.Errorf("account %+v, link %q", a, link)
	}
	b.Mail = nil
	if a, link, err = b.Invite(t.Context(), Invitation{Email: "b@example.test"}, "cli"); err != nil || a == nil || link == "" {
		t.Errorf("account %+v, link %q, error %v", a, link, err)
	}
	b.Config.Enabled = false
	_, _, err = b.Invite(t.Context(), Invitation{Email: "c@example.test"}, "cli")
	wantFault(t, err, fault.Conflict)
}
