package provider

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestMemory asks the same from many sides at once of somebody who takes ten seconds: nobody waits for longer than that, and it is one question.
func TestMemory(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%v", fails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := memory[string]{now: time.Now}
				asked := 0
				ask := func(ctx context.Context) (string, time.Duration, error) {
					asked++
					time.Sleep(10 * time.Second)
					if fails {
						return "", 0, errors.New("no answer")
					}
					return "an answer", time.Minute, nil
				}
				begin := time.Now()
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						if answer, err := m.get(t.Context(), "key", ask); (err != nil) != fails || (answer == "") != fails {
							t.Errorf("%q, %v", answer, err)
						}
					})
				}
				all.Wait()
				if waited := time.Since(begin); waited != 10*time.Second || asked != 1 {
					t.Errorf("eight waited for %s, and %d questions were asked", waited, asked)
				}
			})
		})
	}
}

func TestMemoryEnds(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := memory[int]{now: func() time.Time { return now }}
	asked := 0
	get := func(key string) int {
		n, err := m.get(t.Context(), key, func(context.Context) (int, time.Duration, error) { asked++; return asked, time.Minute, nil })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, step := range []struct {
		what string
		do   func()
		want int
	}{
		{"the first question", func() {}, 1},
		{"remembered", func() { now = now.Add(59 * time.Second) }, 1},
		{"ended", func() { now = now.Add(time.Second) }, 2},
		{"forgotten", func() { m.forget("a") }, 3},
	} {
		step.do()
		if got := get("a"); got != step.want {
			t.Errorf("%s: answer %d, want %d", step.what, got, step.want)
		}
	}
	for i := range 2 * maxRemembered {
		get(fmt.Sprint(i))
	}
	if len(m.known) > maxRemembered {
		t.Errorf("%d answers are remembered", len(m.known))
	}
}

// Whoever leaves does not wait, and does not take the question away from the others.
func TestMemoryLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memory[string]{now: time.Now}
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := m.get(hurried, "key", func(ctx context.Context) (string, time.Duration, error) {
			select {
			case <-time.After(5 * time.Second):
				return "an answer", time.Minute, nil
			case <-ctx.Done():
				return "", 0, ctx.Err()
			}
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		answer, err := m.get(t.Context(), "key", func(context.Context) (string, time.Duration, error) { return "another", time.Minute, nil })
		if answer != "an answer" || err != nil {
			t.Errorf("%q, %v", answer, err)
		}
	})
}
