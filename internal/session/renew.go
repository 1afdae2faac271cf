package session

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// errAsked stops a renewal while the provider is being asked about the session.
var errAsked = errors.New("the provider is being asked about this session")

// Renew changes the session called id and gives it another id and secret, as whoever proves more about themselves is due (ASVS 5.0, 7.2.4): a
// cookie that somebody took before then opens nothing afterwards. The browser gets the new cookie; what belongs to the person at it
// stays, and so does what is open already (Alive). A session that is gone is fault.NotFound.
//
// While a provider is being asked about the session only the change is made: its answer holds the next refresh token, and must find the session.
func (m *Manager) Renew(w http.ResponseWriter, r *http.Request, id string, change func(*Session) error) (*Session, error) {
	ctx, cancel := detached(r.Context())
	defer cancel()
	fresh, secret := m.freshID(r, id), token.NewSecret()
	// Before it happens: a stream that is looked at in between must not end.
	m.memory.open()
	m.memory.renewed.Set(id, fresh)
	s, err := m.Store.RenewSession(ctx, id, func(s *Session) error {
		if s.Grant != "" && m.now().Before(s.CheckAfter) {
			return errAsked
		}
		if err := change(s); err != nil {
			return err
		}
		s.Binding = s.Bound()
		s.ID, s.SecretDigest = fresh, token.Digest(secret)
		return nil
	})
	if errors.Is(err, errAsked) {
		return m.Update(ctx, id, change)
	}
	if err == nil || fault.Is(err, fault.NotFound) {
		m.memory.forget(id)
		// Whoever knows the former secret may have asked for the new name before there was one.
		m.memory.unknown.Invalidate(fresh)
	}
	if err != nil {
		return nil, fmt.Errorf("renew session: %w", err)
	}
	m.watch(s.ID, s)
	o := m.options(0)
	if s.Remember {
		o.MaxAge = int(s.ExpiresAt.Sub(m.now()) / time.Second)
	}
	setCookie(w, sessions.NewCookie(m.CookieName(), s.ID+"."+secret, o))
	return s, nil
}

// freshID returns the name that a session gets: where the browser holds the session called id, the one that follows from its secret.
func (m *Manager) freshID(r *http.Request, id string) string {
	if held, secret, ok := m.presented(r); ok && held == id && genuine(held, secret) {
		return successor(secret)
	}
	return token.NewID()
}

// successor returns the name of the session that takes the place of the one that secret opens. Who signs out while another tab proves more
// holds the former cookie only, and finds by it what else is to end. It opens nothing: the new secret is as random as any.
func successor(secret string) string {
	return token.Digest("crmgate renewed session " + secret)[:idLen]
}
