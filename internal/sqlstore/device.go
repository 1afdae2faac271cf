package sqlstore

import (
	"context"
	"time"

	"crmgate/internal/mfa"
)

const deviceColumns = "id, account_id, digest, name, address, created_at, used_at, expires_at"

func scanDevice(r row) (mfa.Device, error) {
	var d mfa.Device
	var created, used, expires int64
	err := r.Scan(&d.ID, &d.AccountID, &d.Digest, &d.Name, &d.Address, &created, &used, &expires)
	d.CreatedAt, d.UsedAt, d.ExpiresAt = at(created), at(used), at(expires)
	return d, err
}

// maxDeviceName is how much of a browser's description of itself is kept, in bytes.
const maxDeviceName = 512

// CreateDevice implements mfa.DeviceStore.
func (d *DB) CreateDevice(ctx context.Context, dev mfa.Device, keep int) error {
	_, err := write(ctx, d, step{verb: "create device"}, func(ctx context.Context, q queryer) (struct{}, error) {
		err := exec(ctx, q, "INSERT INTO remembered_devices ("+deviceColumns+") VALUES ("+values(8)+")",
			dev.ID, dev.AccountID, dev.Digest, clip(dev.Name, maxDeviceName), text(dev.Address), ms(dev.CreatedAt), ms(dev.UsedAt), ms(dev.ExpiresAt))
		if err != nil {
			return struct{}{}, taken(err, "This device is remembered already.")
		}
		return struct{}{}, exec(ctx, q, `DELETE FROM remembered_devices WHERE account_id = $1 AND id NOT IN (
			SELECT id FROM remembered_devices WHERE account_id = $1
			ORDER BY CASE WHEN id = $2 THEN 0 ELSE 1 END, created_at DESC, id`+limit(keep)+`)`, dev.AccountID, dev.ID)
	})
	return err
}

// UseDevice implements mfa.DeviceStore.
func (d *DB) UseDevice(ctx context.Context, accountID, digest string, now time.Time) (mfa.Device, error) {
	return write(ctx, d, step{"use device", "This device is not remembered."}, func(ctx context.Context, q queryer) (mfa.Device, error) {
		return scanDevice(q.QueryRowContext(ctx, `UPDATE remembered_devices SET used_at = CASE WHEN used_at < $1 THEN $1 ELSE used_at END
			WHERE digest = $2 AND account_id = $3 AND expires_at > $1 RETURNING `+deviceColumns, ms(now), digest, accountID))
	})
}

// ListDevices implements mfa.DeviceStore.
func (d *DB) ListDevices(ctx context.Context, accountID string, now time.Time) ([]mfa.Device, error) {
	return read(ctx, d, step{verb: "list devices"}, func(ctx context.Context, q queryer) ([]mfa.Device, error) {
		return all(ctx, q, scanDevice, "SELECT "+deviceColumns+" FROM remembered_devices WHERE account_id = $1 AND expires_at > $2 ORDER BY created_at DESC, id",
			accountID, ms(now))
	})
}

// DeleteDevice implements mfa.DeviceStore.
func (d *DB) DeleteDevice(ctx context.Context, accountID, id string) error {
	_, err := write(ctx, d, step{verb: "delete device"}, func(ctx context.Context, q queryer) (struct{}, error) {
		if id == "" {
			return struct{}{}, dropDevices(ctx, q, accountID)
		}
		return struct{}{}, exec(ctx, q, "DELETE FROM remembered_devices WHERE account_id = $1 AND id = $2", accountID, id)
	})
	return err
}

// dropDevices removes an account's remembered devices.
func dropDevices(ctx context.Context, q queryer, accountID string) error {
	return exec(ctx, q, "DELETE FROM remembered_devices WHERE account_id = $1", accountID)
}

// SweepDevices implements mfa.DeviceStore.
func (d *DB) SweepDevices(ctx context.Context, now time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep devices"}, "DELETE FROM remembered_devices WHERE expires_at < $1", now)
}
