package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"crmgate/internal/fault"
)

// opTimeout bounds every operation, for callers without a deadline of their own.
const opTimeout = 10 * time.Second

// queryer is a *sql.DB, a *sql.Tx or statements.
type queryer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// row is a *sql.Row or *sql.Rows.
type row interface{ Scan(dest ...any) error }

// step names an operation.
type step struct {
	// verb is what was being done, for the log: "create account".
	verb string
	// missing is the sentence of the fault.NotFound that sql.ErrNoRows becomes.
	missing string
}

// read runs f outside a transaction, or in the one that the context's operations are part of.
func read[T any](ctx context.Context, d *DB, s step, f func(ctx context.Context, q queryer) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	q := queryer(d.db)
	if d.prepared != nil {
		q = statements{prepared: d.prepared}
	}
	if u := d.unit(ctx); u != nil {
		alone := f
		f = func(ctx context.Context, q queryer) (T, error) { return ask(ctx, u, q, alone) }
	}
	v, err := f(ctx, q)
	if err != nil {
		var zero T
		return zero, translate(s, err)
	}
	return v, nil
}

// write runs f in a transaction, again where PostgreSQL says that it got in another's way. f must not call the store.
func write[T any](ctx context.Context, d *DB, s step, f func(ctx context.Context, q queryer) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	if u := d.unit(ctx); u != nil {
		return join(ctx, u, s, f)
	}
	var zero T
	release, err := d.turn(ctx)
	if err != nil {
		return zero, translate(s, err)
	}
	defer release()
	for attempt := 1; ; attempt++ {
		v, err := transact(ctx, d, f)
		if err == nil {
			return v, nil
		}
		if attempt == 3 || !retryable(err) {
			return zero, translate(s, err)
		}
	}
}

// turn waits until this process may write, and returns what lets the next one go on.
func (d *DB) turn(ctx context.Context) (release func(), err error) {
	if d.writer == nil {
		return func() {}, nil
	}
	select {
	case <-d.writer:
		return func() { d.writer <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func transact[T any](ctx context.Context, d *DB, f func(ctx context.Context, q queryer) (T, error)) (v T, err error) {
	tx, err := d.begin(ctx)
	if err != nil {
		return v, err
	}
	defer tx.Rollback() // nothing after Commit
	if v, err = f(ctx, d.within(tx)); err != nil {
		return v, err
	}
	return v, tx.Commit()
}

// begin opens a transaction.
func (d *DB) begin(ctx context.Context) (*sql.Tx, error) {
	if d.prepared != nil {
		d.prepared.prepare(ctx)
	}
	return d.db.BeginTx(ctx, nil)
}

// within is where the statements of a transaction are run.
func (d *DB) within(tx *sql.Tx) queryer {
	if d.prepared != nil {
		return statements{prepared: d.prepared, tx: tx}
	}
	return tx
}

// all returns every row of a query.
func all[T any](ctx context.Context, q queryer, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// count runs a statement and returns how many rows it touched.
func count(ctx context.Context, q queryer, query string, args ...any) (int, error) {
	res, err := q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	n, err := res.RowsAffected()
	return int(n), err
}

// exec runs a statement for its effect.
func exec(ctx context.Context, q queryer, query string, args ...any) error {
	_, err := q.ExecContext(ctx, query, args...)
	return err
}

// taken gives a violated uniqueness the sentence of what is unique, and leaves other errors alone.
func taken(err error, sentence string) error {
	if violates(err, "23505", sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY) {
		return fault.Wrap(fault.Conflict, sentence, err)
	}
	return err
}

// violates reports whether err is an SQLSTATE of PostgreSQL or one of some extended codes of SQLite.
func violates(err error, state string, codes ...int) bool {
	if p := (*pgconn.PgError)(nil); errors.As(err, &p) {
		return p.Code == state
	}
	if s := (*sqlite.Error)(nil); errors.As(err, &s) {
		for _, c := range codes {
			if s.Code() == c {
				return true
			}
		}
	}
	return false
}

// retryable reports a serialization failure or a deadlock.
func retryable(err error) bool {
	var p *pgconn.PgError
	return errors.As(err, &p) && (p.Code == "40001" || p.Code == "40P01")
}

// translate turns a driver's error into the program's. Faults pass through.
func translate(s step, err error) error {
	var f *fault.Error
	switch {
	case errors.As(err, &f):
		return err
	case errors.Is(err, sql.ErrNoRows):
		return fault.New(fault.NotFound, s.missing)
	case down(err):
		return fault.Wrap(fault.Unavailable, "The sign-in database does not answer. Try again in a minute.", fmt.Errorf("%s: %w", s.verb, err))
	}
	return fmt.Errorf("%s: %w", s.verb, err)
}

// down reports whether an error is the database's trouble and not that of the statement.
func down(err error) bool {
	if p := (*pgconn.PgError)(nil); errors.As(err, &p) {
		// Connection, resources, operator intervention, system error; read-only after a fail-over; locks that were not had.
		for _, class := range []string{"08", "53", "57", "58", "25006", "40", "55P03"} {
			if strings.HasPrefix(p.Code, class) {
				return true
			}
		}
		return false
	}
	if s := (*sqlite.Error)(nil); errors.As(err, &s) {
		switch s.Code() & 0xff {
		case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED, sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_FULL, sqlitelib.SQLITE_CANTOPEN,
			sqlitelib.SQLITE_READONLY, sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB, sqlitelib.SQLITE_NOMEM, sqlitelib.SQLITE_INTERRUPT:
			return true
		}
		return false
	}
	var dial *pgconn.ConnectError
	var wire net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) ||
		errors.As(err, &dial) || errors.As(err, &wire) || pgconn.SafeToRetry(err) || pgconn.Timeout(err) ||
		strings.Contains(err.Error(), "database is closed")
}
