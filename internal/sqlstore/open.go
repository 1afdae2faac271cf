package sqlstore

import (
	"context"
	"database/sql"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Config is the `storage` section.
type Config struct {
	// Driver is "sqlite" or "postgres".
	Driver string `json:"driver"`
	// DSN is a file for sqlite (empty: crmgate.db in data_dir) and a connection string for postgres.
	DSN     token.Secret `json:"dsn"`
	DSNFile string       `json:"dsn_file"`
}

// Default returns the section's defaults.
func (Config) Default() Config { return Config{Driver: "sqlite"} }

// Validate names every fault.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	dsn := c.DSN.Reveal()
	switch c.Driver {
	case "sqlite":
		if strings.HasPrefix(dsn, "file:") || strings.Contains(dsn, ":memory:") {
			p.Add("dsn", "Write the path of a file, or leave it empty for crmgate.db in data_dir.",
				"a SQLite database is named by the path of a file: the command line opens the same one beside the server")
		}
	case "postgres":
		if dsn == "" && c.DSNFile == "" {
			p.Add("dsn", "Write postgres://user:password@host/database, or name a file with it in dsn_file.",
				"PostgreSQL needs a connection string")
		} else if _, err := parsePostgres(dsn); dsn != "" && err != nil {
			p.Add("dsn", "Write postgres://user:password@host/database.", "the connection string cannot be read: %v", err)
		}
	default:
		p.Add("driver", "Write sqlite or postgres.", "%q is no database driver", c.Driver)
	}
	return p
}

// DB implements account.Store, account.PasswordStore, account.TokenStore, session.Store, session.AttemptStore, throttle.Store,
// token.KeyStore, bearer.Store, audit.Recorder, audit.Reader and audit.Sweeper. It is safe for concurrent use.
type DB struct {
	// Log gets a line for every security event and one at level error for each that could not be stored; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock of security events without a time; nil is time.Now.
	Now func() time.Time

	db *sql.DB
	// writer holds one token where the engine has one writer (SQLite); nil otherwise.
	writer chan struct{}
	// prepared is nil where the driver prepares by itself.
	prepared *prepared

	lastSeq   atomic.Int64 // of the newest event
	lastSweep atomic.Int64 // of failures, unix milliseconds of the caller's clock
}

// Open connects, migrates and returns the store. dataDir is where SQLite's file goes. Every error has a sentence for who
// starts the program.
func Open(ctx context.Context, cfg Config, dataDir string) (*DB, error) {
	switch cfg.Driver {
	case "sqlite":
		return openSQLite(ctx, cfg.DSN.Reveal(), dataDir)
	case "postgres":
		return openPostgres(ctx, cfg.DSN.Reveal())
	}
	return nil, fault.New(fault.Invalid, "storage.driver is neither sqlite nor postgres.")
}

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error {
	_, err := read(ctx, d, step{verb: "ping database"}, func(ctx context.Context, q queryer) (int, error) {
		var one int
		return one, q.QueryRowContext(ctx, "SELECT 1").Scan(&one)
	})
	return err
}

// Close ends all connections.
func (d *DB) Close() error { return d.db.Close() }

func (d *DB) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

func (d *DB) log() *slog.Logger {
	if d.Log != nil {
		return d.Log
	}
	return slog.Default()
}
