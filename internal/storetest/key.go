package storetest

import (
	"testing"
	"time"

	"crmgate/internal/token"
)

// Keys is the contract of token.KeyStore.
func Keys(t *testing.T, s token.KeyStore) {
	t.Run("newest first, purposes apart", func(t *testing.T) {
		purpose, at := token.NewID(), now()
		var want []token.Key
		for i := range 3 {
			k := token.NewSealKey(at.Add(time.Duration(i) * time.Hour))
			k.Purpose = purpose
			ok(t, s.CreateKey(t.Context(), k, i == 0))
			want = append([]token.Key{k}, want...)
		}
		got, err := s.ListKeys(t.Context(), purpose)
		ok(t, err)
		same(t, "ListKeys", want, got)
		got, err = s.ListKeys(t.Context(), token.NewID())
		ok(t, err)
		same(t, "ListKeys of another purpose", 0, len(got))
	})
	t.Run("only first", func(t *testing.T) {
		for _, onlyFirst := range []bool{true, false} {
			purpose := token.NewID()
			first, second := token.NewSealKey(now()), token.NewSealKey(now())
			first.Purpose, second.Purpose = purpose, purpose
			ok(t, s.CreateKey(t.Context(), first, onlyFirst))
			ok(t, s.CreateKey(t.Context(), second, true))
			got, err := s.ListKeys(t.Context(), purpose)
			ok(t, err)
			same(t, "ListKeys after a second first key", []token.Key{first}, got)
		}
	})
	t.Run("replicas that start at once", func(t *testing.T) {
		for range 5 {
			purpose := token.NewID()
			for _, err := range together(20, func(int) error {
				k := token.NewSealKey(now())
				k.Purpose = purpose
				return s.CreateKey(t.Context(), k, true)
			}) {
				ok(t, err)
			}
			got, err := s.ListKeys(t.Context(), purpose)
			ok(t, err)
			same(t, "keys after 20 first starts", 1, len(got))
		}
	})
}
