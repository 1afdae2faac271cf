package gateway

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Watcher tells whether a session still lives without counting as its use. session.Manager is one; Sessions that are none are not watched.
type Watcher interface {
	// Alive reports whether the session with an id is live; an error means that nobody can know now.
	Alive(ctx context.Context, id string) (bool, error)
}

// watchEvery is how often the session behind an open WebSocket or event stream is looked at.
const watchEvery = 4 * time.Second

// lasting reports whether a request asks for something that stays open: it was let in once and must not outlive that.
func lasting(r *http.Request) bool {
	if _, ok := r.Header["Upgrade"]; ok {
		return true
	}
	accept := r.Header["Accept"]
	return len(accept) > 0 && strings.HasPrefix(accept[0], "text/event-stream")
}

// watched returns a request that ends when the session does. While the store cannot be asked it goes on: a store that restarts must not
// cut off everybody at once, and nobody can be signed out in the meantime.
func (h *Handler) watched(r *http.Request, c caller) (_ *http.Request, stop context.CancelFunc) {
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		t := time.NewTicker(watchEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			if alive, err := h.alive(ctx, c); err == nil && !alive {
				cancel()
			}
		}
	}()
	return r.WithContext(ctx), cancel
}
