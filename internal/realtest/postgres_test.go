package realtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"crmgate/internal/realtest"
)

func TestPostgresGivesEachCallAnEmptyDatabase(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			db, err := pgx.Connect(ctx, realtest.Postgres(t))
			if err != nil {
				t.Fatal(err)
			}
			// Left open on purpose: the database must go away all the same.
			if _, err := db.Exec(ctx, "CREATE TABLE people (name text)"); err != nil {
				t.Fatal(err)
			}
			var got string
			if err := db.QueryRow(ctx, "INSERT INTO people VALUES ('ÉVA') RETURNING lower(name)").Scan(&got); err != nil || got != "éva" {
				t.Errorf("lower name = %q, %v, want éva", got, err)
			}
		})
	}
}
