package session

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"

	"crmgate/internal/fault"
)

const (
	// maxKnown and maxUnknown bound what memory holds. They are two caches so that a flood of invented cookies
	// cannot push live sessions out.
	maxKnown   = 20_000
	maxUnknown = 20_000
	// unknownFor is how long an id that the store does not know is refused without asking again. Ids are random and
	// stored before a browser hears of them, so one that is unknown now does not become known.
	unknownFor = 10 * time.Second
	// touchEvery is how often LastSeen is moved on.
	touchEvery = time.Minute
)

// entry is what memory holds of a session. It never changes; a reload makes a new one.
type entry struct {
	session *Session
	digest  [32]byte
	// lastSeen is newer than session.LastSeen where the session was only touched since.
	lastSeen time.Time
	// checked is when the store began to be asked, not when it answered: what it said may have changed meanwhile.
	checked time.Time
}

func newEntry(s *Session, checked time.Time) (*entry, error) {
	e := &entry{session: s, lastSeen: s.LastSeen, checked: checked}
	if n, err := hex.Decode(e.digest[:], []byte(s.SecretDigest)); err != nil || n != len(e.digest) {
		return nil, fmt.Errorf("read session %s: its digest is not one", s.ID)
	}
	return e, nil
}

// live is Session.Live with the newer lastSeen.
func (e *entry) live(now time.Time) bool {
	return now.Before(e.session.ExpiresAt) && now.Before(e.lastSeen.Add(e.session.IdleTimeout))
}

// memory is the Manager's cache; its zero value is ready. Nothing in it is older than Freshness when it is used, so its
// size is the only limit it needs, and no goroutine of its own.
type memory struct {
	once    sync.Once
	known   *otter.Cache[string, *entry]
	unknown *otter.Cache[string, time.Time] // until when
	// renewed holds the names that Renew gave sessions in this process, by the former ones.
	renewed *otter.Cache[string, string]
	// watched holds what stays of the sessions that Alive was asked about, so that one renewed by another process is found again.
	watched *otter.Cache[string, lineage]

	mu      sync.Mutex
	flights map[string]*flight
}

// flight is one question to the store that many requests wait for.
type flight struct {
	began time.Time
	done  chan struct{}
	// forgotten is set under memory.mu when the session was ended here while the store was being asked.
	forgotten bool
	// entry and err are read after done.
	entry *entry
	err   error
}

func (c *memory) open() {
	c.once.Do(func() {
		c.known = otter.Must(&otter.Options[string, *entry]{MaximumSize: maxKnown})
		c.unknown = otter.Must(&otter.Options[string, time.Time]{MaximumSize: maxUnknown})
		c.renewed = otter.Must(&otter.Options[string, string]{MaximumSize: maxUnknown})
		c.watched = otter.Must(&otter.Options[string, lineage]{MaximumSize: maxUnknown})
		c.flights = make(map[string]*flight)
	})
}

// forget drops a session and makes sure that no look-up under way brings it back.
func (c *memory) forget(id string) {
	c.open()
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[id]; f != nil {
		f.forgotten = true
		delete(c.flights, id)
	}
	c.known.Invalidate(id)
}

// lineage is what a session keeps whatever it is called: whose it is, and Session.Bound.
type lineage struct{ account, bound string }

// outdate drops what is known of a session that has changed. A look-up under way may answer with what it was to those who wait for it, but
// is not remembered.
func (c *memory) outdate(id string) {
	c.open()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, id)
	c.known.Invalidate(id)
}

// lookup returns the live session called id if secret is its own.
func (m *Manager) lookup(ctx context.Context, id, secret string) (*Session, error) {
	m.memory.open()
	now := m.now()
	e, found := m.memory.known.GetIfPresent(id)
	if found && !opens(secret, &e.digest) {
		return nil, nil // a digest never changes: no need to ask whether the rest is fresh
	}
	if !found {
		if !genuine(id, secret) {
			return nil, nil
		}
		if until, ok := m.memory.unknown.GetIfPresent(id); ok && now.Before(until) {
			return nil, nil
		}
	}
	if !found || now.Sub(e.checked) >= Freshness {
		var err error
		if e, err = m.ask(ctx, id, secret, now); err != nil {
			return nil, fmt.Errorf("look session up: %w", err)
		}
		if e == nil || !found && !opens(secret, &e.digest) {
			return nil, nil
		}
	}
	if !e.live(now) {
		return nil, nil
	}
	return e.session, nil
}

// ask returns what the store says of id, nil where it knows nothing. Requests that come while it is being asked share the
// answer, unless the question is so old that the answer would not be fresh.
func (m *Manager) ask(ctx context.Context, id, secret string, now time.Time) (*entry, error) {
	c := &m.memory
	c.mu.Lock()
	f := c.flights[id]
	if f != nil && now.Sub(f.began) < Freshness {
		c.mu.Unlock()
		select {
		case <-f.done:
			return f.entry, f.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	// An answer may have come between the look into memory and the lock.
	if e, ok := c.known.GetIfPresent(id); ok && now.Sub(e.checked) < Freshness {
		c.mu.Unlock()
		return e, nil
	}
	// Cloned: the id is a piece of the whole Cookie header, which must not stay in memory with it.
	id = strings.Clone(id)
	f = &flight{began: now, done: make(chan struct{}), err: errors.New("session store panicked")}
	c.flights[id] = f
	c.mu.Unlock()

	defer close(f.done)
	e, err := m.load(ctx, id, secret, now)
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.forgotten {
		e = nil
	}
	f.entry, f.err = e, err
	if c.flights[id] != f {
		return e, err // forgotten, or overtaken by a newer question, whose answer counts
	}
	delete(c.flights, id)
	switch {
	case err != nil:
	case e == nil:
		c.known.Invalidate(id)
		c.unknown.Set(id, now.Add(unknownFor))
	default:
		c.known.Set(id, e)
	}
	return e, err
}

// load asks the store, has the provider asked and moves LastSeen on where that is due.
func (m *Manager) load(ctx context.Context, id, secret string, now time.Time) (*entry, error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	s, err := m.Store.GetSession(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e, err := newEntry(s, now)
	if err != nil {
		return nil, err
	}
	// Only for who holds the secret: ids stand in logs, and whoever reads one must not keep a session alive.
	mine := e.live(now) && opens(secret, &e.digest)
	if mine {
		if s, err = m.confirmed(s, now); s == nil || err != nil {
			return nil, err
		}
		e.session = s
	}
	if old, ok := m.memory.known.GetIfPresent(id); ok && same(old.session, s) {
		e.session = old.session
	}
	if now.Sub(e.lastSeen) < min(touchEvery, s.IdleTimeout/10) || !mine {
		return e, nil
	}
	switch err := m.touch(id, now); {
	case err == nil:
		e.lastSeen = now
	case fault.Is(err, fault.NotFound):
		return nil, nil
		// Any other failure costs nothing yet: the session is live, and the next reload tries again.
	}
	return e, nil
}

// touch moves LastSeen on, in time of its own: a provider may have taken what the look-up had.
func (m *Manager) touch(id string, now time.Time) error {
	ctx, cancel := detached(context.Background())
	defer cancel()
	return m.Store.TouchSession(ctx, id, now)
}

// same reports whether two records of one session differ in LastSeen at most.
func same(a, b *Session) bool {
	return a.ID == b.ID && a.SecretDigest == b.SecretDigest && a.Binding == b.Binding && a.AccountID == b.AccountID &&
		a.Email == b.Email && a.EmailDoubtful == b.EmailDoubtful && a.Name == b.Name && a.Username == b.Username && slices.Equal(a.Groups, b.Groups) &&
		a.Provider == b.Provider && a.Issuer == b.Issuer && a.Subject == b.Subject && a.ProviderSession == b.ProviderSession &&
		a.IDToken == b.IDToken && slices.Equal(a.AMR, b.AMR) &&
		a.Grant == b.Grant && a.CheckedAt.Equal(b.CheckedAt) &&
		a.CheckAfter.Equal(b.CheckAfter) && a.UnansweredSince.Equal(b.UnansweredSince) && a.FactorAt.Equal(b.FactorAt) && a.Device == b.Device &&
		a.PasswordExpires.Equal(b.PasswordExpires) && a.PasswordChangeURL == b.PasswordChangeURL &&
		a.LastSignIn.Equal(b.LastSignIn) && a.SignedInAt.Equal(b.SignedInAt) && a.AuthTime.Equal(b.AuthTime) && a.ExpiresAt.Equal(b.ExpiresAt) &&
		a.IdleTimeout == b.IdleTimeout && a.Address == b.Address && a.UserAgent == b.UserAgent && a.Remember == b.Remember
}
