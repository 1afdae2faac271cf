package storetest

import (
	"crypto/rand"
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
			k := newKey(purpose, at.Add(time.Duration(i)*time.Hour))
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
			first, second := newKey(purpose, now()), newKey(purpose, now())
			ok(t, s.CreateKey(t.Context(), first, onlyFirst))
			ok(t, s.CreateKey(t.Context(), second, true))
			got, err := s.ListKeys(t.Context(), purpose)
			ok(t, err)
			same(t, "ListKeys after a second first key", []token.Key{first}, got)
		}
	})
	t.Run("withdrawn", func(t *testing.T) {
		purpose, other := token.NewID(), token.NewID()
		first, second, third := newKey(purpose, now()), newKey(purpose, now().Add(time.Second)), newKey(purpose, now().Add(2*time.Second))
		for i, k := range []token.Key{first, second, third} {
			ok(t, s.CreateKey(t.Context(), k, i == 0))
		}
		ok(t, s.CreateKey(t.Context(), newKey(other, now()), true))
		n, err := s.DeleteKeys(t.Context(), purpose, third.ID)
		ok(t, err)
		got, err := s.ListKeys(t.Context(), purpose)
		ok(t, err)
		same(t, "keys left", []token.Key{third}, got)
		same(t, "keys withdrawn", 2, n)
		got, err = s.ListKeys(t.Context(), other)
		ok(t, err)
		same(t, "keys of another purpose", 1, len(got))
	})
	t.Run("replicas that start at once", func(t *testing.T) {
		for range 5 {
			purpose := token.NewID()
			for _, err := range together(20, func(int) error {
				return s.CreateKey(t.Context(), newKey(purpose, now()), true)
			}) {
				ok(t, err)
			}
			got, err := s.ListKeys(t.Context(), purpose)
			ok(t, err)
			same(t, "keys after 20 first starts", 1, len(got))
		}
	})
}

// newKey returns a key of random bytes, among them such as no text has.
func newKey(purpose string, at time.Time) token.Key {
	material := make([]byte, 32)
	rand.Read(material)
	return token.Key{ID: token.NewID(), Purpose: purpose, Material: material, CreatedAt: at}
}
