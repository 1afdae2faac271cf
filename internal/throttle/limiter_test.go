package throttle_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/throttle"
)

func TestLimiterAllowsItsRate(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	l := &throttle.Limiter{PerMinute: 25, Now: func() time.Time { return now }}
	for i := range 25 {
		if !l.Allow("192.0.2.7") {
			t.Fatalf("request %d of 25 refused", i+1)
		}
	}
	if l.Allow("192.0.2.7") {
		t.Error("request 26 of 25 went through")
	}
	if !l.Allow("192.0.2.8") {
		t.Error("another client was refused")
	}
	now = now.Add(3 * time.Second) // 25 a minute is one every 2.4 s
	if !l.Allow("192.0.2.7") || l.Allow("192.0.2.7") {
		t.Error("after three seconds exactly one more may pass")
	}
	now = now.Add(time.Hour)
	for i := range 25 {
		if !l.Allow("192.0.2.7") {
			t.Fatalf("an hour later request %d of 25 refused", i+1)
		}
	}
}

func TestLimiterCountsClients(t *testing.T) {
	tests := []struct {
		name, first, second string
		same                bool
	}{
		{name: "one IPv4 address", first: "192.0.2.7", second: "192.0.2.7", same: true},
		{name: "neighbours in IPv4", first: "192.0.2.7", second: "192.0.2.8"},
		{name: "mapped IPv4", first: "192.0.2.7", second: "::ffff:192.0.2.7", same: true},
		{name: "mapped neighbours", first: "::ffff:192.0.2.7", second: "::ffff:192.0.2.8"},
		{name: "one /64", first: "2001:db8:1:2::1", second: "2001:db8:1:2:ffff:1:2:3", same: true},
		{name: "two /64", first: "2001:db8:1:2::1", second: "2001:db8:1:3::1"},
		{name: "a zone is no way out", first: "fe80::1%eth0", second: "fe80::2%eth1", same: true},
		{name: "junk", first: "a", second: "1.2.3.4:99", same: true},
		{name: "empty is junk", first: "", second: "[::1]:5", same: true},
		{name: "junk is not everybody", first: "junk", second: "0.0.0.0"},
		{name: "junk is not the unspecified address", first: "junk", second: "::"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := &throttle.Limiter{PerMinute: 1}
			if !l.Allow(tt.first) {
				t.Fatal("the first request was refused")
			}
			if got := !l.Allow(tt.second); got != tt.same {
				t.Errorf("counted as one client: %v, want %v", got, tt.same)
			}
		})
	}
}

func TestLimiterWithoutRateAllowsAll(t *testing.T) {
	l := &throttle.Limiter{}
	for range 1000 {
		if !l.Allow("192.0.2.7") {
			t.Fatal("refused without a limit")
		}
	}
}

func TestLimiterInParallel(t *testing.T) {
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	l := &throttle.Limiter{PerMinute: 10, Now: func() time.Time { return now }}
	var allowed atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if l.Allow("192.0.2.7") {
					allowed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if allowed.Load() != 10 {
		t.Errorf("%d requests passed, want 10", allowed.Load())
	}
}

func TestLimiterStaysBounded(t *testing.T) {
	l := &throttle.Limiter{PerMinute: 1}
	for i := range throttle.MaxClients + 20_000 {
		if !l.Allow(fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)) {
			t.Fatalf("client %d was refused at its first request", i)
		}
	}
	if n := l.Clients(); n > throttle.MaxClients {
		t.Errorf("%d clients are remembered, want at most %d", n, throttle.MaxClients)
	}
}
