package signin

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

func inBubble(name string, t *testing.T, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

var (
	errDown = fault.New(fault.Unavailable, "Down.")
	errGone = fault.New(fault.Unauthenticated, "Ended.").WithReason("invalid_grant")
)

func TestRevalidate(t *testing.T) {
	inBubble("in use, for an hour, on two replicas", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.use(58*time.Second, "old")
		time.Sleep(5 * time.Second)
		b.get(0)
		synctest.Wait()
		b.use(time.Hour, "new")
		synctest.Wait()
		if b.idp.reused || b.idp.asked < 55 || b.idp.asked > 61 {
			t.Errorf("asked %d times in an hour, a token came twice: %v", b.idp.asked, b.idp.reused)
		}
		if s := b.record(); s.Name != "Ann Archer" || !s.CheckAfter.IsZero() || time.Since(s.CheckedAt) > 65*time.Second {
			t.Errorf("session = %+v", s)
		}
	})
	inBubble("ten requests at once, on each replica, make one question", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.takes = 300 * time.Millisecond
		time.Sleep(61 * time.Second)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if got := b.get(i % 2); got != "old" {
					t.Errorf("while it is asked a request found %q", got)
				}
			})
		}
		wg.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := b.get(0) + b.get(1); got != "newnew" || b.idp.asked != 1 {
			t.Errorf("then %q, asked %d times", got, b.idp.asked)
		}
		b.want(map[string]int{"confirmed": 1})
	})
	inBubble("who comes back late waits for the answer", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.takes = 400 * time.Millisecond
		time.Sleep(3 * time.Hour)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if got := b.get(i % 2); got != "new" {
					t.Errorf("a late request found %q", got)
				}
			})
		}
		wg.Wait()
		b.want(map[string]int{"confirmed": 1})
	})
	inBubble("the provider ends it", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.err = errGone
		time.Sleep(61 * time.Second)
		b.get(0)
		b.use(5*time.Second, "")
		b.want(map[string]int{"refused": 1})
		if len(b.audit.events) != 1 || b.audit.events[0].Reason != "revalidate_invalid_grant" || b.audit.events[0].AccountID != "1" {
			t.Errorf("events %+v", b.audit.events)
		}
	})
}

func TestOutage(t *testing.T) {
	inBubble("an outage shorter than the grace", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.err = errDown
		b.use(50*time.Minute, "old")
		b.idp.answer(nil)
		time.Sleep(16 * time.Second)
		b.get(0)
		synctest.Wait()
		b.use(30*time.Minute, "new") // until each replica has asked again
		synctest.Wait()
		if b.outcomes["lapsed"] != 0 || b.outcomes["confirmed"] < 25 || b.outcomes["unanswered"] < 100 || b.outcomes["unanswered"] > 250 {
			t.Errorf("outcomes %v", b.outcomes)
		}
		if log := b.log.String(); strings.Count(log, "does not answer") > 2 || !strings.Contains(log, "answers about live sessions again") {
			t.Errorf("log:\n%s", log)
		}
	})
	inBubble("an outage longer than the grace", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.err = errDown
		b.use(61*time.Minute-5*time.Second, "old")
		time.Sleep(7 * time.Second)
		b.get(0)
		b.use(3*time.Second, "")
		synctest.Wait()
		if b.outcomes["lapsed"] != 1 {
			t.Errorf("outcomes %v", b.outcomes)
		}
	})
	inBubble("no grace", t, func(t *testing.T) {
		p := newIDP()
		p.info.Grace = 0
		b := newBench(t, p)
		b.idp.err = errDown
		time.Sleep(61 * time.Second)
		b.get(0)
		b.use(2*time.Second, "")
		b.want(map[string]int{"unanswered": 1, "lapsed": 1})
	})
}

func TestNobodyWaitsLong(t *testing.T) {
	inBubble("a provider that hangs delays nobody for long", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.takes = time.Hour
		time.Sleep(2 * time.Hour)
		waited := 0
		for range 120 {
			began := time.Now()
			if got := b.get(0); got != "old" {
				t.Fatalf("a request found %q", got)
			}
			if d := time.Since(began); d > patience {
				t.Fatalf("a request waited %v", d)
			} else if d > 0 {
				waited++
			}
			time.Sleep(time.Second)
		}
		if waited > 2 {
			t.Errorf("%d requests of one session waited", waited)
		}
		time.Sleep(time.Minute)
	})
	inBubble("nobody passes where the grace is over and the provider hangs", t, func(t *testing.T) {
		p := newIDP()
		p.info.Grace = 10 * time.Second
		b := newBench(t, p)
		b.idp.err = errDown
		time.Sleep(61 * time.Second)
		b.get(0)
		synctest.Wait()
		b.idp.mu.Lock()
		b.idp.takes = time.Hour
		b.idp.mu.Unlock()
		time.Sleep(20 * time.Second)
		if got := b.get(0); got != "unavailable" {
			t.Errorf("a request found %q", got)
		}
		time.Sleep(time.Minute)
		if got := b.get(0); got != "" {
			t.Errorf("later a request found %q", got)
		}
	})
	inBubble("a replica that died while it asked", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		time.Sleep(61 * time.Second)
		s := b.record()
		s.CheckAfter = time.Now().Add(leaseFor)
		b.store.put(s)
		waited := 0
		for range 50 {
			began := time.Now()
			if got := b.get(1); got != "old" {
				t.Fatalf("a request found %q", got)
			}
			if time.Since(began) > 0 {
				waited++
			}
			time.Sleep(time.Second)
		}
		if waited > 6 { // those of the first five seconds
			t.Errorf("%d requests waited", waited)
		}
		time.Sleep(15 * time.Second)
		b.get(1)
		synctest.Wait()
		b.use(5*time.Second, "new")
		b.want(map[string]int{"confirmed": 1})
	})
}

func TestNothingIsLost(t *testing.T) {
	inBubble("the token changes although the answer fails", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.err, b.idp.broken = errDown, true
		b.use(2*time.Minute, "old")
		b.idp.answer(nil)
		time.Sleep(16 * time.Second)
		b.get(0)
		synctest.Wait()
		b.use(5*time.Second, "new")
		synctest.Wait()
		if b.idp.reused {
			t.Error("an old token was used")
		}
	})
	inBubble("the store is down when the answer comes", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.takes = time.Second
		time.Sleep(61 * time.Second)
		b.get(0)
		b.store.fail(errors.New("down"))
		time.Sleep(3 * time.Second)
		b.store.fail(nil)
		time.Sleep(time.Second)
		b.use(3*time.Minute, "new")
		synctest.Wait()
		if b.idp.reused {
			t.Error("the new token was lost")
		}
	})
	inBubble("signed out meanwhile", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.takes = time.Second
		time.Sleep(61 * time.Second)
		b.get(0)
		if err := b.replicas[1].Revoke(t.Context(), b.record().ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if got := b.get(0); got != "" || len(b.store.sessions) != 0 {
			t.Errorf("the answer brought %q back", got)
		}
	})
	inBubble("the end of the process waits for the answer", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.takes = farewell / 2
		time.Sleep(61 * time.Second)
		b.get(0)
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := b.checks[0].Run(ctx); err != nil {
			t.Fatal(err)
		}
		if s := b.record(); s.Groups[0] != "new" {
			t.Errorf("groups = %v", s.Groups)
		}
		select {
		case <-b.checks[0].Check(new(b.record())):
		default:
			t.Error("after the end a check makes requests wait")
		}
	})
	inBubble("after a panic", t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.checks[0].Realms = identity.NewRealms(panicky{b.idp.info})
		time.Sleep(61 * time.Second)
		b.get(0)
		synctest.Wait()
		b.want(map[string]int{"unanswered": 1})
	})
}

// panicky is a provider with a bug.
type panicky struct{ info identity.Info }

func (p panicky) Info() identity.Info { return p.info }

func (p panicky) Revalidate(context.Context, identity.Grant) (identity.Identity, error) {
	panic("index out of range")
}
