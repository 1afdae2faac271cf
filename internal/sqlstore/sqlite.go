package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"crmgate/internal/fault"
)

// sqliteReaders is how many connections one process holds: readers run beside the one writer.
const sqliteReaders = 8

// openSQLite opens the file, or crmgate.db in dataDir, which is made where it is missing.
func openSQLite(ctx context.Context, file, dataDir string) (*DB, error) {
	if file == "" {
		if err := os.MkdirAll(dataDir, 0o700); err != nil {
			return nil, fault.Wrap(fault.Unavailable, fmt.Sprintf("The data directory %s cannot be made: %v.", dataDir, reason(err)), err)
		}
		file = filepath.Join(dataDir, "crmgate.db")
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return nil, sqliteFault(file, err)
	}
	if err := touch(file); err != nil {
		return nil, sqliteFault(file, err)
	}
	// Two processes that start at once would both find the tables missing, and both switch to WAL. One at a time.
	unlock, err := lockDirectory(ctx, filepath.Dir(file))
	if err != nil {
		return nil, sqliteFault(file, err)
	}
	defer unlock()
	d, err := openLocked(ctx, file)
	if err != nil {
		return nil, sqliteFault(file, err)
	}
	return d, nil
}

// openLocked opens and migrates a file while no other process does.
func openLocked(ctx context.Context, file string) (*DB, error) {
	db, err := sql.Open("sqlite", sqliteDSN(file, url.Values{
		// In this spelling: the driver ignores _busy_timeout= and the like without a word.
		"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)", "foreign_keys(1)"},
		// A transaction that reads first and writes later fails at once when another wrote in between; so none does.
		"_txlock": {"immediate"},
	}))
	if err != nil {
		return nil, err
	}
	// Idle connections stay: each new one costs four pragmas.
	db.SetMaxOpenConns(sqliteReaders)
	db.SetMaxIdleConns(sqliteReaders)
	if err := migrate(ctx, goose.DialectSQLite3, db); err != nil {
		db.Close()
		return nil, err
	}
	d := &DB{db: db, writer: make(chan struct{}, 1), prepared: &prepared{db: db, known: map[string]*sql.Stmt{}}}
	d.writer <- struct{}{}
	return d, nil
}

// touch makes the file for its owner alone; SQLite gives its companions (-wal, -shm) the same mode. An existing file is not
// opened: closing it would drop the locks that SQLite holds on it elsewhere in this process (fcntl(2)).
func touch(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// sqliteDSN escapes what is legal in a file name and means something in a URL.
func sqliteDSN(file string, params url.Values) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(file), RawQuery: params.Encode()}
	return u.String()
}

// sqliteFault is an error of Open with a sentence for who starts the program.
func sqliteFault(file string, err error) error {
	if fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.Wrap(fault.Unavailable, fmt.Sprintf("The database file %s cannot be opened: %v.", file, reason(err)), err)
}

// reason is the part of an error that a person can act on.
func reason(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	switch {
	case sqliteIs(err, sqlitelib.SQLITE_NOTADB):
		return errors.New("it is not a SQLite database")
	case sqliteIs(err, sqlitelib.SQLITE_READONLY), sqliteIs(err, sqlitelib.SQLITE_CANTOPEN), sqliteIs(err, sqlitelib.SQLITE_PERM):
		return errors.New("it, or the directory it is in, cannot be written by this user")
	case sqliteIs(err, sqlitelib.SQLITE_BUSY):
		return errors.New("another program keeps it locked")
	case sqliteIs(err, sqlitelib.SQLITE_FULL):
		return errors.New("the disk is full")
	}
	return err
}

// sqliteIs reports whether err carries a primary result code of SQLite (the low byte of the extended one).
func sqliteIs(err error, code int) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == code
}
