package app

import (
	"context"
	"runtime"
	"runtime/debug"
	stats "runtime/metrics"
	"testing"
	"time"
)

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		name string
		live uint64
		want int
	}{
		{"nothing known", 0, 400},
		{"a gateway at rest", 3 << 20, 400},
		{"half of the floor", heapFloor / 2, 100},
		{"a third of the floor", heapFloor / 3, 200},
		{"the floor", heapFloor, 100},
		{"many sessions", 300 << 20, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := percentFor(c.live); got != c.want {
				t.Errorf("percentFor(%d) = %d, want %d", c.live, got, c.want)
			}
		})
	}
}

func TestCollecting(t *testing.T) {
	t.Setenv("GOGC", "")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = (&App{}).collecting(ctx) }()

	large := make([]*[64 << 10]byte, 3*heapFloor>>16)
	for i := range large {
		large[i] = new([64 << 10]byte)
	}
	eventually(t, "a large heap is collected as usual", func() bool { return marked() > heapFloor && gcPercent() == percentLeast })
	runtime.KeepAlive(large)
	large = nil
	eventually(t, "a small heap may grow", func() bool { return gcPercent() > percentLeast })
	cancel()
	<-ended
	if got := gcPercent(); got != percentLeast {
		t.Errorf("at the end GOGC is %d, want %d", got, percentLeast)
	}
}

// eventually collects until what is asked for is there.
func eventually(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		runtime.GC()
		if there() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(what + ": it does not happen")
		}
	}
}

func gcPercent() int {
	s := []stats.Sample{{Name: "/gc/gogc:percent"}}
	stats.Read(s)
	return int(s[0].Value.Uint64())
}
