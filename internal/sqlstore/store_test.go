package sqlstore_test

import (
	"io"
	"log/slog"
	"testing"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/bearer"
	"crmgate/internal/mail"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
	"crmgate/internal/sqlstore"
	"crmgate/internal/storetest"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

var _ interface {
	account.Store
	account.PasswordStore
	account.TokenStore
	account.RemovedStore
	account.NoticeStore
	account.PlaceStore
	session.Store
	session.AttemptStore
	session.PendingStore
	mfa.Store
	mfa.DeviceStore
	throttle.Store
	mail.Store
	token.KeyStore
	token.OnceStore
	audit.Recorder
	audit.Reader
	audit.Sweeper
	bearer.Store
} = (*sqlstore.DB)(nil)

// open opens a store that is closed when the test ends.
func open(t testing.TB, cfg sqlstore.Config, dataDir string) *sqlstore.DB {
	t.Helper()
	d, err := sqlstore.Open(t.Context(), cfg, dataDir)
	if err != nil {
		t.Fatal(err)
	}
	d.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	t.Cleanup(func() { d.Close() })
	return d
}

func openFile(t testing.TB) *sqlstore.DB {
	return open(t, sqlstore.Config{}.Default(), t.TempDir())
}

// suites runs every contract against one store.
func suites(t *testing.T, d *sqlstore.DB) {
	t.Run("Sessions", func(t *testing.T) { storetest.Sessions(t, d) })
	t.Run("Attempts", func(t *testing.T) { storetest.Attempts(t, d) })
	t.Run("Pending", func(t *testing.T) { storetest.Pending(t, d) })
	t.Run("Factors", func(t *testing.T) { storetest.Factors(t, d) })
	t.Run("Accounts", func(t *testing.T) { storetest.Accounts(t, d) })
	t.Run("Throttle", func(t *testing.T) { storetest.Throttle(t, d) })
	t.Run("Once", func(t *testing.T) { storetest.Once(t, d) })
	t.Run("AccessTokens", func(t *testing.T) { storetest.AccessTokens(t, d) })
	t.Run("Mails", func(t *testing.T) { storetest.Mails(t, d) })
	t.Run("Keys", func(t *testing.T) { storetest.Keys(t, d) })
	t.Run("Notices", func(t *testing.T) { storetest.Notices(t, d) })
	t.Run("Audit", func(t *testing.T) { storetest.Audit(t, d) })
}

func TestSQLite(t *testing.T) { suites(t, openFile(t)) }

// TestRevocation is `crmgate user revoke` beside `crmgate serve`.
func TestRevocation(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		storetest.Revocation(t, open(t, sqlstore.Config{}.Default(), dir), open(t, sqlstore.Config{}.Default(), dir))
	})
	t.Run("postgres", func(t *testing.T) {
		cfg := postgres(t)
		storetest.Revocation(t, open(t, cfg, ""), open(t, cfg, ""))
	})
}
