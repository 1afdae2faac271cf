package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"crmgate/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date. Of several processes that start at once one does it and the others wait: on PostgreSQL
// by an advisory lock, on SQLite by the lock that openSQLite holds.
func migrate(ctx context.Context, dialect goose.Dialect, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger())}
	if dialect == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return fmt.Errorf("migrate database: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, files, options...)
	if err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	// Looked at before the lock is taken: mostly there is nothing to do, and a pooler in front of PostgreSQL that shares
	// sessions cannot hold such a lock.
	current, target, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("migrate database: %w", err)
	case current > target:
		return fault.New(fault.Conflict, fmt.Sprintf("The database was written by a newer crmgate (schema %d, this one knows %d). Start the newer one.", current, target))
	case current == target:
		return nil
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate database: %w", err)
	}
	return nil
}
