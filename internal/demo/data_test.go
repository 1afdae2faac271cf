package demo_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"crmgate/internal/account"
	"crmgate/internal/app"
	"crmgate/internal/config"
	"crmgate/internal/demo"
)

// emails lists the addresses of all accounts that a demo left behind.
func emails(t *testing.T, dir string) []string {
	t.Helper()
	cfg, report := config.Load(filepath.Join(dir, "crmgate.yaml"), os.LookupEnv)
	if !report.OK() {
		t.Fatal(report.Findings)
	}
	core, err := app.OpenCore(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer core.Close()
	list, err := core.Accounts.Store.ListAccounts(t.Context(), account.Filter{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, a := range list {
		out = append(out, a.Email)
	}
	return out
}

func TestDataIsKept(t *testing.T) {
	t.Chdir(t.TempDir())
	for run := range 2 {
		t.Run("run", func(t *testing.T) {
			startDemoWith(t, demo.Options{Listen: "127.0.0.1:0", DataDir: "kept"})
			err := demo.Run(t.Context(), demo.Options{Listen: "127.0.0.1:0", DataDir: "kept", Out: io.Discard, Log: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), "end the demo that is running there") {
				t.Errorf("a second demo with the same data: %v", err)
			}
		})
		if got := strings.Join(emails(t, "kept"), " "); got != "kim@fabrikam.example pat@partner.example" {
			t.Errorf("accounts after run %d: %s", run, got)
		}
	}
	if _, err := os.Stat("kept/kept"); err == nil {
		t.Error("a relative --data was read twice")
	}
}

func TestForeignFileStays(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "crmgate.yaml")
	const precious = "server: {public_url: https://crm.example.com}\n"
	if err := os.WriteFile(name, []byte(precious), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop() // should it start after all
	err := demo.Run(ctx, demo.Options{Listen: "127.0.0.1:0", DataDir: dir, Out: io.Discard, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "not written by the demo") {
		t.Errorf("error %v", err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != precious {
		t.Errorf("the file is now %q (%v)", got, err)
	}
}
