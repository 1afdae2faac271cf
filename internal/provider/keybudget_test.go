package provider

import (
	"testing"
	"time"
)

// TestFetchBudget sends bad tokens at a steady pace, and then asks how long a genuine rotation waits: until the key of the next good token is
// fetched, where somebody whom it refuses tries again every second.
func TestFetchBudget(t *testing.T) {
	for _, tt := range []struct {
		name        string
		tokens      int
		pace        time.Duration
		least, most int           // fetches
		wait        time.Duration // at most
	}{
		{"one", 1, 0, 1, 1, 0},
		{"fifty at once", 50, 0, 3, 3, time.Second},
		{"fifty in five seconds", 50, 100 * time.Millisecond, 5, 6, 5 * time.Second},
		{"fifty in two minutes", 50, 2400 * time.Millisecond, 5, 10, 8 * time.Second},
		{"a hundred a second for an hour", 360_000, 10 * time.Millisecond, 700, 730, 5 * time.Second},
		{"one an hour", 5, time.Hour, 5, 5, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			var b fetchBudget
			fetches := 0
			for range tt.tokens {
				now = now.Add(tt.pace)
				if b.allows(now) {
					fetches++
					b.judge(now, fetches, false)
				}
			}
			if fetches < tt.least || fetches > tt.most {
				t.Errorf("%d fetches, want %d to %d", fetches, tt.least, tt.most)
			}
			flood := now
			for !b.allows(now) {
				now = now.Add(time.Second)
			}
			if waited := now.Sub(flood); waited > tt.wait {
				t.Errorf("a genuine rotation waits for %s, want %s at most", waited, tt.wait)
			}
		})
	}
}

// TestFetchBudgetsTogether mixes tokens that the provider answers with and those that anybody sends.
func TestFetchBudgetsTogether(t *testing.T) {
	for pace, most := range map[time.Duration]int{0: 10, 100 * time.Millisecond: 10, time.Second: 10, 2400 * time.Millisecond: 12} {
		for _, every := range []int{1, 2, 3, 5, 25} { // how many of one kind come before the next
			now := time.Unix(1_800_000_000, 0)
			var b fetchBudgets
			fetches := 0
			for i := range 50 {
				now = now.Add(pace)
				from := source(i / every % 2)
				if b[from].allows(now) {
					fetches++
					b.judge(from, now, fetches, false)
				}
			}
			if fetches < 3 || fetches > most {
				t.Errorf("fifty, one in %s, %d of a kind: %d fetches", pace, every, fetches)
			}
		}
	}
	// A flood of anybody's leaves the provider's as it is.
	var b fetchBudgets
	now := time.Unix(1_800_000_000, 0)
	for round := range 100 {
		b.judge(fromAnybody, now, round+1, false)
	}
	if b[fromAnybody].allows(now) || !b[fromProvider].allows(now) {
		t.Error("a stranger's flood delays those who sign in")
	}
}

func TestUsefulFetchesAreFree(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var b fetchBudget
	for round := range 100 {
		if !b.allows(now) {
			t.Fatalf("rotation %d finds the budget used up", round)
		}
		b.judge(now, round+1, round%freeFetches == 0)
	}
}

func TestParallelTokensCountOnce(t *testing.T) {
	var b fetchBudget
	for range 50 {
		b.judge(time.Unix(1_800_000_000, 0), 1, false)
	}
	if b.useless != 1 {
		t.Errorf("one fetch counts %d times", b.useless)
	}
}
