package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
)

// unit is several operations that are one transaction. It begins with the first that writes: what comes before holds nobody up, as a question
// to another store may take long.
type unit struct {
	d   *DB
	ctx context.Context

	mu sync.Mutex
	tx *sql.Tx
	// release lets the next writer go on.
	release func()
	// failed is why nothing of it will be written. The engines differ in what a failed statement leaves behind, so one that fails ends all.
	failed error
	// over is set at the end. What was begun by then and still holds the context is on its own again.
	over bool
	// logs are the lines about what is written with it.
	logs []func()
}

type unitKey struct{}

// Together runs do, and what do writes to this store with the context that it is given comes about as a whole or not at all. The transaction
// is bounded like a single operation. One write that fails ends it, whatever do makes of the failure. What is not written here (a session in
// Redis) is for the caller to undo. Do must not give the context to what outlives it.
func (d *DB) Together(ctx context.Context, do func(ctx context.Context) error) error {
	if d.unit(ctx) != nil {
		return do(ctx)
	}
	bounded, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	u := &unit{d: d, ctx: bounded}
	err := errors.New("it panicked")
	func() {
		defer func() { err = u.end(err) }() // also then: the next writer waits
		err = do(context.WithValue(ctx, unitKey{}, u))
	}()
	if err != nil {
		return err
	}
	for _, line := range u.logs {
		line()
	}
	return nil
}

// unit returns what a context's operations are part of, or nil.
func (d *DB) unit(ctx context.Context) *unit {
	u, ok := ctx.Value(unitKey{}).(*unit)
	if !ok || u.d != d {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.over {
		return nil
	}
	return u
}

// end commits, or rolls back where do or one of its operations failed.
func (u *unit) end(err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	if u.release != nil {
		defer u.release()
	}
	if err == nil {
		err = u.failed
	}
	if u.tx == nil {
		return err
	}
	defer u.tx.Rollback() // nothing after Commit
	if err != nil {
		return err
	}
	if err := u.tx.Commit(); err != nil {
		return translate(step{verb: "commit"}, err)
	}
	return nil
}

// join runs f, which writes, as a part of u.
func join[T any](ctx context.Context, u *unit, s step, f func(ctx context.Context, q queryer) (T, error)) (T, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var zero T
	if u.failed != nil {
		return zero, u.failed
	}
	if u.tx == nil {
		if err := u.begin(); err != nil {
			u.failed = translate(s, err)
			return zero, u.failed
		}
	}
	v, err := f(ctx, u.d.within(u.tx))
	if err != nil {
		u.failed = translate(s, err)
		return zero, u.failed
	}
	return v, nil
}

// begin opens the transaction. u.mu is held.
func (u *unit) begin() error {
	release, err := u.d.turn(u.ctx)
	if err != nil {
		return err
	}
	tx, err := u.d.begin(u.ctx)
	if err != nil {
		release()
		return err
	}
	u.tx, u.release = tx, release
	return nil
}

// ask runs f, which reads, in u's transaction once it has one: only there is what it has written. What is not found ends nothing; PostgreSQL
// refuses to commit after a statement that it could not run.
func ask[T any](ctx context.Context, u *unit, q queryer, f func(ctx context.Context, q queryer) (T, error)) (T, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.tx != nil {
		q = u.d.within(u.tx)
	}
	return f(ctx, q)
}

// afterwards logs a line once what it tells of is written: at once, or with the unit of a context.
func (d *DB) afterwards(ctx context.Context, message string, attrs []slog.Attr) {
	line := func() { d.log().LogAttrs(ctx, slog.LevelInfo, message, attrs...) }
	u := d.unit(ctx)
	if u == nil {
		line()
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.logs = append(u.logs, line)
}
