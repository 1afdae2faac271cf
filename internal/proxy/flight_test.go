package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// door is something that can be closed.
type door struct {
	mu     sync.Mutex
	closed bool
}

func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

func (d *door) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

func TestFlightsEndWithWhatLetThemIn(t *testing.T) {
	old := time.Now().Add(-time.Minute)
	ended := func(context.Context) (bool, error) { return false, nil }
	lives := func(context.Context) (bool, error) { return true, nil }
	unknown := func(context.Context) (bool, error) { return false, errors.New("store is down") }
	for _, tc := range []struct {
		name   string
		person Person
		// session answers about sessions, token, where it is not nil, about what came instead of one.
		session, token func(context.Context) (bool, error)
		began          time.Time
		closed         bool
	}{
		{"a session that ended", Person{Session: "s1", Binding: "b"}, ended, nil, old, true},
		{"a session that lives", Person{Session: "s1", Binding: "b"}, lives, nil, old, false},
		{"a session that nobody can know about", Person{Session: "s1", Binding: "b"}, unknown, nil, old, false},
		{"a request that has just come", Person{Session: "s1", Binding: "b"}, ended, nil, time.Now(), false},
		{"a token that was revoked", Person{Session: "t1"}, lives, ended, old, true},
		{"a token that is good", Person{Session: "t1"}, ended, lives, old, false},
		{"a token that nobody asks about", Person{Session: "t1"}, ended, nil, old, false},
		{"nobody", Person{}, ended, ended, old, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fs := newFlights(func(ctx context.Context, _ string) (bool, error) { return tc.session(ctx) })
			ctx := t.Context()
			if tc.token != nil {
				ctx = WithAlive(ctx, tc.token)
			}
			var f flight
			d, later := &door{}, &door{}
			fs.add(ctx, &f, &Identity{person: tc.person}, d, tc.began)
			fs.look()
			if d.isClosed() != tc.closed || fs.hold(&f, later) == tc.closed {
				t.Errorf("closed: %t, want %t", d.isClosed(), tc.closed)
			}
			fs.done(&f)
			fs.look()
			if later.isClosed() {
				t.Error("closed after it was done")
			}
		})
	}
}

// TestFlightsOfMany adds and takes off from many goroutines while others look: every request of the one session that ended is closed, none of
// the others is, and nothing is left.
func TestFlightsOfMany(t *testing.T) {
	fs := newFlights(func(_ context.Context, session string) (bool, error) { return session != "s3", nil })
	var wg sync.WaitGroup
	doors := make([]door, 400)
	flown := make([]flight, len(doors))
	for i := range doors {
		wg.Go(func() {
			fs.add(t.Context(), &flown[i], &Identity{person: Person{Session: fmt.Sprint("s", i%8), Binding: "b"}}, &doors[i], time.Now().Add(-time.Minute))
		})
	}
	wg.Go(fs.look)
	wg.Wait()
	fs.look()
	for i := range doors {
		if doors[i].isClosed() != (i%8 == 3) {
			t.Errorf("request %d of s%d: closed %t", i, i%8, doors[i].isClosed())
		}
		wg.Go(func() { fs.done(&flown[i]) })
	}
	wg.Go(fs.look)
	wg.Wait()
	if sessions, busy := fs.sessions(time.Now().UnixNano()); busy || len(sessions) > 0 {
		t.Errorf("left over: %v", sessions)
	}
}
