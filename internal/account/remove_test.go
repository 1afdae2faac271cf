package account

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

func TestRemoveAndRestore(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	reset, _ := b.asked(t)
	b.reasons()
	b.posted()
	if err := b.Remove(t.Context(), annID, "cli"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"account_deleted " + annID + " cli"}, b.reasons()); diff != "" || len(b.ended) != 1 {
		t.Errorf("events (-want +got):\n%s, sessions ended %q", diff, b.ended)
	}
	if _, err := b.CheckPassword(t.Context(), ann, goodPassword); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("a removed account signed in: %v", err)
	}
	_, err := b.RedeemToken(t.Context(), ForReset, reset, otherPassword)
	wantFault(t, err, fault.Expired)
	if _, err := b.RequestReset(from(t), ResetRequest{Identifier: ann}); err != nil {
		t.Fatal(err)
	}
	b.work(t)
	if got := b.posted(); len(got) != 0 {
		t.Errorf("mails %q to a removed account", got)
	}
	_, err = b.IssueReset(t.Context(), annID, "cli")
	wantFault(t, err, fault.Conflict)
	wantFault(t, b.Enable(t.Context(), annID, "cli"), fault.Conflict)
	if found, err := b.FindRemoved(t.Context(), ann); err != nil || len(found) != 1 {
		t.Errorf("found %v, %v", found, err)
	}
	b.reasons()
	if err := b.Restore(t.Context(), annID, "cli"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"account_restored " + annID + " cli"}, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := b.CheckPassword(t.Context(), ann, goodPassword); err != nil {
		t.Errorf("after restoring: %v", err)
	}
}

// The address of somebody who was removed may be invited again; then the former account cannot come back beside the new one.
func TestRemovedAddressIsFree(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	if err := b.Remove(t.Context(), annID, "cli"); err != nil {
		t.Fatal(err)
	}
	a, _, err := b.Invite(t.Context(), Invitation{Email: ann}, "cli")
	if err != nil || a.ID == annID {
		t.Fatalf("invited %+v, %v", a, err)
	}
	wantFault(t, b.Restore(t.Context(), annID, "cli"), fault.Conflict)
}

func TestPurgeRemoved(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	if err := b.Remove(t.Context(), annID, "cli"); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[time.Duration]int{30*day - time.Hour: 0, 30*day + time.Hour: 1} {
		b := newBench(t)
		b.local(t, ann)
		if err := b.Remove(t.Context(), annID, "cli"); err != nil {
			t.Fatal(err)
		}
		if n, err := b.PurgeRemoved(t.Context(), b.now.Add(after)); n != want || err != nil {
			t.Errorf("after %v: %d purged, %v", after, n, err)
		}
	}
}

// Who was removed and signs in at the provider is refused; nobody makes them a new account while the old one can be restored.
func TestRemovedCorporateAccountIsRefused(t *testing.T) {
	b := newBench(t)
	id := identity.Identity{Provider: "contoso", Issuer: "https://contoso.test", Subject: "ann", Email: "ann@contoso.test"}
	a, err := b.Admit(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(t.Context(), a.ID, "cli"); err != nil {
		t.Fatal(err)
	}
	_, err = b.Admit(t.Context(), id)
	wantFault(t, err, fault.Forbidden)
}
