package storetest

import (
	"strings"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/token"
)

// FactorStore is what keeps factors, beside the accounts that they belong to.
type FactorStore interface {
	AccountStore
	mfa.Store
	mfa.DeviceStore
}

func newFactor(accountID string, k mfa.Kind) mfa.Enrolment {
	return mfa.Enrolment{ID: token.NewID(), AccountID: accountID, Kind: k, Name: "Änn's phone", Secret: "sealed", CreatedAt: now()}
}

func newDevice(accountID string, at time.Time) mfa.Device {
	return mfa.Device{ID: token.NewID(), AccountID: accountID, Digest: token.Digest(token.NewSecret()), Name: "Mozilla/5.0 (ä)", Address: "192.0.2.7",
		CreatedAt: at, UsedAt: at, ExpiresAt: at.Add(time.Hour)}
}

// Factors is the contract of mfa.Store and mfa.DeviceStore.
func Factors(t *testing.T, s FactorStore) {
	t.Run("round trip", func(t *testing.T) { factorRoundTrip(t, s) })
	t.Run("only the first", func(t *testing.T) { factorFirst(t, s) })
	t.Run("a look-up is one's", func(t *testing.T) {
		a, b := create(t, s, account.OwnerLocal), create(t, s, account.OwnerLocal)
		lookup := token.Digest(token.NewSecret())
		oneWins(t, "CreateFactor", fault.Conflict, together(50, func(i int) error {
			e := newFactor([]string{a.ID, b.ID}[i%2], mfa.Passkey)
			e.Lookup = lookup
			return s.CreateFactor(t.Context(), e, 100, false)
		}))
	})
	t.Run("as many as may be", func(t *testing.T) {
		a, made := create(t, s, account.OwnerLocal), 0
		for _, err := range together(50, func(int) error { return s.CreateFactor(t.Context(), newFactor(a.ID, mfa.TOTP), 3, false) }) {
			if err == nil {
				made++
			} else {
				wantKind(t, "one too many", err, fault.Conflict)
			}
		}
		same(t, "factors of at most 3", 3, made)
	})
	t.Run("changed one after another", func(t *testing.T) { factorRace(t, s) })
	t.Run("goes with what it hangs on", func(t *testing.T) { factorDies(t, s) })
	t.Run("first prompt", func(t *testing.T) {
		a, at := create(t, s, account.OwnerLocal), now()
		for i := range 3 {
			first, err := s.FirstPrompted(t.Context(), a.ID, at.Add(time.Duration(i)*time.Hour))
			ok(t, err)
			same(t, "FirstPrompted", at, first)
		}
	})
	t.Run("devices", func(t *testing.T) { devices(t, s) })
}

func factorRoundTrip(t *testing.T, s FactorStore) {
	a, other := create(t, s, account.OwnerLocal), create(t, s, "contoso")
	want := newFactor(a.ID, mfa.Passkey)
	want.Lookup, want.UsedAt = token.Digest(token.NewSecret()), now()
	second := newFactor(a.ID, mfa.TOTP)
	second.CreatedAt = want.CreatedAt.Add(time.Second)
	ok(t, s.CreateFactor(t.Context(), want, 20, false))
	ok(t, s.CreateFactor(t.Context(), second, 20, false))
	ok(t, s.CreateFactor(t.Context(), newFactor(other.ID, mfa.TOTP), 20, false))
	list, err := s.ListFactors(t.Context(), a.ID)
	ok(t, err)
	same(t, "ListFactors", []mfa.Enrolment{want, second}, list)
	found, err := s.FindFactor(t.Context(), want.Lookup)
	ok(t, err)
	same(t, "FindFactor", want, found)
	for _, lookup := range []string{"", token.Digest("x"), "ä'); --"} {
		_, err := s.FindFactor(t.Context(), lookup)
		wantKind(t, "FindFactor of nothing", err, fault.NotFound)
	}
	_, err = s.UpdateFactor(t.Context(), other.ID, want.ID, func(*mfa.Enrolment) error { return nil })
	wantKind(t, "UpdateFactor by another account", err, fault.NotFound)
	wantKind(t, "DeleteFactor by another account", s.DeleteFactor(t.Context(), other.ID, want.ID), fault.NotFound)
	at := now().Add(time.Minute)
	got, err := s.UpdateFactor(t.Context(), a.ID, want.ID, func(e *mfa.Enrolment) error {
		e.Name, e.Secret, e.UsedAt, e.Kind, e.Lookup, e.AccountID = "key", "new", at, mfa.SMS, "", other.ID
		return nil
	})
	ok(t, err)
	want.Name, want.Secret, want.UsedAt = "key", "new", at
	same(t, "UpdateFactor", want, got)
	found, err = s.FindFactor(t.Context(), want.Lookup)
	ok(t, err)
	same(t, "FindFactor after a change", want, found)
	ok(t, s.DeleteFactor(t.Context(), a.ID, want.ID))
	wantKind(t, "DeleteFactor twice", s.DeleteFactor(t.Context(), a.ID, want.ID), fault.NotFound)
	wantKind(t, "CreateFactor for nobody", s.CreateFactor(t.Context(), newFactor(token.NewID(), mfa.TOTP), 20, false), fault.NotFound)
	hostile := newFactor(a.ID, mfa.TOTP)
	hostile.Name = "a\x00\xff" + strings.Repeat("x", 10_000)
	ok(t, s.CreateFactor(t.Context(), hostile, 20, false))
}

func factorFirst(t *testing.T, s FactorStore) {
	a := create(t, s, account.OwnerLocal)
	ok(t, s.CreateFactor(t.Context(), newFactor(a.ID, mfa.Recovery), 20, false)) // stands in, and does not count
	oneWins(t, "CreateFactor with onlyFirst", fault.Conflict, together(50, func(int) error {
		return s.CreateFactor(t.Context(), newFactor(a.ID, mfa.TOTP), 20, true)
	}))
	ok(t, s.CreateFactor(t.Context(), newFactor(a.ID, mfa.TOTP), 20, false))
}

func factorRace(t *testing.T, s FactorStore) {
	a := create(t, s, account.OwnerLocal)
	e := newFactor(a.ID, mfa.Recovery)
	e.Secret = "one code"
	ok(t, s.CreateFactor(t.Context(), e, 20, false))
	used := fault.New(fault.Conflict, "Used.")
	oneWins(t, "a code used 50 times", fault.Conflict, together(50, func(int) error {
		_, err := s.UpdateFactor(t.Context(), a.ID, e.ID, func(e *mfa.Enrolment) error {
			if e.Secret == "" {
				return used
			}
			e.Secret = ""
			return nil
		})
		return err
	}))
}

func factorDies(t *testing.T, s FactorStore) {
	for _, tt := range []struct {
		name              string
		do                func(*account.Account) error
		factors, prompted int
		devices           int
	}{
		{"a new password", func(a *account.Account) error { return s.SetPassword(t.Context(), mustLocal(a), "hash", 5, now()) }, 1, 1, 0},
		{"a provider takes it over", func(a *account.Account) error {
			_, err := s.AdoptAccount(t.Context(), a.ID, newLink())
			return err
		}, 0, 1, 0},
		{"deleted", func(a *account.Account) error { return s.DeleteAccount(t.Context(), a.ID) }, 0, 0, 0},
		{"cleared", func(a *account.Account) error {
			n, err := s.DeleteFactors(t.Context(), a.ID)
			same(t, "DeleteFactors", 1, n)
			return err
		}, 0, 1, 0},
		{"another name", func(a *account.Account) error {
			_, err := s.UpdateAccount(t.Context(), a.ID, func(a *account.Account) error { a.Name = "Bob"; return nil })
			return err
		}, 1, 1, 1},
	} {
		a := create(t, s, account.OwnerLocal)
		e, dev := newFactor(a.ID, mfa.TOTP), newDevice(a.ID, now())
		ok(t, s.CreateFactor(t.Context(), e, 20, false))
		ok(t, s.CreateDevice(t.Context(), dev, 20))
		ok(t, tt.do(a))
		list, err := s.ListFactors(t.Context(), a.ID)
		ok(t, err)
		same(t, tt.name+": factors", tt.factors, len(list))
		left, err := s.ListDevices(t.Context(), a.ID, now())
		ok(t, err)
		same(t, tt.name+": devices", tt.devices, len(left))
		if _, err := s.UseDevice(t.Context(), a.ID, dev.Digest, now()); (err == nil) != (tt.devices > 0) {
			t.Errorf("%s: UseDevice %v", tt.name, err)
		}
	}
}

func devices(t *testing.T, s FactorStore) {
	a, other, at := create(t, s, account.OwnerLocal), create(t, s, account.OwnerLocal), now()
	want := newDevice(a.ID, at)
	ok(t, s.CreateDevice(t.Context(), want, 3))
	for _, tt := range []struct {
		name, account, digest string
		now                   time.Time
	}{
		{"another account's", other.ID, want.Digest, at},
		{"another secret", a.ID, token.Digest("x"), at},
		{"at its end", a.ID, want.Digest, want.ExpiresAt},
	} {
		_, err := s.UseDevice(t.Context(), tt.account, tt.digest, tt.now)
		wantKind(t, "UseDevice "+tt.name, err, fault.NotFound)
	}
	want.UsedAt = at.Add(time.Minute)
	got, err := s.UseDevice(t.Context(), a.ID, want.Digest, want.UsedAt)
	ok(t, err)
	same(t, "UseDevice", want, got)
	for i := range 3 {
		ok(t, s.CreateDevice(t.Context(), newDevice(a.ID, at.Add(time.Duration(i+1)*time.Second)), 3))
	}
	list, err := s.ListDevices(t.Context(), a.ID, at)
	ok(t, err)
	same(t, "devices of four with keep 3", 3, len(list))
	_, err = s.UseDevice(t.Context(), a.ID, want.Digest, at)
	wantKind(t, "UseDevice of the oldest", err, fault.NotFound)
	ok(t, s.DeleteDevice(t.Context(), other.ID, list[0].ID)) // not the other's to end
	ok(t, s.DeleteDevice(t.Context(), a.ID, list[1].ID))
	list, err = s.ListDevices(t.Context(), a.ID, at)
	ok(t, err)
	same(t, "devices left", 2, len(list))
	ok(t, s.DeleteDevice(t.Context(), a.ID, ""))
	list, err = s.ListDevices(t.Context(), a.ID, at)
	ok(t, err)
	same(t, "devices after all were ended", 0, len(list))
	ok(t, s.CreateDevice(t.Context(), newDevice(a.ID, at), 3))
	n, err := s.SweepDevices(t.Context(), at.Add(2*time.Hour))
	ok(t, err)
	if n < 1 {
		t.Errorf("the sweep removed %d devices, want at least 1", n)
	}
}
