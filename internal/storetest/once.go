package storetest

import (
	"strings"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Once is the contract of token.OnceStore.
func Once(t *testing.T, s token.OnceStore) {
	t.Run("one of many", func(t *testing.T) {
		id, until := token.NewSecret(), now().Add(time.Minute)
		oneWins(t, "UseOnce", fault.Conflict, together(50, func(int) error { return s.UseOnce(t.Context(), "jti", id, until) }))
		ok(t, s.UseOnce(t.Context(), "totp", id, until)) // another purpose has its own
	})
	t.Run("hostile ids", func(t *testing.T) {
		for _, id := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 100_000), "ä'); --"} {
			ok(t, s.UseOnce(t.Context(), "hostile"+token.NewID(), id, now().Add(time.Minute)))
		}
	})
	t.Run("sweep", func(t *testing.T) {
		old, fresh, at := token.NewID(), token.NewID(), now()
		ok(t, s.UseOnce(t.Context(), "jti", old, at.Add(time.Minute)))
		ok(t, s.UseOnce(t.Context(), "jti", fresh, at.Add(time.Hour)))
		n, err := s.SweepOnce(t.Context(), at.Add(2*time.Minute))
		ok(t, err)
		if n < 1 {
			t.Errorf("the sweep forgot %d, want at least 1", n)
		}
		wantKind(t, "UseOnce of what is remembered", s.UseOnce(t.Context(), "jti", fresh, at.Add(time.Hour)), fault.Conflict)
		ok(t, s.UseOnce(t.Context(), "jti", old, at.Add(time.Hour)))
	})
}
