package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"crmgate/internal/fault"
)

// The pool of one process. Small: statements are short, and PostgreSQL's default limit is 100 for all clients.
const (
	postgresConns     = 16
	postgresIdleConns = 8
)

func openPostgres(ctx context.Context, dsn string) (*DB, error) {
	cfg, err := parsePostgres(dsn)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Sprintf("The connection string of PostgreSQL cannot be read: %v.", err), err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "crmgate"
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(postgresConns)
	db.SetMaxIdleConns(postgresIdleConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour) // so that a fail-over by DNS is noticed
	if err := migrate(ctx, goose.DialectPostgres, db); err != nil {
		db.Close()
		if fault.KindOf(err) != fault.Internal {
			return nil, err
		}
		return nil, fault.Wrap(fault.Unavailable, fmt.Sprintf("The PostgreSQL database %s at %s cannot be used: %v.",
			cfg.Database, net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))), postgresReason(err)), err)
	}
	return &DB{db: db}, nil
}

// parsePostgres reads a connection string. Its error never quotes the string, which holds a password.
func parsePostgres(dsn string) (*pgx.ConnConfig, error) {
	if dsn == "" {
		return nil, errors.New("it is empty")
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		if p := (*pgconn.ParseConfigError)(nil); errors.As(err, &p) && p.Unwrap() != nil {
			return nil, p.Unwrap()
		}
		return nil, errors.New("it is neither a postgres:// address nor a list of key=value")
	}
	return cfg, nil
}

// postgresReason is the part of an error that a person can act on.
func postgresReason(err error) error {
	if p := (*pgconn.PgError)(nil); errors.As(err, &p) {
		return errors.New(p.Message)
	}
	if n := (*net.OpError)(nil); errors.As(err, &n) {
		return n
	}
	return err
}
