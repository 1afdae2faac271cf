package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/session"
	"crmgate/internal/sqlstore"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

func newSession() *session.Session {
	at := time.Now().UTC().Truncate(time.Millisecond)
	return &session.Session{ID: token.NewID(), SecretDigest: token.Digest("x"), AccountID: token.NewID(), Provider: "local",
		SignedInAt: at, AuthTime: at, LastSeen: at, ExpiresAt: at.Add(time.Hour), IdleTimeout: time.Hour}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		cfg  sqlstore.Config
		want []string
	}{
		{"default", sqlstore.Config{}.Default(), nil},
		{"file", sqlstore.Config{Driver: "sqlite", DSN: "/var/lib/crmgate/a?b#c.db"}, nil},
		{"memory", sqlstore.Config{Driver: "sqlite", DSN: ":memory:"}, []string{"dsn"}},
		{"uri", sqlstore.Config{Driver: "sqlite", DSN: "file:x.db?mode=ro"}, []string{"dsn"}},
		{"postgres", sqlstore.Config{Driver: "postgres", DSN: "postgres://u:p@h/d"}, nil},
		{"postgres, key=value", sqlstore.Config{Driver: "postgres", DSN: "host=h user=u password=p"}, nil},
		{"postgres from a file", sqlstore.Config{Driver: "postgres", DSNFile: "/run/secrets/dsn"}, nil},
		{"postgres without", sqlstore.Config{Driver: "postgres"}, []string{"dsn"}},
		{"postgres, broken", sqlstore.Config{Driver: "postgres", DSN: "postgres://u:geheim@h:port/d"}, []string{"dsn"}},
		{"none", sqlstore.Config{}, []string{"driver"}},
		{"other", sqlstore.Config{Driver: "mysql"}, []string{"driver"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range tt.cfg.Validate() {
				got = append(got, p.Path)
				if strings.Contains(p.Message+p.Hint, "geheim") {
					t.Errorf("the password is in the message: %s", p.Message)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

func TestOpenMakesPrivateFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "sub")
	d := open(t, sqlstore.Config{}.Default(), dir)
	if err := d.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	modes := map[string]fs.FileMode{}
	err := filepath.WalkDir(filepath.Dir(dir), func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			modes[e.Name()] = info.Mode().Perm()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{"data": 0o700, "sub": 0o700, "crmgate.db": 0o600, "crmgate.db-wal": 0o600, "crmgate.db-shm": 0o600}
	if d := cmp.Diff(want, modes); d != "" {
		t.Errorf("modes (-want +got):\n%s", d)
	}
	var mode, sync, keys string
	for pragma, v := range map[string]*string{"journal_mode": &mode, "synchronous": &sync, "foreign_keys": &keys} {
		if err := d.Raw().QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(v); err != nil {
			t.Fatal(err)
		}
	}
	if got := mode + sync + keys; got != "wal11" {
		t.Errorf("journal_mode, synchronous, foreign_keys = %s, want wal11", got)
	}
}

func TestOpenFileNames(t *testing.T) {
	for _, name := range []string{"plain.db", "with space.db", "a?mode=memory.db", "a#b.db", "100%.db", "a%41.db", "ünï.db", "_pragma=x&y.db"} {
		file := filepath.Join(t.TempDir(), name)
		open(t, sqlstore.Config{Driver: "sqlite", DSN: token.Secret(file)}, "")
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			t.Errorf("%s: no database at that path: %v", name, err)
		}
	}
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) token.Secret {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return token.Secret(path)
	}
	tests := []struct {
		name    string
		cfg     sqlstore.Config
		dataDir string
		kind    fault.Kind
		want    string // in the sentence
	}{
		{"no directory", sqlstore.Config{Driver: "sqlite", DSN: token.Secret(filepath.Join(dir, "none", "a.db"))}, "", fault.Unavailable, "none/a.db cannot be opened: no such file"},
		{"no database", sqlstore.Config{Driver: "sqlite", DSN: file("text.db", strings.Repeat("This is a letter. ", 100))}, "", fault.Unavailable, "text.db cannot be opened: it is not a SQLite database"},
		{"a directory", sqlstore.Config{Driver: "sqlite", DSN: token.Secret(dir)}, "", fault.Unavailable, "cannot be opened"},
		{"data_dir is a file", sqlstore.Config{Driver: "sqlite"}, string(file("file", "x")), fault.Unavailable, "data directory"},
		{"postgres, broken string", sqlstore.Config{Driver: "postgres", DSN: "postgres://u:geheim@h:port/d"}, "", fault.Invalid, "connection string"},
		{"postgres, empty", sqlstore.Config{Driver: "postgres"}, "", fault.Invalid, "connection string"},
		{"postgres, nobody there", sqlstore.Config{Driver: "postgres", DSN: "postgres://u:geheim@127.0.0.1:1/crm?connect_timeout=2"}, "", fault.Unavailable, "database crm at 127.0.0.1:1"},
		{"no driver", sqlstore.Config{}, "", fault.Invalid, "storage.driver"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := sqlstore.Open(t.Context(), tt.cfg, tt.dataDir)
			if d != nil {
				t.Error("a store was opened")
			}
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != tt.kind || !strings.Contains(f.Sentence, tt.want) {
				t.Errorf("error %v, want %v with %q", err, tt.kind, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

// TestMain lets the test binary be the second process.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SQLSTORE_TEST_PROCESS"); dir != "" {
		if err := process(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process opens the store in dir, as `crmgate user` beside `crmgate serve`, and writes to it.
func process(dir string) error {
	d, err := sqlstore.Open(context.Background(), sqlstore.Config{}.Default(), dir)
	if err != nil {
		return err
	}
	defer d.Close()
	key := token.Key{ID: token.NewID(), Purpose: "assertion", Material: []byte("a key"), CreatedAt: time.Now()}
	if err := d.CreateKey(context.Background(), key, true); err != nil {
		return err
	}
	for range 20 {
		if _, err := d.CountAttempt(context.Background(), time.Now(), throttle.Counter{Key: "shared", Window: time.Hour, Lock: time.Hour, Limit: 1000}); err != nil {
			return err
		}
	}
	return nil
}

// TestProcesses starts several processes on a file that is not there yet, and writes beside them.
func TestProcesses(t *testing.T) {
	dir := t.TempDir()
	const n = 4
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^$")
			cmd.Env = append(os.Environ(), "SQLSTORE_TEST_PROCESS="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("process: %v\n%s", err, out)
			}
		})
	}
	if err := process(dir); err != nil {
		t.Error(err)
	}
	wg.Wait()
	d := open(t, sqlstore.Config{}.Default(), dir)
	got, err := d.CountAttempt(t.Context(), time.Now(), throttle.Counter{Key: "shared", Window: time.Hour, Lock: time.Hour, Limit: 1000})
	if want := (n+1)*20 + 1; err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("failures counted over all processes = %v, %v; want %d", got, err, want)
	}
	if keys, err := d.ListKeys(t.Context(), "assertion"); len(keys) != 1 || err != nil {
		t.Errorf("%d keys after all started at once, %v; want 1", len(keys), err)
	}
}

func TestReplicasStartAtOnce(t *testing.T) {
	cfg := postgres(t)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			d, err := sqlstore.Open(t.Context(), cfg, "")
			if err != nil {
				t.Error(err)
				return
			}
			if err := d.CreateKey(t.Context(), token.Key{ID: token.NewID(), Purpose: "assertion", Material: []byte("a key"), CreatedAt: time.Now()}, true); err != nil {
				t.Error(err)
			}
			d.Close()
		})
	}
	wg.Wait()
	if keys, err := open(t, cfg, "").ListKeys(t.Context(), "assertion"); len(keys) != 1 || err != nil {
		t.Errorf("%d keys, %v; want 1", len(keys), err)
	}
}

// TestUnavailable is what callers get while the database is gone, and that work goes on when it is back.
func TestUnavailable(t *testing.T) {
	d := openFile(t)
	s := newSession()
	if err := d.CreateSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	// Another program holds the write lock; readers go on.
	other, err := sql.Open("sqlite", "file:"+rawPath(t, d)+"?_txlock=exclusive")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error)
	go func() { wrote <- d.TouchSession(t.Context(), s.ID, time.Now().Add(time.Minute)) }()
	if _, err := d.GetSession(t.Context(), s.ID); err != nil {
		t.Errorf("a read while the file is locked: %v", err)
	}
	for !d.Writing() {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := d.DeleteSession(ctx, s.ID); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a second write, with little time, while the first one waits = %v, want unavailable", err)
	}
	tx.Rollback()
	if err := <-wrote; err != nil {
		t.Errorf("a write that had to wait for the lock: %v", err)
	}
	d.Close()
	if _, err := d.GetSession(t.Context(), s.ID); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a closed store = %v, want unavailable", err)
	}
	if err := d.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("Ping of a closed store = %v, want unavailable", err)
	}
}

func TestPostgresComesBack(t *testing.T) {
	d := open(t, postgres(t), "")
	s := newSession()
	if err := d.CreateSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for range 5 { // as after a fail-over: every connection is dead and none knows it
		_, _ = d.Raw().ExecContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		_, _ = d.Raw().ExecContext(t.Context(), "SELECT pg_terminate_backend(pg_backend_pid())")
		_, err := d.GetSession(t.Context(), s.ID)
		if err != nil && !fault.Is(err, fault.Unavailable) {
			t.Errorf("right after the connections died: %v, want nothing or unavailable", err)
		}
		// A server process ends when it comes to its turn, on a busy machine not at once.
		for end := time.Now().Add(time.Minute); err != nil; _, err = d.GetSession(t.Context(), s.ID) {
			if !fault.Is(err, fault.Unavailable) || time.Now().After(end) {
				t.Fatalf("a moment later: %v", err)
			}
		}
	}
}

func rawPath(t *testing.T, d *sqlstore.DB) string {
	t.Helper()
	var seq, name, file string
	if err := d.Raw().QueryRowContext(t.Context(), "PRAGMA database_list").Scan(&seq, &name, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRecordThatCannotBeStored(t *testing.T) {
	d := openFile(t)
	var log bytes.Buffer
	d.Log = slog.New(slog.NewJSONHandler(&log, nil))
	d.Record(t.Context(), audit.Event{Kind: audit.SignIn, AccountID: "a1", Reason: "stored"})
	d.Close()
	start := time.Now()
	d.Record(t.Context(), audit.Event{Kind: audit.SessionRevoked, AccountID: "a1", Actor: "cli"})
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("Record took %v", took)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"level":"INFO"`) || !strings.Contains(lines[0], `"reason":"stored"`) {
		t.Fatalf("log:\n%s", log.String())
	}
	for _, want := range []string{`"level":"ERROR"`, `"kind":"session_revoked"`, `"account_id":"a1"`, `"actor":"cli"`, "could not be stored"} {
		if !strings.Contains(lines[1], want) {
			t.Errorf("the error line lacks %s:\n%s", want, lines[1])
		}
	}
}

func BenchmarkGetSession(b *testing.B) {
	d := openFile(b)
	s := newSession()
	s.Groups, s.IDToken = []string{"sales", "crm-admins"}, strings.Repeat("x", 1200)
	if err := d.CreateSession(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.GetSession(b.Context(), s.ID); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTouchSession(b *testing.B) {
	d := openFile(b)
	s := newSession()
	if err := d.CreateSession(b.Context(), s); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := d.TouchSession(b.Context(), s.ID, s.LastSeen.Add(time.Duration(i)*time.Second)); err != nil {
			b.Fatal(err)
		}
	}
}
