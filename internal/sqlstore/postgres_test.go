package sqlstore_test

import (
	"testing"

	"crmgate/internal/realtest"
	"crmgate/internal/sqlstore"
	"crmgate/internal/token"
)

func postgres(t testing.TB) sqlstore.Config {
	return sqlstore.Config{Driver: "postgres", DSN: token.Secret(realtest.Postgres(t))}
}

func TestPostgres(t *testing.T) { suites(t, open(t, postgres(t), "")) }
