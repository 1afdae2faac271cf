package account

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

func TestDisableAndEnable(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	if err := b.Disable(from(t), annID, "admin-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CheckPassword(from(t), ann, goodPassword); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("disabled and signed in: %v", err)
	}
	if diff := cmp.Diff([]string{annID}, b.ended); diff != "" {
		t.Errorf("ended sessions (-want +got):\n%s", diff)
	}
	if err := b.Enable(from(t), annID, "admin-1"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CheckPassword(from(t), ann, goodPassword); err != nil {
		t.Errorf("enabled: %v", err)
	}
	if err := b.Enable(from(t), annID, "admin-1"); err != nil {
		t.Errorf("enabled twice: %v", err)
	}
	want := []string{"account_disabled " + annID + " admin-1", "sign_in_refused disabled " + annID, "account_enabled " + annID + " admin-1"}
	if diff := cmp.Diff(want, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestEnableGivesTheRightState(t *testing.T) {
	b := newBench(t)
	b.add(t, Account{ID: "never", Owner: OwnerLocal, Email: "never@example.test", State: Disabled})
	b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@example.test", State: Disabled})
	b.add(t, Account{ID: "new", Owner: OwnerLocal, Email: "new@example.test", State: Invited})
	for id, want := range map[string]State{"never": Invited, "eve": Active, "new": Invited} {
		if err := b.Enable(t.Context(), id, "cli"); err != nil {
			t.Fatal(err)
		}
		if got := b.get(t, id).State; got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}

func TestDisableWhoseSessionsLiveOn(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	b.endFail = errors.New("session store gone")
	wantFault(t, b.Disable(t.Context(), annID, "cli"), fault.Unavailable)
	if b.get(t, annID).State != Disabled {
		t.Error("not disabled")
	}
	b.endFail = nil
	if err := b.Disable(t.Context(), annID, "cli"); err != nil || len(b.ended) != 1 {
		t.Errorf("second try: %v, ended %v", err, b.ended)
	}
}

func TestRevoke(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	if err := b.Revoke(t.Context(), annID, "cli"); err != nil || len(b.ended) != 1 {
		t.Errorf("error %v, ended %v", err, b.ended)
	}
	if diff := cmp.Diff([]string{"session_revoked all " + annID + " cli"}, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestWhoIsMissing(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	for name, err := range map[string]error{
		"disable": b.Disable(ctx, "missing", "cli"), "enable": b.Enable(ctx, "missing", "cli"),
		"unlock": b.Unlock(ctx, "missing", "cli"), "revoke": b.Revoke(ctx, "missing", "cli"),
	} {
		if !fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := b.reasons(); len(got) != 0 {
		t.Errorf("events %q", got)
	}
}

func TestFind(t *testing.T) {
	b := newBench(t)
	b.add(t, Account{ID: "local", Owner: OwnerLocal, Email: "eve@example.test", Username: "eve", State: Active})
	b.add(t, Account{ID: "contoso", Owner: "contoso", Email: "eve@example.test", Username: "eadams", State: Active})
	b.add(t, Account{ID: "bob", Owner: "contoso", Email: "bob@example.test", Username: "bob", State: Active})
	tests := []struct {
		name, identifier string
		want             []string
	}{
		{name: "address", identifier: " EVE@example.test", want: []string{"contoso", "local"}},
		{name: "username", identifier: "Eve", want: []string{"local"}},
		{name: "a provider's username is no key", identifier: "bob"},
		{name: "nobody", identifier: nobody},
		{name: "nothing", identifier: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, err := b.Find(t.Context(), tt.identifier)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range all {
				got = append(got, a.ID)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLockOfAProvidersAccount(t *testing.T) {
	b := newBench(t)
	a := b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@example.test", State: Active})
	if until, err := b.LockedUntil(t.Context(), a); err != nil || !until.IsZero() {
		t.Errorf("locked until %v, error %v", until, err)
	}
}
