package provider

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// maxRemembered bounds how many answers one memory holds.
	maxRemembered = 10_000
	// maxQuestion bounds one question, all its pages together.
	maxQuestion = 20 * time.Second
)

// memory asks a question once for all who wait for the answer, and remembers it for a while. Failures are not remembered: whoever comes next
// asks again.
type memory[T any] struct {
	now    func() time.Time
	flight singleflight.Group

	mu    sync.Mutex // guards known
	known map[string]remembered[T]
}

type remembered[T any] struct {
	answer T
	until  time.Time
}

// get returns the answer that is remembered under a key, or else the one that ask brings, which also says how long it is good.
func (m *memory[T]) get(ctx context.Context, key string, ask func(context.Context) (T, time.Duration, error)) (T, error) {
	var none T
	m.mu.Lock()
	k, ok := m.known[key]
	m.mu.Unlock()
	if ok && m.now().Before(k.until) {
		return k.answer, nil
	}
	result := m.flight.DoChan(key, func() (any, error) {
		// The others still want the answer when the first one gives up.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), maxQuestion)
		defer cancel()
		answer, life, err := ask(ctx)
		if err == nil {
			m.remember(key, answer, life)
		}
		return answer, err
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(T), nil
	case <-ctx.Done():
		return none, fmt.Errorf("wait for an answer: %w", ctx.Err())
	}
}

func (m *memory[T]) remember(key string, answer T, life time.Duration) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]remembered[T]{}
	}
	if len(m.known) >= maxRemembered {
		for key, k := range m.known {
			if !now.Before(k.until) {
				delete(m.known, key)
			}
		}
		if len(m.known) >= maxRemembered {
			clear(m.known)
		}
	}
	m.known[key] = remembered[T]{answer: answer, until: now.Add(life)}
}

// forget drops an answer that has turned out to be useless.
func (m *memory[T]) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, key)
}
