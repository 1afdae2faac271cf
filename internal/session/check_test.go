package session_test

import (
	"context"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/session"
)

// provider is a session.Checker that finds sessions due ten minutes after they were checked, overdue after twenty and lapsed after thirty.
type provider struct {
	asked  atomic.Int32
	answer func(s *session.Session)
}

func (p *provider) Urgency(s *session.Session, now time.Time) session.Urgency {
	return session.Urgency(min(now.Sub(s.CheckedAt)/(10*time.Minute), 3))
}

func (p *provider) Check(s *session.Session) <-chan struct{} {
	p.asked.Add(1)
	p.answer(s)
	done := make(chan struct{})
	close(done)
	return done
}

func TestChecks(t *testing.T) {
	confirm := func(m *session.Manager, c *clock) func(*session.Session) {
		return func(s *session.Session) {
			if _, err := m.Update(context.Background(), s.ID, func(one *session.Session) error {
				one.CheckedAt, one.Groups = c.now(), []string{"fresh"}
				return nil
			}); err != nil && !fault.Is(err, fault.NotFound) {
				t.Error(err)
			}
		}
	}
	end := func(m *session.Manager, _ *clock) func(*session.Session) {
		return func(s *session.Session) {
			if err := m.Revoke(context.Background(), s.ID); err != nil {
				t.Error(err)
			}
		}
	}
	silence := func(*session.Manager, *clock) func(*session.Session) { return func(*session.Session) {} }
	for _, tt := range []struct {
		name   string
		after  time.Duration
		answer func(*session.Manager, *clock) func(*session.Session)
		asked  int32
		// now and then are what this look-up and the next one find: a group, nothing, or an error.
		now, then string
	}{
		{"settled", 9 * time.Minute, confirm, 0, "old", "old"},
		{"due: the request goes on with what is known", 11 * time.Minute, confirm, 1, "old", "fresh"},
		{"due and ended: the request that asked has ended, too", 11 * time.Minute, end, 1, "", ""},
		{"overdue: the request waits", 21 * time.Minute, confirm, 1, "fresh", "fresh"},
		{"overdue and ended", 21 * time.Minute, end, 1, "", ""},
		{"overdue without an answer", 21 * time.Minute, silence, 1, "old", "old"},
		{"lapsed, and the provider is back", 31 * time.Minute, confirm, 1, "fresh", "fresh"},
		{"lapsed without an answer", 31 * time.Minute, silence, 2, "error", "error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, _, c := newManager()
			p := &provider{answer: tt.answer(m, c)}
			m.Checks = p
			_, cookie := start(t, m, session.Session{AccountID: "a", Groups: []string{"old"}})
			find := func() string {
				s, err := m.Lookup(request(cookie))
				switch {
				case fault.Is(err, fault.Unavailable):
					return "error"
				case err != nil:
					t.Fatal(err)
				case s == nil:
					return ""
				}
				return s.Groups[0]
			}
			c.add(tt.after)
			if got := find(); got != tt.now {
				t.Errorf("Lookup found %q, want %q", got, tt.now)
			}
			if got := find(); got != tt.then {
				t.Errorf("the next Lookup found %q, want %q", got, tt.then)
			}
			if got := p.asked.Load(); got != tt.asked {
				t.Errorf("asked %d times, want %d", got, tt.asked)
			}
		})
	}
}

func TestChecksAreForWhoHoldsTheSecret(t *testing.T) {
	m, _, c := newManager()
	p := &provider{answer: func(*session.Session) {}}
	m.Checks = p
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	c.add(15 * time.Minute)
	foreign := *cookie
	foreign.Value = s.ID + "." + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	if got := lookup(t, m, &foreign); got != "" || p.asked.Load() != 0 {
		t.Errorf("Lookup = %q and %d questions with a foreign secret", got, p.asked.Load())
	}
	if alive, err := m.Alive(t.Context(), s.ID); !alive || err != nil || p.asked.Load() != 1 {
		t.Errorf("Alive = %v, %v and %d questions; an open stream has the provider asked, too", alive, err, p.asked.Load())
	}
}

func TestSignOutAsksNoProvider(t *testing.T) {
	m, f, c := newManager()
	p := &provider{answer: func(*session.Session) {}}
	m.Checks = p
	_, cookie := start(t, m, session.Session{AccountID: "a"})
	c.add(35 * time.Minute)
	ended, err := m.End(httptest.NewRecorder(), request(cookie))
	if err != nil || ended == nil || len(f.ids()) != 0 || p.asked.Load() != 0 {
		t.Errorf("End = %v with %d questions, store %v", ended, p.asked.Load(), f.ids())
	}
}

func TestUpdateIsSeenAtOnce(t *testing.T) {
	m, f, _ := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a", Groups: []string{"old"}})
	// A look-up reads the record before the change and answers after it.
	read, answer := make(chan struct{}), make(chan struct{})
	f.set(func(f *fake) { f.onGet = func(context.Context) { close(read); <-answer } })
	var wg sync.WaitGroup
	wg.Go(func() { m.Lookup(request(cookie)) })
	<-read
	f.set(func(f *fake) { f.onGet = nil })
	if _, err := m.Update(t.Context(), s.ID, func(one *session.Session) error { one.Groups = []string{"new"}; return nil }); err != nil {
		t.Fatal(err)
	}
	close(answer)
	wg.Wait()
	got, err := m.Lookup(request(cookie))
	if err != nil || got.Groups[0] != "new" {
		t.Errorf("after Update Lookup = %v, %v", got, err)
	}
	if _, err := m.Update(t.Context(), "gone", func(*session.Session) error { return nil }); !fault.Is(err, fault.NotFound) {
		t.Errorf("Update of nothing = %v", err)
	}
}

func TestEndProvider(t *testing.T) {
	m, _, _ := newManager()
	_, ann := start(t, m, session.Session{AccountID: "a", Provider: "p", Issuer: "i", Subject: "ann", ProviderSession: "s1"})
	_, bob := start(t, m, session.Session{AccountID: "b", Provider: "p", Issuer: "i", Subject: "bob", ProviderSession: "s2"})
	if lookup(t, m, ann) == "" || lookup(t, m, bob) == "" {
		t.Fatal("not signed in")
	}
	ended, err := m.EndProvider(t.Context(), "p", "i", "ann", "")
	if err != nil || len(ended) != 1 || ended[0].AccountID != "a" {
		t.Errorf("EndProvider = %v, %v", ended, err)
	}
	if lookup(t, m, ann) != "" || lookup(t, m, bob) == "" {
		t.Error("not that session alone has ended, at once")
	}
}
