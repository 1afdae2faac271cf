package account

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestHashIsPHC(t *testing.T) {
	h := newHasher()
	hash, err := h.make(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash %q", hash)
	}
	again, err := h.make(t.Context(), goodPassword)
	if err != nil || again == hash {
		t.Errorf("two hashes of one password are one: salt is missing (%v)", err)
	}
	if ok, stale, err := h.check(t.Context(), hash, goodPassword); !ok || stale || err != nil {
		t.Errorf("right password: ok %v, stale %v, error %v", ok, stale, err)
	}
	if ok, _, err := h.check(t.Context(), hash, otherPassword); ok || err != nil {
		t.Errorf("wrong password: ok %v, error %v", ok, err)
	}
}

// A hash that another implementation made: argon2 20190702, password "password", salt "somesalt" (the project's own test vector).
func TestHashOfAnother(t *testing.T) {
	const foreign = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	h := newHasher()
	if ok, stale, err := h.check(t.Context(), foreign, "password"); !ok || !stale || err != nil {
		t.Errorf("ok %v, stale %v, error %v; want a right password at another cost", ok, stale, err)
	}
}

func TestDamagedHashes(t *testing.T) {
	h := newHasherWith(params{memory: 8, time: 1, threads: 1})
	good, err := h.make(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	swap := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, hash := range map[string]string{
		"empty":            "",
		"plain text":       goodPassword,
		"another function": swap("argon2id", "argon2d"),
		"another version":  swap("v=19", "v=16"),
		"no version":       swap("$v=19", ""),
		"memory of a heap": swap("m=8,", "m=1048577,"),
		"endless time":     swap("t=1,", "t=65,"),
		"hours":            swap("m=8,t=1,", "m=1048576,t=5,"),
		"no time":          swap("t=1,", "t=0,"),
		"no threads":       swap("p=1$", "p=0$"),
		"many threads":     swap("p=1$", "p=256$"),
		"negative":         swap("m=8,", "m=-8,"),
		"trailing":         good + "$x",
		"trailing space":   good + " ",
		"padded":           good + "=",
		"parameters twice": swap("m=8,", "m=8,m=8,"),
		"leading zero":     swap("m=8,", "m=08,"),
		"short key":        good[:strings.LastIndexByte(good, '$')+1] + "AAAA",
		"no key":           good[:strings.LastIndexByte(good, '$')+1],
		"bcrypt":           "$2b$12$abcdefghijklmnopqrstuv",
	} {
		before := h.spent.Load()
		ok, _, err := h.check(t.Context(), hash, goodPassword)
		if ok || err == nil || h.spent.Load() != before {
			t.Errorf("%s: ok %v, error %v, hashes %d", name, ok, err, h.spent.Load()-before)
		}
		if err != nil && strings.Contains(err.Error(), "$") {
			t.Errorf("%s: error tells the hash: %v", name, err)
		}
	}
}

func TestDecoyFitsNothing(t *testing.T) {
	h := newHasherWith(params{memory: 8, time: 1, threads: 1})
	for _, p := range []string{"", "decoy", h.decoy} {
		if ok, stale, err := h.check(t.Context(), h.decoy, p); ok || stale || err != nil {
			t.Errorf("%q: ok %v, stale %v, error %v", p, ok, stale, err)
		}
	}
	if one, other := newHasher(), newHasher(); one.decoy == other.decoy {
		t.Error("all processes share one decoy")
	}
}

func TestHashingIsBounded(t *testing.T) {
	h := newHasherWith(params{memory: 8, time: 1, threads: 1})
	var running, most atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			err := h.turn(t.Context(), func() {
				n := running.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				time.Sleep(time.Millisecond)
				running.Add(-1)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most.Load() > int32(cap(h.slots)) {
		t.Errorf("%d at once, want at most %d", most.Load(), cap(h.slots))
	}
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := h.make(ctx, goodPassword); err == nil {
		t.Error("a hash was made while every slot was taken")
	}
}
