package account

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
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

// ImportResult says what becomes of somebody who is imported.
type ImportResult string

// The results of an import.
const (
	// ImportCreated is a new account with the password it had elsewhere.
	ImportCreated ImportResult = "created"
	// ImportInvited is a new account without a password, which waits for an invitation.
	ImportInvited ImportResult = "created_without_password"
	// ImportPasswordSet is an account that was invited, never came, and has the password it had elsewhere now.
	ImportPasswordSet ImportResult = "password_set"
	// ImportThere is an account that was there before and stays as it is.
	ImportThere ImportResult = "already_there"
)

// importable is somebody who can be imported.
type importable struct {
	ImportedUser
	inv    Invitation // the same, in the form that is kept
	known  *Account   // who has the address already; nil for somebody new
	result ImportResult
}

// Import creates a local account with the password it had elsewhere, or gives it to one that was invited and never came. Nobody is
// told. Somebody who has an account already is fault.Conflict, and so is one whose address belongs to a provider; a hash or address that
// cannot be taken is fault.Invalid.
func (s *Service) Import(ctx context.Context, u ImportedUser) error {
	who, err := s.checkImport(ctx, u)
	if err != nil {
		return err
	}
	if who.result == ImportThere {
		return fault.New(fault.Conflict, who.inv.Email+" has an account already, which stays as it is.")
	}
	return s.bringIn(ctx, who)
}

// checkImport says what importing somebody would come to, or why it cannot be. Its sentences hold nothing that could be a password or a hash
// in the wrong column.
func (s *Service) checkImport(ctx context.Context, u ImportedUser) (importable, error) {
	who := importable{ImportedUser: u}
	if !s.Config.Enabled {
		return who, errLocalOff
	}
	for _, text := range append([]string{u.Email, u.Name, u.Username}, u.Groups...) {
		if looksLikeHash(text) {
			return who, fault.New(fault.Invalid, "A password hash stands where address, name or groups should. Put each into its own column.")
		}
	}
	if err := mail.CheckAddress(identity.Normalize(u.Email)); err != nil {
		return who, fault.Wrap(fault.Invalid, "This is no mail address: "+err.Error()+". Everybody needs one.", err)
	}
	var err error
	if who.inv, err = (Invitation{Email: u.Email, Name: u.Name, Username: u.Username, Groups: u.Groups}).tidy(); err != nil {
		return who, err
	}
	if u.Hash != "" {
		if _, err := ParseHash(u.Hash); err != nil {
			return who, fault.New(fault.Invalid, "The password hash of "+who.inv.Email+" is of a sort that crmgate does not know. Leave it out, and invite the person.")
		}
	}
	if err := s.staysLocal(who.inv); err != nil {
		return who, err
	}
	return who, s.compare(ctx, &who)
}

// staysLocal refuses people whom the sign-in page sends to a provider: they could not use the password that they bring.
func (s *Service) staysLocal(inv Invitation) error {
	if p, ok := s.Realms.Owner(inv.Email); ok {
		name := p.Info().Name
		return fault.New(fault.Conflict, inv.Email+" belongs to "+name+" and signs in there. Leave it out; or, to move people to "+name+
			" with the accounts they have, import them before "+name+" stands in the configuration.")
	}
	if p, ok := s.Realms.Find(inv.Email); ok && inv.Username == "" {
		return fault.New(fault.Conflict, inv.Email+" is sent to "+p.Info().Name+" to sign in, which takes every domain. Give the person a username to sign in with here, or leave the line out.")
	}
	return nil
}

// compare finds who has the address or the username already.
func (s *Service) compare(ctx context.Context, who *importable) error {
	all, err := s.withAddress(ctx, who.inv.Email)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Owner == OwnerLocal {
			who.known = a
			continue
		}
		name := a.Owner
		if info, ok := s.providerInfo(a); ok {
			name = info.Name
		}
		return fault.New(fault.Conflict, who.inv.Email+" has an account that belongs to "+name+", and signs in there. Leave it out.")
	}
	switch {
	case who.known != nil && (who.known.State != Invited || who.Hash == ""):
		who.result = ImportThere
		return nil
	case who.known != nil:
		who.result = ImportPasswordSet
	case who.Hash == "":
		who.result = ImportInvited
	default:
		who.result = ImportCreated
	}
	for _, name := range []string{who.inv.Email, who.inv.Username} {
		other, err := s.findLocal(ctx, name)
		if err != nil {
			return err
		}
		if other != nil && (who.known == nil || other.ID != who.known.ID) {
			return fault.New(fault.Conflict, name+" is what "+other.Email+" signs in with. Choose another username.")
		}
	}
	return nil
}

// bringIn does what checkImport found to be possible.
func (s *Service) bringIn(ctx context.Context, who importable) error {
	a, err := who.known, error(nil)
	if a == nil {
		a, err = s.create(ctx, who.inv, who.Actor, reasonImport)
	} else {
		a, err = s.again(ctx, a, who.inv)
	}
	if err != nil {
		return err
	}
	if l, ok := a.Local(); ok && who.Hash != "" {
		if err := s.Passwords.SetPassword(ctx, l, who.Hash, s.Config.Password.History, s.now()); err != nil {
			return fmt.Errorf("set imported password: %w", err)
		}
		s.record(ctx, audit.Event{Kind: audit.PasswordSet, AccountID: a.ID, Actor: who.Actor, Provider: OwnerLocal, Reason: reasonImport})
	}
	if who.Disabled {
		return s.Disable(ctx, a.ID, who.Actor)
	}
	return nil
}

const reasonImport = "import"

// looksLikeHash reports whether a text begins as stored passwords do. Columns get mixed up, and what stands in a name is shown.
func looksLikeHash(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "$") || slices.ContainsFunc(hashForms(), func(f hashForm) bool { return strings.HasPrefix(text, f.prefix) })
}
