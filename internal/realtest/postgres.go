package realtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

const postgresPassword = "postgres-test-password"

// cluster is the PostgreSQL server that all tests of one binary share.
type cluster struct {
	bin    string // directory of initdb, postgres, psql
	addr   string
	server *server

	mu        sync.Mutex
	databases int
}

// shared is set up by the first test that asks. It is never stopped by a test: the leash ends it with the test binary.
var shared struct {
	sync.Mutex
	*cluster
}

// Postgres returns the address (a URL for pgx) of a fresh, empty database, dropped when the test ends.
func Postgres(t testing.TB) string {
	t.Helper()
	c := sharedCluster(t)
	c.mu.Lock()
	c.databases++
	name := "test" + strconv.Itoa(c.databases)
	c.mu.Unlock()
	run(t, c.psql(context.Background(), "CREATE DATABASE "+name), "")
	t.Cleanup(func() {
		// FORCE: a pool that the test left open must not keep the database.
		if out, err := c.psql(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)").CombinedOutput(); err != nil {
			t.Errorf("drop database: %v\n%s", err, out)
		}
	})
	return fmt.Sprintf("postgres://postgres:%s@%s/%s?sslmode=disable&connect_timeout=60", postgresPassword, c.addr, name)
}

func sharedCluster(t testing.TB) *cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil {
		shared.cluster = startCluster(t)
	}
	return shared.cluster
}

func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{bin: postgresBin(t), addr: Addr(t)}
	// Not t.TempDir: the server outlives the test that happens to come first.
	dir, err := os.MkdirTemp("", "crmgate-postgres-")
	if err != nil {
		t.Fatalf("start postgres: %v", err)
	}
	started := false
	defer func() {
		if !started {
			os.RemoveAll(dir)
		}
	}()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte(postgresPassword+"\n"), 0o644); err != nil {
		t.Fatalf("start postgres: %v", err)
	}
	owner := postgresUser(t, dir)
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(c.bin, "initdb"), "-D", data, "-U", "postgres", "--auth=scram-sha-256",
		"--pwfile="+password, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: owner}
	run(t, initdb, "")

	_, port, _ := net.SplitHostPort(c.addr)
	c.server = &server{
		name: "postgres",
		// Durability is off: these databases live for seconds. No socket: its path may not exceed 107 bytes, a test's may.
		argv: []string{filepath.Join(c.bin, "postgres"), "-D", data, "-p", port, "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
			"-c", "shared_buffers=64MB", "-c", "max_connections=200"},
		log:    filepath.Join(t.TempDir(), "log"), // not in litter: it explains a start that failed
		signal: "INT",                             // TERM would wait for every client to leave
		litter: dir,
		user:   owner,
		ready:  func(ctx context.Context) error { return c.psql(ctx, "SELECT 1").Run() },
	}
	c.server.start(t)
	started = true
	return c
}

// psql runs one statement as the superuser.
func (c *cluster) psql(ctx context.Context, statement string) *exec.Cmd {
	host, port, _ := net.SplitHostPort(c.addr)
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, "psql"), "-X", "-q", "-h", host, "-p", port, "-U", "postgres",
		"-d", "postgres", "-c", statement)
	cmd.Env = append(os.Environ(), "PGPASSWORD="+postgresPassword, "PGSSLMODE=disable")
	return cmd
}

// postgresBin finds the newest installed server; Debian keeps each version outside PATH.
func postgresBin(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) > 0 {
		return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) }))
	}
	return filepath.Dir(program(t, "initdb", "apt-get install postgresql"))
}

// major returns 15 for /usr/lib/postgresql/15/bin/initdb.
func major(initdb string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(initdb))))
	return n
}

// postgresUser returns whom the server runs as, and gives that user dir: root may not, so it becomes the package's user.
func postgresUser(t testing.TB, dir string) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		missing(t, "the system user postgres", "apt-get install postgresql makes it; the server refuses to run as root")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatalf("start postgres: %v", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
