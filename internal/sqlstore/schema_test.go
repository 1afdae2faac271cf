package sqlstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/sqlstore"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

func newLocal(id string) *account.Account {
	return &account.Account{ID: id, Owner: account.OwnerLocal, Email: id + "@example.com", State: account.Active, CreatedAt: time.Now()}
}

// engines runs a test on both engines.
func engines(t *testing.T, f func(t *testing.T, d *sqlstore.DB, dialect goose.Dialect)) {
	t.Run("sqlite", func(t *testing.T) { f(t, openFile(t), goose.DialectSQLite3) })
	t.Run("postgres", func(t *testing.T) { f(t, open(t, postgres(t), ""), goose.DialectPostgres) })
}

// TestConstraints goes round the code: whoever has the database at hand cannot break the rule either.
func TestConstraints(t *testing.T) {
	engines(t, func(t *testing.T, d *sqlstore.DB, _ goose.Dialect) {
		for _, id := range []string{"withpassword", "withtoken", "bare"} {
			if err := d.CreateAccount(t.Context(), newLocal(id), nil); err != nil {
				t.Fatal(err)
			}
		}
		link := account.Link{Provider: "contoso", Issuer: "i", Subject: "s"}
		corporate := &account.Account{ID: "corporate", Owner: "contoso", Email: "c@example.com", State: account.Active}
		if err := d.CreateAccount(t.Context(), corporate, &link); err != nil {
			t.Fatal(err)
		}
		l, _ := newLocal("withpassword").Local()
		if err := d.SetPassword(t.Context(), l, "hash", 5, time.Now()); err != nil {
			t.Fatal(err)
		}
		l, _ = newLocal("withtoken").Local()
		if err := d.CreateToken(t.Context(), l, account.OneTime{Digest: "d", Purpose: account.ForReset}); err != nil {
			t.Fatal(err)
		}
		tests := []struct {
			name, statement string
			allowed         bool
		}{
			{"password of a provider's account", "INSERT INTO passwords (account_id, hash, previous, changed_at) VALUES ('corporate', 'h', '[]', 0)", false},
			{"password that says whose", "INSERT INTO passwords (account_id, owner, hash, previous, changed_at) VALUES ('corporate', 'contoso', 'h', '[]', 0)", false},
			{"password of nobody", "INSERT INTO passwords (account_id, hash, previous, changed_at) VALUES ('nobody', 'h', '[]', 0)", false},
			{"password moved", "UPDATE passwords SET account_id = 'corporate'", false},
			{"password relabelled", "UPDATE passwords SET owner = 'contoso'", false},
			{"owner changed over a password", "UPDATE accounts SET owner = 'contoso' WHERE id = 'withpassword'", false},
			{"owner changed over a token", "UPDATE accounts SET owner = 'contoso' WHERE id = 'withtoken'", false},
			{"owner changed over names", "UPDATE accounts SET owner = 'contoso' WHERE id = 'bare'", false},
			{"empty password", "UPDATE passwords SET hash = ''", false},
			{"token of a provider's account", "INSERT INTO one_time_tokens (digest, account_id, purpose, created_at, expires_at, address) VALUES ('e', 'corporate', 'reset', 0, 0, '')", false},
			{"name of a provider's account", "INSERT INTO local_identifiers (identifier, account_id) VALUES ('c@example.com', 'corporate')", false},
			{"link to the local owner", "INSERT INTO links (provider, issuer, subject, account_id) VALUES ('local', 'i', 's', 'bare')", false},
			{"link twice", "INSERT INTO links (provider, issuer, subject, account_id) VALUES ('contoso', 'i', 's', 'bare')", false},
			{"unknown state", "UPDATE accounts SET state = 'sleeping'", false},
			{"id that was never given out", "INSERT INTO accounts SELECT 'new', owner, email || 'x', username, name, group_names, state, 0, 0, 0 FROM accounts WHERE id = 'corporate'", false},
			{"local address twice", "UPDATE accounts SET email = 'bare@example.com' WHERE id = 'withtoken'", false},
			{"an id forgotten while in use", "DELETE FROM account_ids", false},
			{"another state", "UPDATE accounts SET state = 'disabled' WHERE id = 'corporate'", true},
			{"a provider's account with a local address", "UPDATE accounts SET email = 'bare@example.com' WHERE id = 'corporate'", true},
		}
		for _, tt := range tests {
			if _, err := d.Raw().ExecContext(t.Context(), tt.statement); (err == nil) != tt.allowed {
				t.Errorf("%s: error %v, want allowed = %v", tt.name, err, tt.allowed)
			}
		}
	})
}

func TestMigrations(t *testing.T) {
	engines(t, func(t *testing.T, d *sqlstore.DB, dialect goose.Dialect) {
		p, err := d.Provider(dialect)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.DownTo(t.Context(), 0); err != nil {
			t.Fatalf("down: %v", err)
		}
		if err := d.CreateAccount(t.Context(), newLocal("a"), nil); err == nil {
			t.Error("an account was created without a schema")
		} else if fault.KindOf(err) != fault.Internal {
			t.Errorf("a missing table is %v, want internal", fault.KindOf(err))
		}
		if err := d.Migrate(t.Context(), dialect); err != nil {
			t.Fatalf("up again: %v", err)
		}
		if err := d.CreateAccount(t.Context(), newLocal("a"), nil); err != nil {
			t.Error(err)
		}
		if _, err := d.Raw().ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, $1)", true); err != nil {
			t.Fatal(err)
		}
		err = d.Migrate(t.Context(), dialect)
		if !fault.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "newer crmgate") {
			t.Errorf("a schema from the future: %v, want a conflict that says so", err)
		}
	})
}

// TestFailuresDoNotPileUp: strangers make these rows by trying names.
func TestFailuresDoNotPileUp(t *testing.T) {
	d := openFile(t)
	at := time.Now()
	add := func(key string, when time.Time) {
		t.Helper()
		if _, err := d.CountAttempt(t.Context(), when, throttle.Counter{Key: key, Window: time.Minute, Lock: 10 * time.Minute, Limit: 2}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		add(fmt.Sprint("name", i), at)
	}
	add("locked", at)
	add("locked", at)
	add("new", at.Add(5*time.Minute))
	var left int
	if err := d.Raw().QueryRowContext(t.Context(), "SELECT count(*) FROM failures").Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 2 {
		t.Errorf("%d rows left, want the locked one and the new one", left)
	}
}

func TestSweepOfIdleSessions(t *testing.T) {
	engines(t, func(t *testing.T, d *sqlstore.DB, _ goose.Dialect) {
		s := newSession()
		s.IdleTimeout = time.Minute
		if err := d.CreateSession(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if n, err := d.SweepSessions(t.Context(), s.LastSeen.Add(59*time.Second)); n != 0 || err != nil {
			t.Errorf("sweep before it was idle for too long = %d, %v", n, err)
		}
		if n, err := d.SweepSessions(t.Context(), s.LastSeen.Add(2*time.Minute)); n != 1 || err != nil {
			t.Errorf("sweep = %d, %v; want 1", n, err)
		}
	})
}

func TestDeleteAccountEndsSessions(t *testing.T) {
	d := openFile(t)
	s := newSession()
	if err := d.CreateAccount(t.Context(), newLocal(s.AccountID), nil); err != nil {
		t.Fatal(err)
	}
	if err := d.CreateSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := d.DeleteAccount(t.Context(), s.AccountID); err != nil {
		t.Fatal(err)
	}
	if _, err := d.GetSession(t.Context(), s.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("GetSession = %v, want not found", err)
	}
	if err := d.DeleteAccount(t.Context(), token.NewID()); !fault.Is(err, fault.NotFound) {
		t.Errorf("DeleteAccount of nobody = %v, want not found", err)
	}
}
