package sqlstore

import (
	"context"
	"database/sql"
	"sync"
)

// maxPrepared is how many texts are kept prepared. There are about two hundred, and some that depend on the number of their values.
const maxPrepared = 300

// prepared keeps statements that SQLite has read. It reads a text anew each time it is run, which costs more than running most of ours does;
// PostgreSQL's driver keeps them by itself.
type prepared struct {
	db *sql.DB

	mu    sync.RWMutex
	known map[string]*sql.Stmt
	// wanted are texts that ran in a transaction, which holds a connection and must not wait for another.
	wanted []string
}

// get returns the statement for a text, or nil.
func (p *prepared) get(query string) *sql.Stmt {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.known[query]
}

// want remembers a text until the next prepare.
func (p *prepared) want(query string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.wanted) < maxPrepared {
		p.wanted = append(p.wanted, query)
	}
}

// prepare prepares what was wanted. One that cannot be prepared stays a text, and whoever runs it learns why.
func (p *prepared) prepare(ctx context.Context) {
	p.mu.RLock()
	none := len(p.wanted) == 0
	p.mu.RUnlock()
	if none {
		return
	}
	p.mu.Lock()
	wanted := p.wanted
	p.wanted = nil
	p.mu.Unlock()
	for _, query := range wanted {
		p.keep(ctx, query)
	}
}

// keep prepares a text and returns its statement, or nil where it stays a text.
func (p *prepared) keep(ctx context.Context, query string) *sql.Stmt {
	p.mu.RLock()
	s, n := p.known[query], len(p.known)
	p.mu.RUnlock()
	if s != nil || n >= maxPrepared {
		return s
	}
	s, err := p.db.PrepareContext(ctx, query)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.known[query]; other != nil {
		_ = s.Close()
		return other
	}
	p.known[query] = s
	return s
}

// statements runs texts as prepared statements, in a transaction or, where tx is nil, outside.
type statements struct {
	*prepared
	tx *sql.Tx
}

// of returns the statement for a text, or nil where the text itself is to be run.
func (s statements) of(ctx context.Context, query string) *sql.Stmt {
	stmt := s.get(query)
	switch {
	case stmt == nil && s.tx == nil:
		return s.keep(ctx, query)
	case stmt == nil:
		s.want(query)
		return nil
	case s.tx == nil:
		return stmt
	}
	return s.tx.StmtContext(ctx, stmt)
}

// direct is where texts are run.
func (s statements) direct() queryer {
	if s.tx != nil {
		return s.tx
	}
	return s.db
}

// ExecContext implements queryer.
func (s statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := s.of(ctx, query); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return s.direct().ExecContext(ctx, query, args...)
}

// QueryContext implements queryer.
func (s statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if stmt := s.of(ctx, query); stmt != nil {
		return stmt.QueryContext(ctx, args...)
	}
	return s.direct().QueryContext(ctx, query, args...)
}

// QueryRowContext implements queryer.
func (s statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if stmt := s.of(ctx, query); stmt != nil {
		return stmt.QueryRowContext(ctx, args...)
	}
	return s.direct().QueryRowContext(ctx, query, args...)
}
