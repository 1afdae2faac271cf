package sqlstore

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

func openPlain(t *testing.T) *DB {
	t.Helper()
	d, err := Open(t.Context(), Config{Driver: "sqlite"}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Texts are prepared while every connection is busy, inside and outside of transactions, and nobody waits for ever.
func TestPreparedUnderLoad(t *testing.T) {
	d := openPlain(t)
	var wg sync.WaitGroup
	for i := range 4 * sqliteReaders {
		wg.Go(func() {
			for j := range 20 {
				text := fmt.Sprintf("SELECT %d + $1", (i+j)%40)
				ask := func(ctx context.Context, q queryer) (int, error) {
					var n int
					err := q.QueryRowContext(ctx, text, j).Scan(&n)
					return n, err
				}
				run := read[int]
				if i%2 == 0 {
					run = write[int]
				}
				if n, err := run(t.Context(), d, step{verb: "add"}, ask); err != nil || n != (i+j)%40+j {
					t.Errorf("%s with %d: %d, %v", text, j, n, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(d.prepared.known); n != 40 {
		t.Errorf("%d texts prepared, want each of 40 once", n)
	}
}

func TestPreparedIsBounded(t *testing.T) {
	d := openPlain(t)
	for i := range maxPrepared + 20 {
		n, err := read(t.Context(), d, step{verb: "count"}, func(ctx context.Context, q queryer) (n int, err error) {
			err = q.QueryRowContext(ctx, fmt.Sprintf("SELECT %d", i)).Scan(&n)
			return n, err
		})
		if err != nil || n != i {
			t.Fatalf("text %d: %d, %v", i, n, err)
		}
	}
	if n := len(d.prepared.known); n != maxPrepared {
		t.Errorf("%d prepared", n)
	}
}

// A text that is wrong says so each time, prepared or not.
func TestPreparedFaults(t *testing.T) {
	d := openPlain(t)
	for range 3 {
		for _, run := range []func(context.Context, *DB, step, func(context.Context, queryer) (struct{}, error)) (struct{}, error){read[struct{}], write[struct{}]} {
			if _, err := run(t.Context(), d, step{verb: "err"}, func(ctx context.Context, q queryer) (struct{}, error) {
				return struct{}{}, exec(ctx, q, "UPDATE nothing SET x = 1")
			}); err == nil {
				t.Error("no error")
			}
		}
	}
}
