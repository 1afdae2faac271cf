package provider

import (
	"context"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	// maxIdle is how many connections of the service account wait at one server.
	maxIdle = 4
	// idleFor is how long one waits, and oldest how old it gets: servers and firewalls drop both, and a changed password of the service
	// account must be noticed.
	idleFor = time.Minute
	oldest  = 10 * time.Minute
	// trusted is how long a connection that has just worked is not tried before use.
	trusted = 2 * time.Second
	// probePatience bounds that try: a firewall that forgot the connection answers nothing.
	probePatience = time.Second
)

// withService does something as the service account, on a connection that waits for that or on a new one. It must only read: where
// a connection that has waited breaks, it is done again on another.
func (d *directory) withService(ctx context.Context, s *server, do func(*conn) error) error {
	for {
		c := s.take(ctx)
		waited := c != nil
		if !waited {
			var err error
			if c, err = d.service(ctx, s); err != nil {
				return err
			}
		}
		err := do(c)
		if !isTrouble(err) {
			s.put(c)
			return err
		}
		c.Close()
		if !waited || ctx.Err() != nil {
			return err
		}
	}
}

// take returns a connection that waits and works, or nil.
func (s *server) take(ctx context.Context) *conn {
	for {
		s.mu.Lock()
		if len(s.idle) == 0 {
			s.mu.Unlock()
			return nil
		}
		c := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		s.mu.Unlock()
		if s.now().Sub(c.born) < oldest && c.lend(ctx, 4*s.timeout) == nil && s.works(c) {
			return c
		}
		c.Close()
	}
}

// works asks a connection for the least there is, unless it has only just been used.
func (s *server) works(c *conn) bool {
	if c.IsClosing() {
		return false
	}
	if s.now().Sub(c.rested) < trusted {
		return true
	}
	c.SetTimeout(min(probePatience, s.timeout))
	defer c.SetTimeout(s.timeout)
	_, err := c.Search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	return !isTrouble(answered(err))
}

// put lets a connection wait for its next use.
func (s *server) put(c *conn) {
	if !c.release() || c.IsClosing() || c.wire.SetDeadline(time.Time{}) != nil {
		c.Close()
		return
	}
	rested := s.now()
	c.rested = rested // before the lock: behind it the connection may be somebody else's
	s.mu.Lock()
	full := len(s.idle) >= maxIdle
	if !full {
		s.idle = append(s.idle, c)
	}
	s.mu.Unlock()
	if full {
		c.Close()
		return
	}
	time.AfterFunc(idleFor, func() { s.drop(c, rested) })
}

// drop ends a connection that nobody has used since it was put back.
func (s *server) drop(c *conn, rested time.Time) {
	s.mu.Lock()
	i := slices.Index(s.idle, c)
	stale := i >= 0 && c.rested.Equal(rested)
	if stale {
		s.idle = slices.Delete(s.idle, i, i+1)
	}
	s.mu.Unlock()
	if stale {
		c.Close()
	}
}
