package throttle_test

import (
	"testing"
	"time"

	"crmgate/internal/throttle"
)

func TestSpent(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	l := &throttle.Limiter{PerMinute: 2, Now: func() time.Time { return now }}
	for i := range 10 {
		if l.Spent("192.0.2.7") {
			t.Fatalf("look %d counts", i)
		}
	}
	l.Allow("192.0.2.7")
	if l.Spent("192.0.2.7") {
		t.Error("spent after one of two")
	}
	l.Allow("192.0.2.7")
	if !l.Spent("192.0.2.7") || l.Spent("192.0.2.8") {
		t.Error("after two of two that client is spent and no other")
	}
	now = now.Add(31 * time.Second)
	if l.Spent("192.0.2.7") {
		t.Error("half a minute later still spent")
	}
	if (&throttle.Limiter{}).Spent("192.0.2.7") {
		t.Error("without a limit somebody is spent")
	}
}
