package session

import (
	"context"
	"net/http"
	"time"
)

// Manager starts, finds and ends sessions.
type Manager struct {
	Store Store
	// Config holds the limits.
	Config Config
	// Secure is true where the public address is https: then cookies are Secure and carry the __Host- prefix.
	Secure bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Freshness is how long a look-up is answered from memory before the store is asked again.
const Freshness = time.Second

// CookieName returns the name of the session cookie.
func (m *Manager) CookieName() string {
	if m.Secure {
		return "__Host-crmgate_session"
	}
	return "crmgate_session"
}

// Lookup returns the live session that the request's cookie names. Without one it returns nil and no error; a malformed,
// doubled, unknown or ended cookie is the same as none. An error means that the store could not be asked: nobody passes.
func (m *Manager) Lookup(r *http.Request) (*Session, error) { return nil, nil }

// Start gives the browser a new session made from s (identity fields filled by the caller; ids, times and limits are set
// here), ends the one it had, and sets the cookie.
func (m *Manager) Start(w http.ResponseWriter, r *http.Request, s Session) (*Session, error) {
	return nil, nil
}

// End ends the request's session and removes the cookie. It returns the session that ended, or nil.
func (m *Manager) End(w http.ResponseWriter, r *http.Request) (*Session, error) { return nil, nil }

// EndAccount ends an account's sessions but for one id, which may be "".
func (m *Manager) EndAccount(ctx context.Context, accountID, except string) error { return nil }

// Revoke ends one session by id.
func (m *Manager) Revoke(ctx context.Context, id string) error { return nil }
