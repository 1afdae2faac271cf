package account

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

func TestConfirm(t *testing.T) {
	same := Account{Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active}
	for _, tt := range []struct {
		name    string
		account Account
		change  func(*identity.Identity)
		id      string
		want    Account
		refused string
		events  []string
	}{
		{name: "nothing new", account: same, want: same},
		{name: "a new profile", account: Account{Email: "old@example.test", Username: "eadams", Name: "Old", State: Active}, want: same,
			events: []string{"account_updated profile eve"}},
		{name: "what is left out stays", account: same, change: func(id *identity.Identity) { id.Email, id.Name, id.Username = "", "", "" }, want: same},
		{name: "an address that is none stays out", account: same, change: func(id *identity.Identity) { id.Email = "a@b@c" }, want: same},
		{name: "disabled", account: Account{Email: "eve@example.test", State: Disabled}, refused: "disabled"},
		{name: "somebody else's", account: same, id: "other", refused: "unlinked"},
		{name: "an unknown subject", account: same, change: func(id *identity.Identity) { id.Subject = "sub-2" }, refused: "unlinked"},
		{name: "another provider", account: same, change: func(id *identity.Identity) { id.Provider = "linker" }, refused: "unlinked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			linked(tt.account)(t, b)
			before := b.get(t, "eve").LastSignIn
			b.now = b.now.Add(time.Hour)
			id := eve("contoso")
			if tt.change != nil {
				tt.change(&id)
			}
			a, err := b.Confirm(from(t), or(tt.id, "eve"), id)
			if tt.refused != "" {
				if e := wantFault(t, err, fault.Forbidden); e.Reason != tt.refused || a != nil {
					t.Errorf("Confirm = %+v, reason %s; want %s", a, e.Reason, tt.refused)
				}
			} else if err != nil {
				t.Fatal(err)
			} else if diff := cmp.Diff([]string{tt.want.Email, tt.want.Username, tt.want.Name}, []string{a.Email, a.Username, a.Name}); diff != "" {
				t.Errorf("account (-want +got):\n%s", diff)
			}
			// Access tokens of somebody who has lost a group lose it too.
			if a != nil && !cmp.Equal(b.get(t, "eve").Groups, id.Groups) {
				t.Errorf("stored groups %v, want %v", b.get(t, "eve").Groups, id.Groups)
			}
			if diff := cmp.Diff(tt.events, b.reasons()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if got := b.get(t, "eve"); !got.LastSignIn.Equal(before) || got.State != tt.account.State {
				t.Errorf("stored %+v: a check is no sign-in", got)
			}
		})
	}
}
