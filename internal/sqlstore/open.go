package sqlstore

import (
	"context"
	"database/sql"

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
func (c Config) Validate() fault.Problems { return nil }

// DB implements account.Store, account.PasswordStore, account.TokenStore, session.Store, signin.Store, throttle.Store,
// token.KeyStore and audit.Recorder.
type DB struct {
	db *sql.DB
}

// Open connects, migrates and returns the store. dataDir is where SQLite's file goes.
func Open(ctx context.Context, cfg Config, dataDir string) (*DB, error) { return nil, nil }

// Ping reports whether the database answers.
func (d *DB) Ping(ctx context.Context) error { return nil }

// Close ends all connections.
func (d *DB) Close() error { return nil }
