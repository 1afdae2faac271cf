package session

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/sessions"

	"crmgate/internal/token"
)

// recordKey is where a gorilla session of ours holds its *Session.
const recordKey = "session"

// cookieStore is a sessions.Store over Manager.Store: the record lives there, the cookie only names it.
type cookieStore struct{ m *Manager }

// Get returns the request's session from gorilla's registry, made by New the first time.
func (c cookieStore) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(c, name)
}

// New returns the session that the request's cookie names, or an empty one with IsNew set. It never returns nil.
func (c cookieStore) New(r *http.Request, name string) (*sessions.Session, error) {
	gs := sessions.NewSession(c, name)
	gs.Options = c.m.options(0)
	gs.IsNew = true
	s, err := c.m.Lookup(r)
	if err != nil || s == nil {
		return gs, err
	}
	gs.ID, gs.IsNew = s.ID, false
	gs.Values[recordKey] = s
	return gs, nil
}

// Save stores a new session under a new id and secret and writes its cookie, or, where Options.MaxAge is negative, ends the
// session and removes the cookie. A session that is not new stays as it is: sessions never change.
func (c cookieStore) Save(r *http.Request, w http.ResponseWriter, gs *sessions.Session) error {
	ctx, cancel := detached(r.Context())
	defer cancel()
	if gs.Options.MaxAge < 0 {
		if gs.ID != "" {
			if err := c.m.Revoke(ctx, gs.ID); err != nil {
				return err
			}
		}
		setCookie(w, sessions.NewCookie(gs.Name(), "", gs.Options))
		return nil
	}
	if !gs.IsNew {
		return nil
	}
	s, ok := gs.Values[recordKey].(*Session)
	if !ok {
		return errors.New("save session: no record in it")
	}
	secret := token.NewSecret()
	s.ID, s.SecretDigest = token.NewID(), token.Digest(secret)
	if err := c.m.Store.CreateSession(ctx, s); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	gs.ID = s.ID
	if s.Remember {
		gs.Options.MaxAge = int(s.ExpiresAt.Sub(s.SignedInAt) / time.Second)
	}
	setCookie(w, sessions.NewCookie(gs.Name(), s.ID+"."+secret, gs.Options))
	return nil
}
