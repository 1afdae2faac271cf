package signin

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"crmgate/internal/fault"
)

const (
	// doorWidth is how many sessions are asked about at one provider at once. After an outage all of them are due.
	doorWidth = 16
	// doorWait is how long a question waits for its turn. Its own time begins after that: a question that is broken off may have used up
	// a token.
	doorWait = 10 * time.Second
	// doorShut is how long nobody asks a provider that has just not answered.
	doorShut = 2 * time.Second
)

// errPutOff says that the provider was not asked because it did not answer a moment ago.
var errPutOff = errors.New("provider is not asked for a moment")

// door is the way to one provider.
type door struct {
	id    string
	slots chan struct{}
	log   *slog.Logger
	now   func() time.Time

	mu        sync.Mutex
	shutUntil time.Time
	silent    bool
	mentioned bool
}

// door returns the way to a provider.
func (v *Revalidation) door(id string) *door {
	v.mu.Lock()
	defer v.mu.Unlock()
	d := v.doors[id]
	if d == nil {
		d = &door{id: id, slots: make(chan struct{}, doorWidth), log: v.log(), now: v.now}
		v.doors[id] = d
	}
	return d
}

// ask asks unless the provider has just not answered, and logs when it stops answering and when it begins again.
func (d *door) ask(ctx context.Context, question func() error) error {
	turn := time.NewTimer(doorWait)
	defer turn.Stop()
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-turn.C:
		return errPutOff
	case <-ctx.Done():
		return errPutOff
	}
	d.mu.Lock()
	shut := d.now().Before(d.shutUntil)
	d.mu.Unlock()
	if shut {
		return errPutOff
	}
	err := question()
	d.mu.Lock()
	defer d.mu.Unlock()
	if fault.Is(err, fault.Unavailable) {
		d.shutUntil = d.now().Add(doorShut)
		if !d.silent {
			d.silent = true
			d.log.Warn("provider does not answer about live sessions; they go on for revalidate_grace", "provider", d.id, "error", err)
		}
		return err
	}
	if d.silent {
		d.silent = false
		d.log.Info("provider answers about live sessions again", "provider", d.id)
	}
	return err
}

// mention reports whether it is the first time that it is called.
func (d *door) mention() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := !d.mentioned
	d.mentioned = true
	return first
}
