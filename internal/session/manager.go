package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/sessions"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
)

// Manager starts, finds and ends sessions. It is safe for concurrent use and must not be copied.
type Manager struct {
	Store Store
	// Config holds the limits.
	Config Config
	// Secure is true where the public address is https: then cookies are Secure and carry the __Host- prefix.
	Secure bool
	// Known reports whether people still sign in by a provider ("local" for our own passwords). A session of one that was taken out of
	// the configuration opens nothing. Nil knows every one.
	Known func(provider string) bool
	// Changed is told of each answer with which the person at a browser changes, so that it can take along what belongs to the former one;
	// nil is told nothing.
	Changed func(w http.ResponseWriter, r *http.Request)
	// Checks asks providers again about live sessions; nil asks nobody.
	Checks Checker
	// Together runs what is to be written as a whole or not at all, as far as one store keeps it. Nil writes one after the other.
	Together func(ctx context.Context, do func(ctx context.Context) error) error
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	memory memory
}

// Freshness is how long a look-up is answered from memory before the store is asked again.
const Freshness = time.Second

// storeTimeout bounds every question to the store.
const storeTimeout = 5 * time.Second

// maxUserAgent is how much of a browser's description of itself a record keeps, in bytes.
const maxUserAgent = 512

// Lookup returns the live session that the request's cookie names. Without one it returns nil and no error; a malformed,
// doubled, unknown or ended cookie is the same as none. An error means that the store could not be asked: nobody passes.
//
// As long as a session stays in memory and nothing but its LastSeen changes, the same pointer is returned, so what is
// computed from a session may be kept by pointer. The LastSeen of what is returned may therefore be old.
func (m *Manager) Lookup(r *http.Request) (*Session, error) {
	id, secret, ok := m.presented(r)
	if !ok {
		return nil, nil
	}
	s, err := m.lookup(r.Context(), id, secret)
	if s != nil && m.Known != nil && !m.Known(s.Provider) {
		return nil, nil
	}
	return s, err
}

// Start gives the browser a new session made from s (identity fields filled by the caller; ids, times and limits are set
// here), ends the one it had, and sets the cookie. Address and UserAgent come from the request's audit.Origin where
// they are empty; AuthTime is now where it is zero.
func (m *Manager) Start(w http.ResponseWriter, r *http.Request, s Session) (*Session, error) {
	return m.StartWith(w, r, s, func(context.Context) error { return nil })
}

// StartWith is Start with what else belongs to the beginning of the session, such as its security event: with is called after the session was
// written, in the same step where one store keeps both, and where it fails there is no session.
func (m *Manager) StartWith(w http.ResponseWriter, r *http.Request, s Session, with func(ctx context.Context) error) (*Session, error) {
	// Before the new one begins: a failure in between leaves nobody signed in, the other order would leave two.
	if _, err := m.endPresented(r); err != nil {
		return nil, err
	}
	m.fill(&s, audit.OriginOf(r.Context()))
	store := cookieStore{m}
	gs, err := store.New(r, m.CookieName())
	if err != nil {
		return nil, err
	}
	gs.IsNew = true
	gs.Values[recordKey] = &s
	if err := m.begin(w, r, gs, &s, with); err != nil {
		return nil, err
	}
	// After it began and not before: of two that begin at once, the later to look sees both.
	if err := m.trim(r.Context(), &s); err != nil {
		dropCookie(w, m.CookieName())
		return nil, errors.Join(err, m.Revoke(r.Context(), s.ID))
	}
	if m.Changed != nil {
		m.Changed(w, r)
	}
	m.wentOn(w, r)
	return &s, nil
}

// begin writes a session and what belongs to it. Where the one is written and the other is not, the session ends.
func (m *Manager) begin(w http.ResponseWriter, r *http.Request, gs *sessions.Session, s *Session, with func(ctx context.Context) error) error {
	together := m.Together
	if together == nil {
		together = func(ctx context.Context, do func(ctx context.Context) error) error { return do(ctx) }
	}
	written := false
	err := together(r.Context(), func(ctx context.Context) error {
		if err := gs.Save(r.WithContext(ctx), w); err != nil {
			return err
		}
		written = true
		return with(ctx)
	})
	if err == nil || !written {
		return err
	}
	dropCookie(w, m.CookieName())
	return errors.Join(err, m.Revoke(r.Context(), s.ID))
}

// fill sets what the caller of Start does not.
func (m *Manager) fill(s *Session, from audit.Origin) {
	// In milliseconds and UTC, as stores keep it: a record read back equals the one that was written.
	now := m.now().UTC().Truncate(time.Millisecond)
	idle, absolute := m.Config.IdleTimeout, m.Config.AbsoluteTimeout
	if s.Remember {
		idle, absolute = m.Config.RememberTimeout, m.Config.RememberTimeout
	}
	s.SignedInAt, s.LastSeen, s.ExpiresAt, s.IdleTimeout = now, now, now.Add(absolute), idle
	if s.AuthTime.IsZero() {
		s.AuthTime = now
	}
	s.AuthTime = s.AuthTime.UTC().Truncate(time.Millisecond)
	s.CheckedAt = now
	s.Groups, s.AMR = slices.Clone(s.Groups), slices.Clone(s.AMR)
	s.Address = cmp.Or(s.Address, from.Address)
	s.UserAgent = cmp.Or(s.UserAgent, from.UserAgent)
	if len(s.UserAgent) > maxUserAgent {
		s.UserAgent = strings.ToValidUTF8(s.UserAgent[:maxUserAgent], "")
	}
}

// trim ends the oldest sessions of an account that has more than it may, but never the one that just began.
func (m *Manager) trim(ctx context.Context, newest *Session) error {
	if m.Config.MaxPerAccount <= 0 || newest.AccountID == "" {
		return nil
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	all, err := m.Store.ListSessions(ctx, newest.AccountID)
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	now := m.now()
	all = slices.DeleteFunc(all, func(s *Session) bool { return s.ID == newest.ID || !s.Live(now) })
	for i, s := range all {
		if i+1 < m.Config.MaxPerAccount {
			continue
		}
		if err := m.Revoke(ctx, s.ID); err != nil {
			return err
		}
	}
	return nil
}

// End ends the request's session and removes the cookie. It returns the session that ended, or nil. When the store cannot
// be asked the cookie stays, so that the person can try again.
func (m *Manager) End(w http.ResponseWriter, r *http.Request) (*Session, error) {
	ended, err := m.endPresented(r)
	if err != nil {
		return nil, err
	}
	store := cookieStore{m}
	gs, err := store.New(r, m.CookieName())
	if err != nil {
		return nil, err
	}
	gs.Options.MaxAge = -1
	if m.Changed != nil {
		m.Changed(w, r)
	}
	if len(m.Config.ClearSiteData) > 0 {
		w.Header().Set("Clear-Site-Data", `"`+strings.Join(m.Config.ClearSiteData, `", "`)+`"`)
	}
	return ended, gs.Save(r, w)
}

// endPresented ends every session that the request proves to hold: a cookie that comes twice signs nobody in, but it must
// not keep a session alive either.
func (m *Manager) endPresented(r *http.Request) (*Session, error) {
	ctx, cancel := detached(r.Context())
	defer cancel()
	var ended *Session
	values := every(r.Header["Cookie"], m.CookieName())
	// A browser may have two by mischief. Hundreds are somebody's load test of the store.
	for _, value := range values[:min(len(values), 8)] {
		id, secret, ok := split(value)
		if !ok {
			continue
		}
		s, err := m.held(ctx, id, secret)
		if err != nil {
			return nil, err
		}
		if s != nil {
			if err := m.Revoke(ctx, s.ID); err != nil {
				return nil, err
			}
		}
		next, err := m.endRenewed(ctx, id, secret)
		if err != nil {
			return nil, err
		}
		ended = cmp.Or(ended, s, next)
	}
	return ended, nil
}

// endRenewed ends what has taken the place of the session that secret opens: a renewal may be done before or while the session ends. It is
// called after that, so that either finds the other: a renewal of what is gone makes nothing.
func (m *Manager) endRenewed(ctx context.Context, id, secret string) (*Session, error) {
	if !genuine(id, secret) {
		return nil, nil
	}
	m.memory.open()
	var ended *Session
	for next := successor(secret); next != ""; {
		s, err := m.Store.GetSession(ctx, next)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return nil, fmt.Errorf("look renewed session up: %w", err)
		}
		if err == nil {
			ended = s
			m.watch(next, s)
			if err := m.Revoke(ctx, next); err != nil {
				return nil, err
			}
		}
		// And what was made of that, where this process knows of it.
		if next, err = m.renamed(ctx, next); err != nil {
			return nil, err
		}
	}
	return ended, nil
}

// held returns the live session called id if secret is its own. It asks the store, and nobody else: who leaves must not have to wait for
// a provider.
func (m *Manager) held(ctx context.Context, id, secret string) (*Session, error) {
	if !genuine(id, secret) {
		return nil, nil
	}
	s, err := m.Store.GetSession(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look session up: %w", err)
	}
	e, err := newEntry(s, m.now())
	if err != nil || !opens(secret, &e.digest) || !e.live(m.now()) {
		return nil, err
	}
	return s, nil
}

// EndAccount ends an account's sessions but for one id, which may be "".
func (m *Manager) EndAccount(ctx context.Context, accountID, except string) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	ids, err := m.Store.DeleteAccountSessions(ctx, accountID, except)
	for _, id := range ids {
		m.memory.forget(id)
	}
	if err != nil {
		return fmt.Errorf("end sessions of account: %w", err)
	}
	return nil
}

// Revoke ends one session by id; one that is gone is no error.
func (m *Manager) Revoke(ctx context.Context, id string) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	err := m.Store.DeleteSession(ctx, id)
	m.memory.forget(id)
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

func (m *Manager) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

// errStoreTimeout tells a slow store from a client that left.
var errStoreTimeout = errors.New("session store took too long")

// detached returns a context for the store that a client cannot cancel by going away: a look-up is shared by many requests,
// and somebody who clicks "sign out" and closes the tab is still to be signed out.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(ctx), storeTimeout, errStoreTimeout)
}
