package signin

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

const (
	// patience is how long requests wait for a provider's answer.
	patience = 5 * time.Second
	// slack is how late a check may be before requests wait for it. With what an answer takes it stays below patience.
	slack = 2 * time.Second
	// askTimeout ends a question that is not answered. It is much shorter than leaseFor, so that clocks may differ.
	askTimeout = 20 * time.Second
	// leaseFor is how long a replica that began to ask keeps the others from it. One that dies holds a session's check up for as long.
	leaseFor = time.Minute
	// The first retry after a question that was not answered comes after firstRetry, later ones after as long as it has lasted, at most
	// lastRetry.
	firstRetry, lastRetry = time.Second, 15 * time.Second
	// keepTries and keepPause are for writing down what a provider said: a token that was used up and whose successor is lost ends a session.
	keepTries, keepPause = 20, 250 * time.Millisecond
	// farewell is how long questions under way may take when the process ends.
	farewell = 500 * time.Millisecond
)

// Revalidation asks providers again whether the people of live sessions may stay, and what is new about them. It is the
// session.Checker of a session.Manager, safe for concurrent use, and must not be copied.
type Revalidation struct {
	Realms   *identity.Realms
	Accounts *account.Service
	Sessions *session.Manager
	// Sealer opens and seals the refresh tokens.
	Sealer *token.Sealer
	Audit  audit.Recorder
	// Log is told when a provider stops answering and when it answers again; nil is slog.Default.
	Log *slog.Logger
	// Count takes the outcome of each check: confirmed, refused, unanswered, put_off (not asked: it did not answer a moment ago), lapsed
	// (ended after the grace), nothing_to_ask, failed (our own trouble). Nil counts nothing.
	Count func(provider, outcome string)
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	once    sync.Once
	ctx     context.Context // of the questions: they belong to no request
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	closing bool              // the process ends: nothing new is begun
	checks  map[string]*check // by session id
	doors   map[string]*door  // by provider id
}

// check is one session being looked after by this process.
type check struct {
	done    chan struct{}
	release func() // closes done, once
}

// errHeld says that somebody else asks, or has just asked.
var errHeld = errors.New("somebody else asks")

// of returns the provider that can be asked about a session.
func (v *Revalidation) of(s *session.Session) (identity.Revalidator, identity.Info, bool) {
	p, _ := v.Realms.Get(s.Provider)
	r, ok := p.(identity.Revalidator)
	if !ok || s.Grant == noGrant {
		return nil, identity.Info{}, false
	}
	info := r.Info()
	return r, info, info.Revalidate > 0
}

// Urgency implements session.Checker.
func (v *Revalidation) Urgency(s *session.Session, now time.Time) session.Urgency {
	_, info, ok := v.of(s)
	if !ok {
		return session.Settled
	}
	due := s.CheckedAt.Add(info.Revalidate)
	if now.Before(due) {
		return session.Settled
	}
	if silent := s.UnansweredSince; !silent.IsZero() {
		if !now.Before(silent.Add(info.Grace)) {
			return session.Lapsed
		}
		due = later(due, s.CheckAfter)
	}
	switch {
	case now.Sub(due) >= slack:
		return session.Overdue
	case now.Before(s.CheckAfter):
		return session.Settled
	}
	return session.Due
}

// Check implements session.Checker.
func (v *Revalidation) Check(s *session.Session) <-chan struct{} {
	v.open()
	v.mu.Lock()
	defer v.mu.Unlock()
	if c := v.checks[s.ID]; c != nil {
		return c.done
	}
	done := make(chan struct{})
	c := &check{done: done, release: sync.OnceFunc(func() { close(done) })}
	if v.closing {
		c.release()
		return done
	}
	v.checks[s.ID] = c
	v.running.Go(func() { v.run(c, s) })
	return done
}

func (v *Revalidation) run(c *check, s *session.Session) {
	impatient := time.AfterFunc(patience, c.release)
	defer func() {
		impatient.Stop()
		v.mu.Lock()
		delete(v.checks, s.ID)
		v.mu.Unlock()
		c.release()
	}()
	claimed, err := v.claim(s)
	switch {
	case errors.Is(err, errHeld):
		v.follow(s)
	case fault.Is(err, fault.NotFound): // ended
	case err != nil:
		v.count(s, "failed")
		v.log().Warn("session not checked", "session", s.ID, "provider", s.Provider, "error", err)
	default:
		v.ask(claimed)
	}
}

// claim takes the right to ask about a session for leaseFor, and returns the session as it is then. The token in s may be an old one.
func (v *Revalidation) claim(s *session.Session) (*session.Session, error) {
	now := v.now()
	return v.Sessions.Update(v.ctx, s.ID, func(one *session.Session) error {
		if !one.CheckedAt.Equal(s.CheckedAt) || now.Before(one.CheckAfter) {
			return errHeld
		}
		one.CheckAfter = now.Add(leaseFor)
		return nil
	})
}

// follow waits until another process that asks about a session is done, at most for as long as it may take. It stays longer than requests
// wait: the next ones then find that nobody need wait again.
func (v *Revalidation) follow(s *session.Session) {
	pause := 100 * time.Millisecond
	for began := v.now(); ; {
		select {
		case <-v.ctx.Done():
			return
		case <-time.After(pause):
		}
		now := v.now()
		one, err := v.Sessions.Store.GetSession(v.ctx, s.ID)
		if err != nil || !one.CheckedAt.Equal(s.CheckedAt) || !one.UnansweredSince.Equal(s.UnansweredSince) || !now.Before(one.CheckAfter) {
			return
		}
		if now.Sub(began) > patience {
			pause = time.Second
		}
	}
}

// Run waits until ctx ends and then for the questions under way: a token that was used up without its successor being kept ends a session.
func (v *Revalidation) Run(ctx context.Context) error {
	v.open()
	<-ctx.Done()
	v.mu.Lock()
	v.closing = true
	v.mu.Unlock()
	impatient := time.AfterFunc(farewell, v.cancel)
	v.running.Wait()
	impatient.Stop()
	v.cancel()
	return nil
}

func (v *Revalidation) open() {
	v.once.Do(func() {
		v.ctx, v.cancel = context.WithCancel(context.Background())
		v.checks, v.doors = map[string]*check{}, map[string]*door{}
	})
}

func (v *Revalidation) count(s *session.Session, outcome string) {
	if v.Count != nil {
		v.Count(s.Provider, outcome)
	}
}

func (v *Revalidation) log() *slog.Logger {
	if v.Log != nil {
		return v.Log
	}
	return slog.Default()
}

func (v *Revalidation) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
