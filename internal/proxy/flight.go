package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Alive reports whether the session with an id is live, without counting as its use; an error means that nobody can know now.
type Alive func(ctx context.Context, session string) (bool, error)

type aliveKey struct{}

// WithAlive says how to ask whether a request may go on that no session let in.
func WithAlive(ctx context.Context, alive func(context.Context) (bool, error)) context.Context {
	return context.WithValue(ctx, aliveKey{}, alive)
}

const (
	// watchEvery is how often the sessions behind requests under way are looked at, and how long a request is left alone at first.
	watchEvery = 4 * time.Second
	// watchers is how many questions about sessions are asked at once.
	watchers = 8
)

// flight is a request under way that somebody is signed in for. It is part of what is allocated for the request anyway.
type flight struct {
	session string
	// alive is nil for a session; it is how to ask about anything else.
	alive      func(context.Context) (bool, error)
	began      int64
	prev, next *flight
	// what is closed when the session ends: the answer's body, the request's, the tunnel. Guarded by the shard's lock, like ended.
	what  io.Closer
	ended bool
	// client is who gets the answer; nil for a tunnel. Guarded like what.
	client http.ResponseWriter
}

// flights are all requests under way, whatever kind they are: one that was let in must not outlive the session that let it in by
// more than a few seconds, be it an event stream, a WebSocket, a download or an answer that takes long to come. One timer looks at all of
// them; a goroutine or a context for each request would cost more than the rest of the gateway's work.
type flights struct {
	alive  Alive
	shards [32]flightShard
	armed  atomic.Bool
}

type flightShard struct {
	mu sync.Mutex
	// head is before the first and after the last.
	head flight
	n    int
	_    [64]byte // two shards in one cache line would slow each other down
}

// newFlights watches no session where alive is nil.
func newFlights(alive Alive) *flights {
	fs := &flights{alive: alive}
	for i := range fs.shards {
		head := &fs.shards[i].head
		head.prev, head.next = head, head
	}
	return fs
}

func (fs *flights) shard(session string) *flightShard {
	return &fs.shards[(int(session[len(session)-1])*7+int(session[len(session)/2]))%len(fs.shards)]
}

// add notes a request that is made for somebody. One that neither a session lets in nor anything that can be asked about is not watched.
func (fs *flights) add(ctx context.Context, f *flight, id *Identity, what io.Closer, now time.Time) {
	switch {
	case id == nil || id.person.Session == "":
		return
	case id.person.Binding != "":
		if fs.alive == nil {
			return
		}
	default: // what has no secret of its own is no session
		if f.alive, _ = ctx.Value(aliveKey{}).(func(context.Context) (bool, error)); f.alive == nil {
			return
		}
	}
	f.session, f.began, f.what = id.person.Session, now.UnixNano(), what
	sh := fs.shard(f.session)
	sh.mu.Lock()
	f.prev, f.next = sh.head.prev, &sh.head
	f.prev.next, sh.head.prev = f, f
	sh.n++
	sh.mu.Unlock()
	fs.arm()
}

// hold says what is to be closed when the session ends. It returns false where that has happened already.
func (fs *flights) hold(f *flight, what io.Closer) bool {
	if f.session == "" {
		return true
	}
	sh := fs.shard(f.session)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f.what = what
	return !f.ended
}

// done takes a request off.
func (fs *flights) done(f *flight) {
	if f.session == "" {
		return
	}
	sh := fs.shard(f.session)
	sh.mu.Lock()
	f.prev.next, f.next.prev = f.next, f.prev
	f.what, f.client = nil, nil
	sh.n--
	sh.mu.Unlock()
}

// tunneled says that a request has become a tunnel, which is closed as a whole. What belonged to the request is free.
func (fs *flights) tunneled(f *flight) {
	if f.session == "" {
		f.client = nil
		return
	}
	sh := fs.shard(f.session)
	sh.mu.Lock()
	f.client = nil
	sh.mu.Unlock()
}

// cut ends a request whose session had ended a look ago and which is still there: its client takes nothing, not even that the answer breaks
// off, and would keep the connection and the CRM's for as long as it likes. Under the shard's lock: after done the writer is not ours.
func (f *flight) cut() {
	if f.client != nil {
		// A writer that knows no deadlines is a test's.
		_ = http.NewResponseController(f.client).SetWriteDeadline(time.Unix(1, 0))
		f.client = nil
	}
}

// arm makes sure that somebody looks while there is anything to look at.
func (fs *flights) arm() {
	if !fs.armed.Load() && fs.armed.CompareAndSwap(false, true) {
		time.AfterFunc(watchEvery, fs.look)
	}
}

// look asks once for each session that has had a request under way for a while, and ends what belongs to those that have ended. While
// the store cannot be asked requests go on: a store that restarts must not cut off everybody at once, and nobody can be signed out in
// the meantime.
func (fs *flights) look() {
	sessions, busy := fs.sessions(time.Now().Add(-watchEvery / 2).UnixNano())
	var wg sync.WaitGroup
	slots := make(chan struct{}, watchers)
	for session, alive := range sessions {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			ctx, cancel := context.WithTimeout(context.Background(), watchEvery)
			defer cancel()
			if lives, err := alive(ctx); err == nil && !lives {
				fs.end(session)
			}
		})
	}
	wg.Wait()
	fs.armed.Store(false)
	if busy {
		fs.arm()
	}
}

// sessions returns those with a request that began before a moment, with how to ask about each, and whether there is any request at all.
func (fs *flights) sessions(before int64) (sessions map[string]func(context.Context) (bool, error), busy bool) {
	sessions = map[string]func(context.Context) (bool, error){}
	for i := range fs.shards {
		sh := &fs.shards[i]
		sh.mu.Lock()
		for f := sh.head.next; f != &sh.head; f = f.next {
			busy = true
			if f.ended {
				f.cut()
			}
			if f.began < before && !f.ended {
				session, alive := f.session, f.alive
				if alive == nil {
					alive = func(ctx context.Context) (bool, error) { return fs.alive(ctx, session) }
				}
				sessions[session] = alive
			}
		}
		sh.mu.Unlock()
	}
	return sessions, busy
}

// end closes everything that is under way for a session.
func (fs *flights) end(session string) {
	sh := fs.shard(session)
	var what []io.Closer
	sh.mu.Lock()
	for f := sh.head.next; f != &sh.head; f = f.next {
		if f.session == session {
			f.ended = true
			switch w := f.what.(type) {
			case nil:
			case net.Conn, waiting:
				_ = w.Close() // under the lock: after done it may belong to another request
			default:
				what = append(what, f.what) // may wait for others, and so may not
			}
		}
	}
	sh.mu.Unlock()
	for _, w := range what {
		_ = w.Close() // whoever reads from it learns of it
	}
}

// waiting is a request without an answer so far. To close it is to give it up.
type waiting struct {
	cancel context.CancelFunc
	// from is who sends a body, nil for none: the Transport gives nothing up while it waits for more of that.
	from http.ResponseWriter
}

// Close gives up, at once.
func (w waiting) Close() error {
	w.cancel()
	if w.from != nil {
		// A writer that knows no deadlines is a test's.
		_ = http.NewResponseController(w.from).SetReadDeadline(time.Unix(1, 0))
	}
	return nil
}

// canceled makes the end of a context something that can be closed.
type canceled context.CancelFunc

// Close cancels.
func (c canceled) Close() error { c(); return nil }
