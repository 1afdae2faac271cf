package sqlstore

import (
	"context"

	"crmgate/internal/token"
)

func scanKey(r row) (token.Key, error) {
	var k token.Key
	var created int64
	err := r.Scan(&k.ID, &k.Purpose, &k.Material, &created)
	k.CreatedAt = at(created)
	return k, err
}

// ListKeys implements token.KeyStore.
func (d *DB) ListKeys(ctx context.Context, purpose string) ([]token.Key, error) {
	return read(ctx, d, step{verb: "list keys"}, func(ctx context.Context, q queryer) ([]token.Key, error) {
		return all(ctx, q, scanKey, "SELECT id, purpose, material, created_at FROM keys WHERE purpose = $1 ORDER BY created_at DESC, id DESC", purpose)
	})
}

// CreateKey implements token.KeyStore.
func (d *DB) CreateKey(ctx context.Context, k token.Key, onlyFirst bool) error {
	_, err := write(ctx, d, step{verb: "create key"}, func(ctx context.Context, q queryer) (struct{}, error) {
		var none struct{}
		insert := "INSERT INTO keys (id, purpose, material, created_at, is_first) VALUES (" + values(5) + ")"
		args := []any{k.ID, k.Purpose, k.Material, ms(k.CreatedAt), onlyFirst}
		if !onlyFirst {
			return none, taken(exec(ctx, q, insert, args...), "This key exists already.")
		}
		others, err := all(ctx, q, scanString, "SELECT id FROM keys WHERE purpose = $1", k.Purpose)
		if err != nil || len(others) > 0 {
			return none, err
		}
		// Two processes may both come here; the index on is_first lets one row in.
		return none, exec(ctx, q, insert+" ON CONFLICT DO NOTHING", args...)
	})
	return err
}
