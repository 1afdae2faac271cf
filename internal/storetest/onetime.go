package storetest

import (
	"fmt"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

func tokens(t *testing.T, s AccountStore) {
	t.Run("token round trip", func(t *testing.T) { tokenRoundTrip(t, s) })
	t.Run("a newer token replaces the older", func(t *testing.T) {
		l, _ := create(t, s, account.OwnerLocal).Local()
		first, second, other := newToken(account.ForReset), newToken(account.ForReset), newToken(account.ForInvitation)
		for _, one := range []account.OneTime{first, other, second} {
			ok(t, s.CreateToken(t.Context(), l, one))
		}
		_, err := s.GetToken(t.Context(), first.Digest, first.Purpose, now())
		wantKind(t, "GetToken of the older", err, fault.NotFound)
		for _, one := range []account.OneTime{second, other} {
			_, err = s.GetToken(t.Context(), one.Digest, one.Purpose, now())
			ok(t, err)
		}
		wantKind(t, "the same digest again", s.CreateToken(t.Context(), mustLocal(create(t, s, account.OwnerLocal)), second), fault.Conflict)
	})
	t.Run("redeemed once", func(t *testing.T) { tokenRedeem(t, s) })
	t.Run("one of many redeems", func(t *testing.T) {
		for range 3 {
			l, _ := create(t, s, account.OwnerLocal).Local()
			one := newToken(account.ForReset)
			ok(t, s.CreateToken(t.Context(), l, one))
			oneWins(t, "RedeemToken", fault.NotFound, together(50, func(i int) error {
				_, err := s.RedeemToken(t.Context(), one.Digest, one.Purpose, now(), fmt.Sprint("h", i), 50)
				return err
			}))
			p, err := s.GetPassword(t.Context(), l)
			ok(t, err)
			same(t, "history after one redemption", 0, len(p.Previous))
		}
	})
	t.Run("withdrawn", func(t *testing.T) { tokenWithdrawn(t, s) })
	t.Run("dies with what it was for", func(t *testing.T) { tokenDies(t, s) })
	t.Run("sweep tokens", func(t *testing.T) {
		l, _ := create(t, s, account.OwnerLocal).Local()
		dead, live := newToken(account.ForReset), newToken(account.ForInvitation)
		live.ExpiresAt = now().Add(48 * time.Hour)
		ok(t, s.CreateToken(t.Context(), l, dead))
		ok(t, s.CreateToken(t.Context(), l, live))
		n, err := s.SweepTokens(t.Context(), now().Add(time.Hour))
		ok(t, err)
		if n < 1 {
			t.Errorf("the sweep removed %d tokens, want at least 1", n)
		}
		_, err = s.GetToken(t.Context(), dead.Digest, dead.Purpose, dead.CreatedAt)
		wantKind(t, "GetToken of the swept", err, fault.NotFound)
		_, err = s.GetToken(t.Context(), live.Digest, live.Purpose, now())
		ok(t, err)
	})
}

func mustLocal(a *account.Account) account.Local {
	l, _ := a.Local()
	return l
}

func tokenRoundTrip(t *testing.T, s AccountStore) {
	a := create(t, s, account.OwnerLocal)
	want := newToken(account.ForReset)
	want.AccountID = a.ID
	forged := want
	forged.AccountID = token.NewID() // whose token it is, the right says
	ok(t, s.CreateToken(t.Context(), mustLocal(a), forged))
	got, err := s.GetToken(t.Context(), want.Digest, want.Purpose, now())
	ok(t, err)
	same(t, "GetToken", want, got)
	tests := []struct {
		name, digest string
		purpose      account.Purpose
		now          time.Time
	}{
		{"unknown", token.Digest("x"), want.Purpose, now()},
		{"for another purpose", want.Digest, account.ForInvitation, now()},
		{"at its end", want.Digest, want.Purpose, want.ExpiresAt},
		{"past its end", want.Digest, want.Purpose, want.ExpiresAt.Add(time.Hour)},
	}
	for _, tt := range tests {
		_, err := s.GetToken(t.Context(), tt.digest, tt.purpose, tt.now)
		wantKind(t, "GetToken "+tt.name, err, fault.NotFound)
		_, err = s.RedeemToken(t.Context(), tt.digest, tt.purpose, tt.now, "hash", 5)
		wantKind(t, "RedeemToken "+tt.name, err, fault.NotFound)
	}
	got, err = s.GetToken(t.Context(), want.Digest, want.Purpose, want.ExpiresAt.Add(-time.Millisecond))
	ok(t, err)
	same(t, "GetToken after wrong redemptions", want, got)
	p, err := s.GetPassword(t.Context(), mustLocal(a))
	ok(t, err)
	same(t, "password after wrong redemptions", account.Password{}, p)
}

func tokenRedeem(t *testing.T, s AccountStore) {
	a := newAccount(account.OwnerLocal)
	a.State = account.Invited
	ok(t, s.CreateAccount(t.Context(), a, nil))
	invitation, reset := newToken(account.ForInvitation), newToken(account.ForReset)
	ok(t, s.CreateToken(t.Context(), mustLocal(a), invitation))
	ok(t, s.CreateToken(t.Context(), mustLocal(a), reset))
	at := now()
	id, err := s.RedeemToken(t.Context(), invitation.Digest, invitation.Purpose, at, "hash", 5)
	ok(t, err)
	same(t, "RedeemToken", a.ID, id)
	p, err := s.GetPassword(t.Context(), mustLocal(a))
	ok(t, err)
	same(t, "password", account.Password{Hash: "hash", ChangedAt: at}, p)
	got, err := s.GetAccount(t.Context(), a.ID)
	ok(t, err)
	same(t, "state", account.Active, got.State)
	for _, one := range []account.OneTime{invitation, reset} {
		_, err = s.RedeemToken(t.Context(), one.Digest, one.Purpose, at, "hash2", 5)
		wantKind(t, "RedeemToken after the first", err, fault.NotFound)
	}
}

func tokenWithdrawn(t *testing.T, s AccountStore) {
	l, _ := create(t, s, account.OwnerLocal).Local()
	reset, invitation, withdrawal := newToken(account.ForReset), newToken(account.ForInvitation), newToken(account.ForWithdrawal)
	for _, one := range []account.OneTime{reset, invitation, withdrawal} {
		ok(t, s.CreateToken(t.Context(), l, one))
	}
	for what, digest := range map[string]string{"reset token": reset.Digest, "unknown token": token.Digest("x")} {
		_, err := s.WithdrawReset(t.Context(), digest, now())
		wantKind(t, "WithdrawReset with "+what, err, fault.NotFound)
	}
	_, err := s.WithdrawReset(t.Context(), withdrawal.Digest, withdrawal.ExpiresAt)
	wantKind(t, "WithdrawReset too late", err, fault.NotFound)
	_, err = s.GetToken(t.Context(), reset.Digest, reset.Purpose, now())
	ok(t, err)
	oneWins(t, "WithdrawReset", fault.NotFound, together(50, func(int) error {
		id, err := s.WithdrawReset(t.Context(), withdrawal.Digest, now())
		if err == nil && id != l.AccountID() {
			t.Errorf("withdrawn for %q", id)
		}
		return err
	}))
	_, err = s.RedeemToken(t.Context(), reset.Digest, reset.Purpose, now(), "hash", 5)
	wantKind(t, "RedeemToken of what was withdrawn", err, fault.NotFound)
	_, err = s.GetToken(t.Context(), invitation.Digest, invitation.Purpose, now())
	ok(t, err)
}

func tokenDies(t *testing.T, s AccountStore) {
	tests := []struct {
		name   string
		change func(*account.Account) error
		dies   bool
	}{
		{"disabled", func(a *account.Account) error { a.State = account.Disabled; return nil }, true},
		{"another address", func(a *account.Account) error { a.Email = "x" + a.Email; return nil }, true},
		{"another name", func(a *account.Account) error { a.Name = "Bob"; return nil }, false},
	}
	for _, tt := range tests {
		a := create(t, s, account.OwnerLocal)
		one := newToken(account.ForReset)
		ok(t, s.CreateToken(t.Context(), mustLocal(a), one))
		_, err := s.UpdateAccount(t.Context(), a.ID, tt.change)
		ok(t, err)
		_, err = s.UpdateAccount(t.Context(), a.ID, func(a *account.Account) error { a.State = account.Active; return nil })
		ok(t, err)
		_, err = s.GetToken(t.Context(), one.Digest, one.Purpose, now())
		if tt.dies {
			wantKind(t, tt.name+": GetToken", err, fault.NotFound)
			_, err = s.RedeemToken(t.Context(), one.Digest, one.Purpose, now(), "hash", 5)
			wantKind(t, tt.name+": RedeemToken", err, fault.NotFound)
		} else if err != nil {
			t.Errorf("%s: GetToken: %v", tt.name, err)
		}
	}
}
