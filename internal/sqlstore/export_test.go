package sqlstore

import (
	"context"
	"database/sql"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Raw is the database beneath, for tests that go round the store.
func (d *DB) Raw() *sql.DB { return d.db }

// Writing reports whether a writer is at work.
func (d *DB) Writing() bool { return len(d.writer) == 0 }

// Provider is goose over the same migrations.
func (d *DB) Provider(dialect goose.Dialect) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, d.db, files, goose.WithLogger(goose.NopLogger()))
}

// Migrate is what Open does after connecting.
func (d *DB) Migrate(ctx context.Context, dialect goose.Dialect) error {
	return migrate(ctx, dialect, d.db)
}
