package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmgate/internal/fault"
)

// now is the suites' clock: stores keep milliseconds, in UTC.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// together runs f in n goroutines that start at once and returns their errors.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// oneWins fails the test unless exactly one error is nil and the others are of the kind.
func oneWins(t *testing.T, what string, kind fault.Kind, errs []error) {
	t.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !fault.Is(err, kind):
			t.Errorf("%s: a loser got %v, want %v", what, err, kind)
		}
	}
	if won != 1 {
		t.Errorf("%s: %d of %d succeeded, want 1", what, won, len(errs))
	}
}

// ok ends the test on an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantKind fails the test unless err is a fault of the kind with a sentence for people.
func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if !fault.Is(err, kind) {
		t.Errorf("%s: error %v, want %v", what, err, kind)
	}
}

// same fails the test unless got equals want; nil and empty lists are equal.
func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
