package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestOperator walks what an administrator types, in this order, on one database.
func TestOperator(t *testing.T) {
	dir := t.TempDir()
	cfg := filepath.Join(dir, "crmgate.yaml")
	yaml := fmt.Sprintf("server: {public_url: http://127.0.0.1:8080, data_dir: %q}\nupstreams: [{id: crm, urls: [http://127.0.0.1:1]}]\nlocal: {reset: {enabled: false}}\n", filepath.Join(dir, "data"))
	if err := os.WriteFile(cfg, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		args []string
		code int
		says string // of stdout and stderr together
		not  string
	}{
		{"invite", []string{"user", "invite", "--email", "pat@partner.test", "--username", "pat"}, 0, "/invite/", ""},
		{"a name that is taken, without the words of the database", []string{"user", "invite", "--email", "bob@partner.test", "--username", "pat"}, 1,
			"bob@partner.test or the username pat is taken", "constraint"},
		{"nobody", []string{"user", "show", "--email", "eve"}, 1, "user name eve", ""},
		{"delete by user name", []string{"user", "delete", "--email", "pat"}, 0, "is removed", ""},
		{"restore another user name", []string{"user", "restore", "--email", "eve"}, 1, "no removed account", ""},
		{"restore by user name", []string{"user", "restore", "--email", "Pat"}, 0, "pat@partner.test is back", ""},
		{"export as every listing", []string{"audit", "export", "--json"}, 0, `"kind":"account_restored"`, ""},
		{"only some events", []string{"audit", "list", "--event", "account_deleted,account_restored"}, 0, "account_deleted", "invited"},
		{"explain from nowhere", []string{"explain", "--email", "pat@partner.test", "--request", "GET /", "--address", "here"}, 2, "--address wants an IP address", ""},
		{"explain another host", []string{"explain", "--email", "pat@partner.test", "--request", "GET /", "--host", "crm.test"}, 0, "allowed", ""},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append(step.args, "-c", cfg), &stdout, &stderr)
		said := stdout.String() + stderr.String()
		if code != step.code || !strings.Contains(said, step.says) || step.not != "" && strings.Contains(said, step.not) {
			t.Fatalf("%s: exit %d, want %d, %q and not %q:\n%s", step.name, code, step.code, step.says, step.not, said)
		}
	}
}

// Why somebody was kept out can be looked up while the store of sessions is down.
func TestRecordsWithoutTheSessionStore(t *testing.T) {
	dir := t.TempDir()
	cfg := filepath.Join(dir, "crmgate.yaml")
	yaml := fmt.Sprintf("server: {public_url: http://127.0.0.1:8080, data_dir: %q}\nupstreams: [{id: crm, urls: [http://127.0.0.1:1]}]\nlocal: {reset: {enabled: false}}\n"+
		"session: {store: redis}\nredis: {addresses: [\"127.0.0.1:1\"]}\n", filepath.Join(dir, "data"))
	if err := os.WriteFile(cfg, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]int{
		"audit list": 0, "audit export": 0, "user list": 0, "mail list": 0, "token list": 0,
		"session list": 1, "user revoke --email pat": 1, // these are about sessions
	} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), append(strings.Fields(args), "-c", cfg), &stdout, &stderr); code != want {
			t.Errorf("%s: exit %d, want %d: %s", args, code, want, &stderr)
		}
	}
}

// lines is a log that another goroutine writes.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// SIGHUP used to end the gateway at once and without a word: many a `reload` sends it.
func TestHangupEndsNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "crmgate.yaml")
	for _, tt := range []struct{ name, yaml, want string }{
		{"sound", soundFile, "level=WARN msg=\"SIGHUP"},
		{"with a fault", soundFile + "nope: 1\n", "level=ERROR msg=\"SIGHUP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.yaml), 0o600); err != nil {
				t.Fatal(err)
			}
			var log lines
			stop := answerHangup(file, slog.New(slog.NewTextHandler(&log, nil)))
			defer stop()
			if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(), tt.want); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("the log has no %q:\n%s", tt.want, log.String())
				}
			}
		})
	}
}

// A local account of a company's address gets its links, and whoever makes them is told where that address leads.
func TestLinksOfACompanysAddress(t *testing.T) {
	dir := t.TempDir()
	cfg := filepath.Join(dir, "crmgate.yaml")
	yaml := fmt.Sprintf("server: {public_url: http://127.0.0.1:8080, data_dir: %q}\nupstreams: [{id: crm, urls: [http://127.0.0.1:1]}]\nlocal: {reset: {enabled: false}}\n"+
		"providers: [{id: contoso, type: oidc, name: Contoso, issuer: \"http://127.0.0.1:1\", client_id: crm, client_secret: s, domains: [contoso.test]}]\n", filepath.Join(dir, "data"))
	if err := os.WriteFile(cfg, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name     string
		args     []string
		out, err string
	}{
		{"invite", []string{"user", "invite", "--email", "ann@contoso.test", "--print-link"}, "http://127.0.0.1:8080/_gate/invite/", "is sent to Contoso to sign in"},
		{"reset", []string{"user", "reset", "--email", "ann@contoso.test", "--print-link"}, "http://127.0.0.1:8080/_gate/reset/", "is sent to Contoso to sign in"},
		{"invite at nobody's domain", []string{"user", "invite", "--email", "pat@partner.test", "--print-link"}, "http://127.0.0.1:8080/_gate/invite/", "pat@partner.test"},
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append(step.args, "-c", cfg), &stdout, &stderr)
		if code != 0 || !strings.HasPrefix(stdout.String(), step.out) || strings.Count(stdout.String(), "\n") != 1 || !strings.Contains(stderr.String(), step.err) {
			t.Errorf("%s: exit %d\n%s\n%s", step.name, code, &stdout, &stderr)
		}
	}
}
