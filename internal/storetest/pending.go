package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

func newPending(holder string, at time.Time) session.Pending {
	return session.Pending{Digest: token.Digest(token.NewSecret()), Holder: holder, State: "sealed", CreatedAt: at, ExpiresAt: at.Add(10 * time.Minute)}
}

// Pending is the contract of session.PendingStore.
func Pending(t *testing.T, s session.PendingStore) {
	t.Run("taken once", func(t *testing.T) {
		want := newPending(token.NewID(), now())
		ok(t, s.CreatePending(t.Context(), want, 16))
		got, err := s.GetPending(t.Context(), want.Digest, want.Holder, now())
		ok(t, err)
		same(t, "GetPending", want, got)
		oneWins(t, "TakePending", fault.NotFound, together(50, func(int) error {
			got, err := s.TakePending(t.Context(), want.Digest, want.Holder, now())
			if err == nil {
				same(t, "TakePending", want, got)
			}
			return err
		}))
		_, err = s.GetPending(t.Context(), want.Digest, want.Holder, now())
		wantKind(t, "GetPending of the taken", err, fault.NotFound)
		wantKind(t, "the same ticket twice", errors.Join(s.CreatePending(t.Context(), want, 16), s.CreatePending(t.Context(), want, 16)), fault.Conflict)
	})
	t.Run("all parts must match", func(t *testing.T) { pendingParts(t, s) })
	t.Run("changes one after another", func(t *testing.T) {
		p := newPending(token.NewID(), now())
		p.State = ""
		ok(t, s.CreatePending(t.Context(), p, 16))
		for _, err := range together(50, func(int) error {
			_, err := s.UpdatePending(t.Context(), p.Digest, p.Holder, now(), func(p *session.Pending) error {
				p.State += "x"
				p.Holder, p.ExpiresAt = "somebody else", now().Add(time.Hour) // neither changes
				return nil
			})
			return err
		}) {
			ok(t, err)
		}
		got, err := s.GetPending(t.Context(), p.Digest, p.Holder, now())
		ok(t, err)
		same(t, "changes kept of 50", 50, len(got.State))
		same(t, "end", p.ExpiresAt, got.ExpiresAt)
		refused := fault.New(fault.TooMany, "No more.")
		_, err = s.UpdatePending(t.Context(), p.Digest, p.Holder, now(), func(p *session.Pending) error { p.State = "gone"; return refused })
		wantKind(t, "a refused change", err, fault.TooMany)
		got, err = s.GetPending(t.Context(), p.Digest, p.Holder, now())
		ok(t, err)
		same(t, "state after a refused change", 50, len(got.State))
	})
	t.Run("oldest gives way", func(t *testing.T) {
		holder, at := token.NewID(), now()
		var all []session.Pending
		for i := range 5 {
			p := newPending(holder, at.Add(time.Duration(min(i, 3))*time.Second))
			ok(t, s.CreatePending(t.Context(), p, 3))
			all = append(all, p)
		}
		left := ""
		for i, p := range all {
			if _, err := s.GetPending(t.Context(), p.Digest, holder, at); err == nil {
				left += fmt.Sprint(i)
			}
		}
		same(t, "left of five with keep 3", "234", left)
	})
	t.Run("sweep", func(t *testing.T) {
		p := newPending(token.NewID(), now())
		ok(t, s.CreatePending(t.Context(), p, 16))
		n, err := s.SweepPending(t.Context(), p.ExpiresAt.Add(time.Second))
		ok(t, err)
		if n < 1 {
			t.Errorf("the sweep removed %d, want at least 1", n)
		}
	})
}

func pendingParts(t *testing.T, s session.PendingStore) {
	at := now()
	p := newPending(token.NewID(), at)
	ok(t, s.CreatePending(t.Context(), p, 16))
	for _, tt := range []struct {
		name, digest, holder string
		now                  time.Time
	}{
		{"another ticket", token.Digest("x"), p.Holder, at},
		{"another holder", p.Digest, token.NewID(), at},
		{"no holder", p.Digest, "", at},
		{"hostile", p.Digest + "\x00\xff", p.Holder, at},
		{"at its end", p.Digest, p.Holder, p.ExpiresAt},
		{"past its end", p.Digest, p.Holder, p.ExpiresAt.Add(time.Hour)},
	} {
		_, err := s.GetPending(t.Context(), tt.digest, tt.holder, tt.now)
		wantKind(t, "GetPending: "+tt.name, err, fault.NotFound)
		_, err = s.UpdatePending(t.Context(), tt.digest, tt.holder, tt.now, func(*session.Pending) error { return nil })
		wantKind(t, "UpdatePending: "+tt.name, err, fault.NotFound)
		_, err = s.TakePending(t.Context(), tt.digest, tt.holder, tt.now)
		wantKind(t, "TakePending: "+tt.name, err, fault.NotFound)
	}
	got, err := s.TakePending(t.Context(), p.Digest, p.Holder, p.ExpiresAt.Add(-time.Millisecond))
	ok(t, err)
	same(t, "TakePending after wrong ones", p, got)
}
