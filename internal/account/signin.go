package account

import (
	"context"
	"fmt"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/throttle"
)

// maxIdentifier is longer than every address and username; what is longer names nobody.
const maxIdentifier = 320

// Why a local sign-in was refused, for the audit trail. The person is told none of it.
const (
	refusedOff      = "local_off"
	refusedUnknown  = "unknown"
	refusedInvited  = "invited"
	refusedDisabled = "disabled"
	refusedLocked   = "locked"
	refusedNetwork  = "network_locked"
	refusedPassword = "wrong_password"
	refusedDamaged  = "damaged_hash"
	refusedExpired  = "password_expired"
)

// HasLocal reports whether an identifier names a local account that could sign in. Its answer must never reach a stranger; the
// sign-in flow uses it to choose between a directory and the local check for names without a domain.
func (s *Service) HasLocal(ctx context.Context, identifier string) (bool, error) {
	if !s.Config.Enabled {
		return false, nil
	}
	a, err := s.findLocal(ctx, identity.Normalize(identifier))
	if err != nil {
		return false, err
	}
	return a != nil && a.State == Active, nil
}

// CheckPassword signs a local person in. Wrong password, unknown name, locked and not yet activated are all
// identity.ErrWrongPassword, after the same work. A right password that is older than max_age is an *identity.MustChange. The reason of
// a refusal is recorded here; a success is for the sign-in flow to record.
func (s *Service) CheckPassword(ctx context.Context, identifier, password string) (*Account, error) {
	p, err := s.prove(ctx, identifier, password)
	if err != nil {
		return nil, err
	}
	a, reason, err := s.signedIn(ctx, p, password)
	if err != nil || reason == "" {
		return a, err
	}
	return nil, s.turnAway(ctx, p, reason)
}

// proof is a local account and what was found out about the password that came with its name.
type proof struct {
	account *Account
	name    string // normalized, as typed
	hash    string
	key     string // of the lockout
	stale   bool   // the hash is to be made anew
	locked  bool   // this try has locked the account
}

// prove counts a try and checks the password. Every refusal is identity.ErrWrongPassword, recorded and after the same work.
func (s *Service) prove(ctx context.Context, identifier, password string) (proof, error) {
	s.open()
	p := proof{name: identity.Normalize(identifier)}
	if !s.Config.Enabled {
		s.refused(ctx, nil, p.name, refusedOff)
		return p, identity.ErrWrongPassword
	}
	var reason string
	var err error
	if p.account, p.hash, reason, err = s.credentials(ctx, p.name); err != nil {
		return p, err
	}
	p.key = throttle.Key("identifier", p.name)
	if p.account != nil {
		p.key = lockoutKey(p.account.ID)
	}
	allowed, lockedNow, err := s.Lockout.Begin(ctx, p.key)
	if fault.Is(err, fault.TooMany) { // said to whole networks, whoever is tried
		s.refused(ctx, p.account, p.name, refusedNetwork)
	}
	if err != nil {
		return p, err
	}
	if p.locked = lockedNow; !allowed {
		reason = refusedLocked
	}
	ok := false
	if ok, p.stale, reason, err = s.verify(ctx, p.hash, password, reason); err != nil {
		return p, err
	}
	if !ok {
		return p, s.turnAway(ctx, p, reason)
	}
	return p, nil
}

// turnAway records why somebody does not get in and returns what they are told.
func (s *Service) turnAway(ctx context.Context, p proof, reason string) error {
	s.refused(ctx, p.account, p.name, reason)
	if p.locked {
		s.locked(ctx, p.account, p.name)
	}
	return identity.ErrWrongPassword
}

// credentials returns the account with a name and the hash to compare; the reason says why there is none. It asks the store as
// often for a name that nobody has.
func (s *Service) credentials(ctx context.Context, name string) (a *Account, hash, reason string, err error) {
	a, err = s.findLocal(ctx, name)
	if err != nil {
		return nil, "", "", err
	}
	l, ok := a.Local()
	if !ok {
		if _, err := s.findLocal(ctx, name); err != nil {
			return nil, "", "", err
		}
		return nil, "", refusedUnknown, nil
	}
	p, err := s.Passwords.GetPassword(ctx, l)
	if err != nil {
		return nil, "", "", fmt.Errorf("get password: %w", err)
	}
	switch {
	case a.State == Disabled:
		reason = refusedDisabled
	case a.State != Active || p.Hash == "":
		reason = refusedInvited
	}
	return a, p.Hash, reason, nil
}

// verify compares a password with a hash. Where there is a reason to refuse already, it compares with the decoy: the answer comes
// after the same work whoever asks for whom.
func (s *Service) verify(ctx context.Context, hash, password, reason string) (ok, stale bool, _ string, err error) {
	password, possible := canonical(password)
	if reason == "" {
		if _, err := ParseHash(hash); err != nil {
			s.log().ErrorContext(ctx, "sign-in refused", "error", err)
			reason = refusedDamaged
		}
	}
	if reason != "" {
		hash = s.hash.decoy
	}
	ok, stale, err = s.hash.check(ctx, hash, password)
	if err != nil {
		return false, false, "", err
	}
	if reason == "" && (!ok || !possible) {
		reason = refusedPassword
	}
	return reason == "", stale, reason, nil
}

// signedIn finishes a sign-in with the right password, or returns why it came too late.
func (s *Service) signedIn(ctx context.Context, p proof, password string) (_ *Account, reason string, err error) {
	l, _ := p.account.Local()
	// A reset that ran while we compared has ended every session; the password it replaced must not start one.
	stored, err := s.Passwords.GetPassword(ctx, l)
	if err != nil {
		return nil, "", fmt.Errorf("get password: %w", err)
	}
	if stored.Hash != p.hash {
		return nil, refusedPassword, nil
	}
	if err := s.Lockout.Succeed(ctx, p.key); err != nil {
		return nil, "", err
	}
	if p.stale {
		s.upgrade(ctx, l, p.hash, password)
	}
	if s.tooOld(stored) {
		s.refused(ctx, p.account, p.name, refusedExpired)
		return nil, "", mustChange(s.Config.Password.MaxAge)
	}
	now := s.now()
	gone := false // disabled, adopted or deleted meanwhile
	written, err := s.Store.UpdateAccount(ctx, p.account.ID, func(b *Account) error {
		if gone = b.State != Active || b.Owner != OwnerLocal; gone {
			return errRefused
		}
		b.LastSignIn = now
		return nil
	})
	switch {
	case gone, fault.Is(err, fault.NotFound):
		return nil, refusedDisabled, nil
	case err != nil:
		return nil, "", fmt.Errorf("record sign-in: %w", err)
	}
	written.PasswordChangedAt, written.PasswordExpires = stored.ChangedAt, s.expires(stored)
	s.warnOfAge(ctx, written)
	return written, "", nil
}

// upgrade replaces a hash of former cost. Where that fails, the next sign-in tries again.
func (s *Service) upgrade(ctx context.Context, l Local, old, password string) {
	password, _ = canonical(password)
	hash, err := s.hash.make(ctx, password)
	if err == nil {
		err = s.Passwords.UpgradeHash(ctx, l, old, hash)
	}
	if err != nil {
		s.log().WarnContext(ctx, "password hash not renewed", "account", l.AccountID(), "error", err)
	}
}

// refused records a refusal.
func (s *Service) refused(ctx context.Context, a *Account, name, reason string) {
	e := audit.Event{Kind: audit.SignInRefused, Provider: OwnerLocal, Reason: reason}
	if a != nil {
		e.AccountID = a.ID
	} else {
		e.Identifier = cut(name, maxIdentifier)
	}
	s.record(ctx, e)
}

// locked records a lock and tells the person. The mail is made in the background: nobody may read from the answer's time that
// there is somebody to be told.
func (s *Service) locked(ctx context.Context, a *Account, name string) {
	e := audit.Event{Kind: audit.AccountLocked, Provider: OwnerLocal, Reason: "failures"}
	if a == nil {
		e.Identifier = cut(name, maxIdentifier)
		s.record(ctx, e)
		return
	}
	e.AccountID = a.ID
	s.record(ctx, e)
	if a.State != Active {
		return
	}
	at, account := s.now(), a
	s.later(ctx, "mail about a lock", func(ctx context.Context) {
		until, err := s.LockedUntil(ctx, account)
		if err != nil || until.IsZero() { // opened already: by a new password, or by an administrator
			until = at.Add(s.Lockout.Config.Duration)
		}
		about := s.noticed(ctx, account, "", mailLocked)
		about.At = clockTime(at)
		s.notify(ctx, account, mailLocked, LockedMail{About: about, Until: clockTime(until), Lifetime: Lifetime(s.Lockout.Config.Duration),
			Endless: throttle.Endless(until, at), CanReset: s.Config.Reset.Enabled})
	})
}

// LockedUntil returns when the lockout of a local account ends, zero where there is none; throttle.Endless tells one that ends only with a
// new password or by an administrator.
func (s *Service) LockedUntil(ctx context.Context, a *Account) (time.Time, error) {
	if _, ok := a.Local(); !ok {
		return time.Time{}, nil
	}
	return s.Lockout.Locked(ctx, lockoutKey(a.ID))
}

// findLocal returns the local account with a normalized address or username, nil where there is none.
func (s *Service) findLocal(ctx context.Context, name string) (*Account, error) {
	if name == "" || len(name) > maxIdentifier {
		return nil, nil
	}
	a, err := s.Store.FindLocal(ctx, name)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find local account: %w", err)
	}
	return a, nil
}

// lockoutKey counts an account's failures, whichever of its names was typed.
func lockoutKey(accountID string) string { return throttle.AccountKey(accountID) }
