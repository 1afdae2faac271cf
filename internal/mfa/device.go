package mfa

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// mostDevices is how many browsers one account may have remembered; the oldest gives way.
const mostDevices = 20

// RememberDevice lets a browser stand in for the second factor of an account and returns the secret for its cookie. It returns "" where
// that is switched off.
func (s *Service) RememberDevice(ctx context.Context, accountID string) (secret string, err error) {
	if s.Off() || s.config.RememberDevice <= 0 {
		return "", nil
	}
	from, now := audit.OriginOf(ctx), s.now()
	secret = token.NewSecret()
	d := Device{ID: token.NewID(), AccountID: accountID, Digest: token.Digest(secret), Name: from.UserAgent, Address: from.Address,
		CreatedAt: now, UsedAt: now, ExpiresAt: now.Add(s.config.RememberDevice)}
	if err := s.devices.CreateDevice(ctx, d, mostDevices); err != nil {
		return "", fmt.Errorf("remember device: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.DeviceRemembered, AccountID: accountID})
	return secret, nil
}

// Device returns the id of the account's device that one of some secrets belongs to, "" for none.
func (s *Service) Device(ctx context.Context, accountID string, secrets []string) (string, error) {
	if s.Off() || s.config.RememberDevice <= 0 {
		return "", nil
	}
	for _, secret := range secrets {
		if !token.WellFormed(secret) {
			continue
		}
		d, err := s.devices.UseDevice(ctx, accountID, token.Digest(secret), s.now())
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("look device up: %w", err)
		}
		// The time may have been made shorter since.
		if s.now().Sub(d.CreatedAt) < s.config.RememberDevice {
			return d.ID, nil
		}
	}
	return "", nil
}

// Devices returns the account's remembered devices, newest first.
func (s *Service) Devices(ctx context.Context, accountID string) ([]Device, error) {
	return s.devices.ListDevices(ctx, accountID, s.now())
}

// ForgetDevice ends one remembered device of an account, or all for id "".
func (s *Service) ForgetDevice(ctx context.Context, accountID, id string) error {
	if err := s.devices.DeleteDevice(ctx, accountID, id); err != nil {
		return fmt.Errorf("forget device: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.DeviceForgotten, AccountID: accountID})
	return nil
}

// Sweep removes what has expired.
func (s *Service) Sweep(ctx context.Context, now time.Time) (int, error) {
	return s.devices.SweepDevices(ctx, now)
}
