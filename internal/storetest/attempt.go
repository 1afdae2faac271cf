package storetest

import (
	"fmt"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

func newAttempt(browser string, at time.Time) session.Attempt {
	return session.Attempt{
		StateDigest: token.Digest(token.NewSecret()), Browser: browser, Provider: "contoso", Nonce: token.NewSecret(), Verifier: token.NewSecret(),
		ReturnTo: "/deals?q=ä&x=1;y", CreatedAt: at, ExpiresAt: at.Add(10 * time.Minute),
	}
}

// Attempts is the contract of session.AttemptStore.
func Attempts(t *testing.T, s session.AttemptStore) {
	t.Run("taken once", func(t *testing.T) {
		at := now()
		want := newAttempt(token.Digest(token.NewSecret()), at)
		ok(t, s.CreateAttempt(t.Context(), want, 16))
		got, err := s.TakeAttempt(t.Context(), want.StateDigest, want.Browser, want.Provider, at)
		ok(t, err)
		same(t, "TakeAttempt", want, got)
		_, err = s.TakeAttempt(t.Context(), want.StateDigest, want.Browser, want.Provider, at)
		wantKind(t, "second TakeAttempt", err, fault.NotFound)
	})
	t.Run("all parts must match", func(t *testing.T) { attemptParts(t, s) })
	t.Run("oldest gives way", func(t *testing.T) { attemptKeep(t, s) })
	t.Run("sweep", func(t *testing.T) {
		at := now()
		a := newAttempt(token.Digest(token.NewSecret()), at)
		ok(t, s.CreateAttempt(t.Context(), a, 16))
		n, err := s.SweepAttempts(t.Context(), a.ExpiresAt.Add(time.Second))
		ok(t, err)
		if n < 1 {
			t.Errorf("the sweep removed %d attempts, want at least 1", n)
		}
		_, err = s.TakeAttempt(t.Context(), a.StateDigest, a.Browser, a.Provider, at)
		wantKind(t, "TakeAttempt after the sweep", err, fault.NotFound)
	})
	t.Run("one callback wins", func(t *testing.T) {
		for range 5 {
			a := newAttempt(token.Digest(token.NewSecret()), now())
			ok(t, s.CreateAttempt(t.Context(), a, 16))
			oneWins(t, "TakeAttempt", fault.NotFound, together(30, func(int) error {
				got, err := s.TakeAttempt(t.Context(), a.StateDigest, a.Browser, a.Provider, a.CreatedAt)
				if err == nil && got.Verifier != a.Verifier {
					return fmt.Errorf("took somebody else's attempt")
				}
				return err
			}))
		}
	})
	t.Run("tabs at once", func(t *testing.T) {
		browser, at := token.Digest(token.NewSecret()), now()
		for _, err := range together(20, func(int) error { return s.CreateAttempt(t.Context(), newAttempt(browser, at), 4) }) {
			ok(t, err)
		}
		for range 10 { // in the same millisecond: the newest works all the same
			last := newAttempt(browser, at)
			ok(t, s.CreateAttempt(t.Context(), last, 1))
			neighbour := newAttempt(browser, at)
			ok(t, s.CreateAttempt(t.Context(), neighbour, 2))
			_, err := s.TakeAttempt(t.Context(), neighbour.StateDigest, browser, neighbour.Provider, at)
			ok(t, err)
			_, err = s.TakeAttempt(t.Context(), last.StateDigest, browser, last.Provider, at)
			ok(t, err)
		}
	})
}

func attemptParts(t *testing.T, s session.AttemptStore) {
	at := now()
	a := newAttempt(token.Digest(token.NewSecret()), at)
	ok(t, s.CreateAttempt(t.Context(), a, 16))
	other := token.Digest(token.NewSecret())
	tests := []struct {
		name                     string
		state, browser, provider string
		now                      time.Time
	}{
		{"another state", other, a.Browser, a.Provider, at},
		{"another browser", a.StateDigest, other, a.Provider, at},
		{"no browser", a.StateDigest, "", a.Provider, at},
		{"another provider", a.StateDigest, a.Browser, "fabrikam", at},
		{"hostile provider", a.StateDigest, a.Browser, "contoso\x00\xff", at},
		{"at its end", a.StateDigest, a.Browser, a.Provider, a.ExpiresAt},
		{"past its end", a.StateDigest, a.Browser, a.Provider, a.ExpiresAt.Add(time.Hour)},
	}
	for _, tt := range tests {
		_, err := s.TakeAttempt(t.Context(), tt.state, tt.browser, tt.provider, tt.now)
		wantKind(t, tt.name, err, fault.NotFound)
	}
	got, err := s.TakeAttempt(t.Context(), a.StateDigest, a.Browser, a.Provider, a.ExpiresAt.Add(-time.Millisecond))
	ok(t, err)
	same(t, "TakeAttempt after wrong ones", a, got)
}

func attemptKeep(t *testing.T, s session.AttemptStore) {
	browser, at := token.Digest(token.NewSecret()), now()
	neighbour := newAttempt(token.Digest(token.NewSecret()), at.Add(-time.Minute))
	ok(t, s.CreateAttempt(t.Context(), neighbour, 3))
	var made []session.Attempt
	for i := range 5 {
		// The clock stands still for the last two: the newest survives all the same.
		a := newAttempt(browser, at.Add(time.Duration(min(i, 3))*time.Second))
		ok(t, s.CreateAttempt(t.Context(), a, 3))
		made = append(made, a)
	}
	var left []int
	for i, a := range made {
		if _, err := s.TakeAttempt(t.Context(), a.StateDigest, browser, a.Provider, at); err == nil {
			left = append(left, i)
		}
	}
	same(t, "attempts left of five with keep 3", []int{2, 3, 4}, left)
	_, err := s.TakeAttempt(t.Context(), neighbour.StateDigest, neighbour.Browser, neighbour.Provider, at)
	ok(t, err)
}
