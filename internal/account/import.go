package account

import (
	"context"
	"fmt"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
)

// ImportedUser is somebody who had a local account in another program.
type ImportedUser struct {
	Email, Name, Username string
	Groups                []string
	// Hash is the password's hash as ParseHash reads it. Empty makes an account that waits for an invitation.
	Hash string
	// Disabled keeps the account out until it is enabled.
	Disabled bool
	// Actor is who imports, for the audit trail.
	Actor string
}

// Import creates a local account with the password it had elsewhere, or gives it to one that was invited and never came. Nobody is
// told. Somebody who has an account already is fault.Conflict, a hash or address that cannot be taken fault.Invalid.
func (s *Service) Import(ctx context.Context, u ImportedUser) error {
	if !s.Config.Enabled {
		return errLocalOff
	}
	inv, err := Invitation{Email: u.Email, Name: u.Name, Username: u.Username, Groups: u.Groups}.tidy()
	if err != nil {
		return err
	}
	if u.Hash != "" {
		if _, err := ParseHash(u.Hash); err != nil {
			return fault.New(fault.Invalid, "The password hash of "+inv.Email+" is of a sort that crmgate does not know. Leave it out, and invite the person.")
		}
	}
	a, err := s.findLocal(ctx, inv.Email)
	if err != nil {
		return err
	}
	if a == nil {
		a, err = s.create(ctx, inv, u.Actor)
	} else {
		a, err = s.again(ctx, a, inv)
	}
	if err != nil {
		return err
	}
	if l, ok := a.Local(); ok && u.Hash != "" {
		if err := s.Passwords.SetPassword(ctx, l, u.Hash, s.Config.Password.History, s.now()); err != nil {
			return fmt.Errorf("set imported password: %w", err)
		}
		s.record(ctx, audit.Event{Kind: audit.PasswordSet, AccountID: a.ID, Actor: u.Actor, Provider: OwnerLocal, Reason: "import"})
	}
	if u.Disabled {
		return s.Disable(ctx, a.ID, u.Actor)
	}
	return nil
}
