package session_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

func TestLookupFreshness(t *testing.T) {
	m, f, c := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	steps := []struct {
		name   string
		before func()
		want   string
		gets   int
	}{
		{"first asks the store", func() {}, s.ID, 1},
		{"second is answered from memory", func() { c.add(session.Freshness - time.Millisecond) }, s.ID, 1},
		{"a second later the store is asked again", func() { c.add(time.Millisecond) }, s.ID, 2},
		{"another process ends it: memory does not know", func() { f.DeleteSession(t.Context(), s.ID) }, s.ID, 2},
		{"but notices with the next question", func() { c.add(session.Freshness) }, "", 3},
		{"an unknown id is not asked again at once", func() { c.add(session.Freshness) }, "", 3},
	}
	gets0, _ := f.counts()
	for _, step := range steps {
		step.before()
		if got := lookup(t, m, cookie); got != step.want {
			t.Errorf("%s: Lookup = %q, want %q", step.name, got, step.want)
		}
		if gets, _ := f.counts(); gets-gets0 != step.gets {
			t.Errorf("%s: the store was asked %d times, want %d", step.name, gets-gets0, step.gets)
		}
	}
}

func TestLookupNeedsTheSecret(t *testing.T) {
	m, f, c := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	wrong := &http.Cookie{Name: cookie.Name, Value: s.ID + "." + token.NewSecret()}
	c.add(5 * time.Minute)
	if got := lookup(t, m, wrong); got != "" {
		t.Errorf("not in memory: a wrong secret opens %q", got)
	}
	if _, touches := f.counts(); touches != 0 {
		t.Error("a wrong secret moved LastSeen on")
	}
	if got := lookup(t, m, cookie); got != s.ID {
		t.Errorf("the right secret after a wrong one opens %q", got)
	}
	if got := lookup(t, m, wrong); got != "" {
		t.Errorf("in memory: a wrong secret opens %q", got)
	}
}

func TestLookupKeepsThePointer(t *testing.T) {
	m, f, c := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a", Groups: []string{"sales"}})
	first, _ := m.Lookup(request(cookie))
	c.add(2 * time.Minute)
	second, _ := m.Lookup(request(cookie))
	if first != second {
		t.Error("a session of which only LastSeen changed came back under another pointer")
	}
	f.set(func(f *fake) {
		changed := f.sessions[s.ID]
		changed.Groups = []string{"sales", "admins"}
		f.sessions[s.ID] = changed
	})
	c.add(session.Freshness)
	third, _ := m.Lookup(request(cookie))
	if third == first || len(third.Groups) != 2 || len(first.Groups) != 1 {
		t.Error("a changed session came back under the old pointer, or the old one was changed")
	}
}

func TestTouch(t *testing.T) {
	m, f, c := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	for range 5 * 60 {
		c.add(time.Second)
		lookup(t, m, cookie)
	}
	if _, touches := f.counts(); touches != 5 {
		t.Errorf("five busy minutes touched the store %d times, want 5", touches)
	}
	if got := f.sessions[s.ID].LastSeen; !got.Equal(c.now()) {
		t.Errorf("LastSeen = %v, want %v", got, c.now())
	}
	f.set(func(f *fake) { f.touchErr = fault.New(fault.Unavailable, "Read only.") })
	c.add(2 * time.Minute)
	if got := lookup(t, m, cookie); got != s.ID {
		t.Error("a store that cannot write for a moment signed the person out")
	}
}

func TestTouchDoesNotRevive(t *testing.T) {
	m, f, c := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	f.set(func(f *fake) { // ended by another process between the two statements
		f.onGet = func(context.Context) { f.DeleteSession(context.Background(), s.ID) }
	})
	c.add(2 * time.Minute)
	if got := lookup(t, m, cookie); got != "" || len(f.ids()) != 0 {
		t.Errorf("Lookup = %q, store %v; want the session gone", got, f.ids())
	}
}

func TestOneQuestionForMany(t *testing.T) {
	m, f, _ := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	asked, answer := make(chan struct{}, 100), make(chan struct{})
	f.set(func(f *fake) { f.onGet = func(context.Context) { asked <- struct{}{}; <-answer } })

	leader, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	results := make(chan string, 50)
	ask := func(ctx context.Context) {
		defer wg.Done()
		got, err := m.Lookup(request(cookie).WithContext(ctx))
		switch {
		case err != nil:
			results <- err.Error()
		case got == nil:
			results <- ""
		default:
			results <- got.ID
		}
	}
	wg.Add(1)
	go ask(leader)
	<-asked
	leave() // the client whose request asks goes away
	for range 49 {
		wg.Add(1)
		go ask(t.Context())
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Lookup(request(cookie).WithContext(gone)); err == nil {
		t.Error("a client that left waited for the answer")
	}
	close(answer)
	wg.Wait()
	close(results)
	for got := range results {
		if got != s.ID {
			t.Errorf("Lookup = %q, want %q", got, s.ID)
		}
	}
	if gets, _ := f.counts(); gets != 1 {
		t.Errorf("50 look-ups asked the store %d times, want once", gets)
	}
}

func TestRevokedWhileAsking(t *testing.T) {
	m, f, _ := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	asked, answer := make(chan struct{}), make(chan struct{})
	f.set(func(f *fake) { f.onGet = func(context.Context) { close(asked); <-answer } })
	got := make(chan string)
	go func() {
		s, err := m.Lookup(request(cookie))
		got <- fmt.Sprint(s != nil, err)
	}()
	<-asked
	f.set(func(f *fake) { f.onGet = nil })
	if err := m.Revoke(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	if got := lookup(t, m, cookie); got != "" {
		t.Errorf("after Revoke a new request passes as %s", got)
	}
	close(answer)
	if g := <-got; g != "false <nil>" {
		t.Errorf("the look-up under way = %s, want no session", g)
	}
	if got := lookup(t, m, cookie); got != "" {
		t.Errorf("the look-up under way brought %s back", got)
	}
}

func TestSlowAnswerIsNotShared(t *testing.T) {
	m, f, c := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	asked, answer := make(chan struct{}), make(chan struct{})
	f.set(func(f *fake) { f.onGet = func(context.Context) { close(asked); <-answer } })
	done := make(chan struct{})
	go func() { defer close(done); m.Lookup(request(cookie)) }()
	<-asked
	f.set(func(f *fake) { f.onGet = nil })
	f.DeleteSession(t.Context(), s.ID) // by another process, after the record was read
	c.add(session.Freshness)
	if got := lookup(t, m, cookie); got != "" {
		t.Errorf("a request shares an answer from before it was fresh: %s", got)
	}
	close(answer)
	<-done
	if got := lookup(t, m, cookie); got != "" {
		t.Errorf("the overtaken answer replaced the newer one: %s", got)
	}
}

func TestStoreErrorsAreNotRemembered(t *testing.T) {
	m, f, _ := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	f.set(func(f *fake) { f.err = fault.New(fault.Unavailable, "Down.") })
	if got, err := m.Lookup(request(cookie)); got != nil || !fault.Is(err, fault.Unavailable) {
		t.Errorf("Lookup = %v, %v; want unavailable", got, err)
	}
	f.set(func(f *fake) { f.err = nil })
	if got := lookup(t, m, cookie); got != s.ID {
		t.Errorf("Lookup = %q once the store is back, want %q", got, s.ID)
	}
}

func TestDamagedRecord(t *testing.T) {
	m, f, _ := newManager()
	s, cookie := start(t, m, session.Session{AccountID: "a"})
	f.set(func(f *fake) {
		damaged := f.sessions[s.ID]
		damaged.SecretDigest = ""
		f.sessions[s.ID] = damaged
	})
	if got, err := m.Lookup(request(cookie)); got != nil || err == nil {
		t.Errorf("Lookup = %v, %v; want an error", got, err)
	}
}
