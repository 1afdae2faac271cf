package account

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

const (
	ann     = "ann@example.test"
	annID   = "id-" + ann
	nobody  = "nobody@example.test"
	wrongly = "not the right password"
)

func TestCheckPassword(t *testing.T) {
	tests := []struct {
		name                 string
		prepare              func(*testing.T, *bench)
		identifier, password string
		ok                   bool
		reason               string // of the refusal
	}{
		{name: "address and password", identifier: ann, password: goodPassword, ok: true},
		{name: "address as people type it", identifier: "  Ann@Example.TEST ", password: goodPassword, ok: true},
		{name: "full-width address", identifier: "ａｎｎ@example.test", password: goodPassword, ok: true},
		{name: "username", identifier: "ASmith", password: goodPassword, ok: true},
		{name: "wrong password", identifier: ann, password: wrongly, reason: "sign_in_refused wrong_password " + annID},
		{name: "empty password", identifier: ann, reason: "sign_in_refused wrong_password " + annID},
		{name: "password that is none", identifier: ann, password: "\xff", reason: "sign_in_refused wrong_password " + annID},
		{name: "password far too long", identifier: ann, password: strings.Repeat("x", 1<<20), reason: "sign_in_refused wrong_password " + annID},
		{name: "nobody", identifier: nobody, password: goodPassword, reason: "sign_in_refused unknown " + nobody},
		{name: "no name", identifier: "", password: goodPassword, reason: "sign_in_refused unknown"},
		{name: "endless name", identifier: strings.Repeat("a", 5000), password: goodPassword,
			reason: "sign_in_refused unknown " + strings.Repeat("a", maxIdentifier)},
		{name: "invited", identifier: "new@example.test", password: goodPassword, reason: "sign_in_refused invited new"},
		{name: "invited, password of nothing", identifier: "new@example.test", password: "", reason: "sign_in_refused invited new"},
		{name: "disabled, right password", prepare: func(t *testing.T, b *bench) { b.setState(t, annID, Disabled) },
			identifier: ann, password: goodPassword, reason: "sign_in_refused disabled " + annID},
		{name: "owned by a provider", identifier: "eve@elsewhere.test", password: "null", reason: "sign_in_refused unknown eve@elsewhere.test"},
		{name: "local switched off", prepare: func(_ *testing.T, b *bench) { b.Config.Enabled = false },
			identifier: ann, password: goodPassword, reason: "sign_in_refused local_off " + ann},
		{name: "damaged hash", prepare: func(_ *testing.T, b *bench) { b.store.passwords[annID] = Password{Hash: "$argon2id$broken"} },
			identifier: ann, password: goodPassword, reason: "sign_in_refused damaged_hash " + annID},
		{name: "adopted by a provider", prepare: func(t *testing.T, b *bench) {
			if _, err := b.store.AdoptAccount(t.Context(), annID, Link{"contoso", "i", "s"}); err != nil {
				t.Fatal(err)
			}
		}, identifier: ann, password: goodPassword, reason: "sign_in_refused unknown " + ann},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			b.local(t, ann)
			if _, err := b.store.UpdateAccount(t.Context(), annID, func(a *Account) error { a.Username = "asmith"; return nil }); err != nil {
				t.Fatal(err)
			}
			b.add(t, Account{ID: "new", Owner: OwnerLocal, Email: "new@example.test", State: Invited})
			b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@elsewhere.test", State: Active})
			if tt.prepare != nil {
				tt.prepare(t, b)
			}
			a, err := b.CheckPassword(from(t), tt.identifier, tt.password)
			if tt.ok {
				if err != nil || a == nil || a.ID != annID || !a.LastSignIn.Equal(b.now) {
					t.Fatalf("account %+v, error %v", a, err)
				}
				if r := b.reasons(); len(r) != 0 {
					t.Errorf("events %q: the sign-in flow records successes", r)
				}
				return
			}
			if a != nil || !errors.Is(err, identity.ErrWrongPassword) {
				t.Fatalf("account %+v, error %v", a, err)
			}
			if diff := cmp.Diff([]string{tt.reason}, b.reasons()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// The time of an answer is the time of its work, so the work is counted and not the time.
func TestEveryRefusalIsTheSameWork(t *testing.T) {
	type work struct {
		Hashes int64
		Asked  int
	}
	spend := func(t *testing.T, prepare func(*testing.T, *bench), identifier, password string) work {
		t.Helper()
		b := newBench(t)
		b.local(t, ann)
		b.add(t, Account{ID: "new", Owner: OwnerLocal, Email: "new@example.test", State: Invited})
		b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@elsewhere.test", State: Active})
		if prepare != nil {
			prepare(t, b)
		}
		b.hash.spent.Store(0)
		b.store.asked = 0
		if _, err := b.CheckPassword(from(t), identifier, password); !errors.Is(err, identity.ErrWrongPassword) {
			t.Fatalf("error %v", err)
		}
		return work{b.hash.spent.Load(), b.store.asked}
	}
	want := work{Hashes: 1, Asked: 3}
	lock := func(identifier string) func(*testing.T, *bench) {
		return func(t *testing.T, b *bench) {
			for range 3 {
				b.CheckPassword(t.Context(), identifier, wrongly)
			}
		}
	}
	for name, got := range map[string]work{
		"wrong password":           spend(t, nil, ann, wrongly),
		"empty password":           spend(t, nil, ann, ""),
		"impossible password":      spend(t, nil, ann, strings.Repeat("x", 10_000)),
		"nobody":                   spend(t, nil, nobody, wrongly),
		"invited":                  spend(t, nil, "new@example.test", wrongly),
		"owned by a provider":      spend(t, nil, "eve@elsewhere.test", wrongly),
		"disabled":                 spend(t, func(t *testing.T, b *bench) { b.setState(t, annID, Disabled) }, ann, goodPassword),
		"locked, right password":   spend(t, lock(ann), ann, goodPassword),
		"locked, nobody":           spend(t, lock(nobody), nobody, goodPassword),
		"the attempt that locks":   spend(t, func(t *testing.T, b *bench) { lock(ann)(t, b); b.now = b.now.Add(time.Hour) }, ann, wrongly),
		"damaged hash":             spend(t, func(_ *testing.T, b *bench) { b.store.passwords[annID] = Password{Hash: "x"} }, ann, goodPassword),
		"hash of another function": spend(t, func(_ *testing.T, b *bench) { b.store.passwords[annID] = Password{Hash: "$2b$12$x"} }, ann, goodPassword),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestLockout(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	if _, err := b.store.UpdateAccount(t.Context(), annID, func(a *Account) error { a.Username = "asmith"; return nil }); err != nil {
		t.Fatal(err)
	}
	// By address, by username, in capitals: one account, one count (CVE-2025-24806).
	for _, name := range []string{ann, "asmith", "ANN@example.test"} {
		if _, err := b.CheckPassword(from(t), name, wrongly); !errors.Is(err, identity.ErrWrongPassword) {
			t.Fatal(err)
		}
	}
	if got := b.posted(); len(got) != 0 {
		t.Errorf("mails %q before the background work: the answer's time tells", got)
	}
	b.work(t)
	if diff := cmp.Diff([]string{"locked " + ann}, b.posted()); diff != "" {
		t.Errorf("mails (-want +got):\n%s", diff)
	}
	if _, err := b.CheckPassword(from(t), ann, goodPassword); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("the right password opened a locked account: %v", err)
	}
	want := []string{"sign_in_refused wrong_password " + annID, "sign_in_refused wrong_password " + annID, "sign_in_refused wrong_password " + annID,
		"account_locked failures " + annID, "sign_in_refused locked " + annID}
	if diff := cmp.Diff(want, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	until, err := b.LockedUntil(t.Context(), b.get(t, annID))
	if err != nil || !until.Equal(b.now.Add(15*time.Minute)) {
		t.Errorf("locked until %v, error %v", until, err)
	}
	if err := b.Unlock(t.Context(), annID, "cli"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"account_unlocked " + annID + " cli"}, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := b.CheckPassword(from(t), ann, goodPassword); err != nil {
		t.Errorf("after the unlock: %v", err)
	}
}

func TestLockoutEndsByItselfAndByTheRightPassword(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	try := func(password string) bool {
		_, err := b.CheckPassword(from(t), ann, password)
		if err != nil && !errors.Is(err, identity.ErrWrongPassword) {
			t.Fatal(err)
		}
		return err == nil
	}
	for range 5 { // two wrong, one right: never locked
		first, second := try(wrongly), try(wrongly)
		if first || second || !try(goodPassword) {
			t.Fatal("the right password at the third try did not count")
		}
	}
	for range 4 {
		try(wrongly)
	}
	b.now = b.now.Add(14*time.Minute + 59*time.Second)
	if try(goodPassword) {
		t.Error("opened a second too early")
	}
	b.now = b.now.Add(time.Second)
	if !try(goodPassword) {
		t.Error("still locked after its time")
	}
}

func TestUnknownNamesLockToo(t *testing.T) {
	b := newBench(t)
	for range 4 {
		if _, err := b.CheckPassword(from(t), nobody, wrongly); !errors.Is(err, identity.ErrWrongPassword) {
			t.Fatal(err)
		}
	}
	b.work(t)
	want := []string{"sign_in_refused unknown " + nobody, "sign_in_refused unknown " + nobody, "sign_in_refused unknown " + nobody,
		"account_locked failures " + nobody, "sign_in_refused locked " + nobody}
	if diff := cmp.Diff(want, b.reasons()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if got := b.posted(); len(got) != 0 {
		t.Errorf("mails %q", got)
	}
	for key := range b.store.failures {
		if strings.Contains(key, "nobody") {
			t.Errorf("the key %q tells what was typed", key)
		}
	}
}

func TestParallelGuesses(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	var verified atomic.Int32
	b.store.before = func(call string) {
		if call == "ClearFailures" { // only a right password comes here
			verified.Add(1)
		}
	}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if _, err := b.CheckPassword(t.Context(), ann, wrongly); !errors.Is(err, identity.ErrWrongPassword) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	reasons := map[string]int{}
	for _, r := range b.reasons() {
		reasons[r]++
	}
	want := map[string]int{"sign_in_refused wrong_password " + annID: 3, "sign_in_refused locked " + annID: 97, "account_locked failures " + annID: 1}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if verified.Load() != 0 || b.hash.spent.Load() != 100 {
		t.Errorf("%d passwords right, %d hashes; want 0 and 100", verified.Load(), b.hash.spent.Load())
	}
}

func TestOldHashesAreRenewedAtSignIn(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	old := b.store.passwords[annID].Hash
	b.hash = newHasherWith(params{memory: 16, time: 1, threads: 1})
	if _, err := b.CheckPassword(from(t), ann, wrongly); err == nil || b.store.passwords[annID].Hash != old {
		t.Errorf("a wrong password renewed the hash (%v)", err)
	}
	if _, err := b.CheckPassword(from(t), ann, goodPassword); err != nil {
		t.Fatal(err)
	}
	renewed := b.store.passwords[annID].Hash
	if !strings.Contains(renewed, "m=16,") {
		t.Errorf("hash %q", renewed)
	}
	if _, err := b.CheckPassword(from(t), ann, goodPassword); err != nil || b.store.passwords[annID].Hash != renewed {
		t.Errorf("second sign-in: error %v, or the hash was renewed again", err)
	}
}

func TestPasswordThatWasReplacedMeanwhile(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, *bench){
		"replaced": func(_ *testing.T, b *bench) { b.store.passwords[annID] = Password{Hash: b.hash.decoy} },
		"disabled": func(_ *testing.T, b *bench) {
			a := b.store.accounts[annID]
			a.State = Disabled
			b.store.accounts[annID] = a
		},
		"adopted": func(_ *testing.T, b *bench) {
			a := b.store.accounts[annID]
			a.Owner = "contoso"
			b.store.accounts[annID] = a
		},
		"deleted": func(_ *testing.T, b *bench) { delete(b.store.accounts, annID) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.local(t, ann)
			b.store.before = func(call string) {
				if call == "CountAttempt" { // after the look-ups, before the comparison
					meanwhile(t, b)
				}
			}
			if a, err := b.CheckPassword(from(t), ann, goodPassword); a != nil || !errors.Is(err, identity.ErrWrongPassword) {
				t.Errorf("account %+v, error %v", a, err)
			}
		})
	}
}

func TestNobodySignsInWhenTheStoreFails(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	calls := []string{"FindLocal", "GetPassword", "CountAttempt", "ClearFailures", "UpdateAccount"}
	for _, failing := range calls {
		b.store.before = func(call string) {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			b.store.fail = nil
			if call == failing {
				b.store.fail = errors.New("disk gone")
			}
		}
		a, err := b.CheckPassword(from(t), ann, goodPassword)
		if a != nil || err == nil || errors.Is(err, identity.ErrWrongPassword) || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s fails: account %+v, error %v", failing, a, err)
		}
	}
}

func TestHasLocal(t *testing.T) {
	b := newBench(t)
	b.local(t, ann)
	b.add(t, Account{ID: "new", Owner: OwnerLocal, Email: "new@example.test", Username: "newcomer", State: Invited})
	b.add(t, Account{ID: "off", Owner: OwnerLocal, Email: "off@example.test", State: Disabled})
	b.add(t, Account{ID: "eve", Owner: "contoso", Email: "eve@elsewhere.test", Username: "eve", State: Active})
	for identifier, want := range map[string]bool{" ANN@example.test": true, nobody: false, "newcomer": false, "off@example.test": false, "eve": false, "": false} {
		if got, err := b.HasLocal(t.Context(), identifier); err != nil || got != want {
			t.Errorf("%q: %v, %v", identifier, got, err)
		}
	}
	b.Config.Enabled = false
	if got, err := b.HasLocal(t.Context(), ann); err != nil || got {
		t.Errorf("switched off: %v, %v", got, err)
	}
}
