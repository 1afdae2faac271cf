package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/token"
)

// The longest names that are kept, in characters.
const (
	maxName     = 200
	maxUsername = 200
)

// profile is what an identity says about a person, brought into shape.
type profile struct {
	email, name, username string
	groups                []string
}

// Admit finds or creates the account of a corporate identity, or refuses with a sentence. It updates the profile when the
// provider's has changed. Refusals are recorded here; a success is for the sign-in flow to record, which writes LastSignIn too when all its
// steps are done.
func (s *Service) Admit(ctx context.Context, id identity.Identity) (*Account, error) {
	p, ok := s.Realms.Get(id.Provider)
	if !ok {
		return nil, s.refuse(ctx, id, "", "unknown_provider", "This way of signing in is not set up any more. Please use another one or ask your CRM support.")
	}
	info := p.Info()
	// Without both names the link would be shared by everybody whom the provider forgot to name.
	if id.Issuer == "" || id.Subject == "" {
		return nil, s.refuse(ctx, id, "", "no_subject", info.Name+" did not say who you are, so you were not signed in. Please ask your CRM support.")
	}
	var err error
	for range 3 { // another sign-in of the same person may come between a look and a step
		var a *Account
		a, err = s.admit(ctx, info, id)
		if !fault.Is(err, fault.Conflict) {
			return a, err
		}
	}
	return nil, fmt.Errorf("admit identity of %s: %w", info.ID, err)
}

// admit is one attempt; fault.Conflict asks for another.
func (s *Service) admit(ctx context.Context, info identity.Info, id identity.Identity) (*Account, error) {
	link := Link{Provider: id.Provider, Issuer: id.Issuer, Subject: id.Subject}
	a, err := s.Store.FindByLink(ctx, link)
	switch {
	case err == nil:
		return s.welcome(ctx, a, info, id)
	case !fault.Is(err, fault.NotFound):
		return nil, fmt.Errorf("find account by link: %w", err)
	}
	who := profileOf(id)
	same, err := s.sameAddress(ctx, who.email, info.ID)
	if err != nil {
		return nil, err
	}
	if info.Trust.LinkByEmail && same.any() {
		if err := s.mayClaim(ctx, info, id, who, same); err != nil {
			return nil, err
		}
		if a, err = s.adopt(ctx, same.local, info, link); err != nil {
			return nil, err
		}
		return s.welcome(ctx, a, info, id)
	}
	if info.Trust.AllowSignUp {
		if a, err = s.signUp(ctx, link, who); err == nil && same.local != nil {
			s.tellOfTwo(ctx, a, same.local, info)
		}
		return a, err
	}
	return nil, s.refuse(ctx, id, "", "no_account",
		"You signed in with "+info.Name+", but you have no account here yet. Please ask your CRM support for access.")
}

// welcome lets a linked account in and takes over what the provider says now. Whether the account is disabled is decided in
// the same step that writes; where there is nothing to write, by the sign-in flow in the step in which the session begins.
func (s *Service) welcome(ctx context.Context, a *Account, info identity.Info, id identity.Identity) (*Account, error) {
	who, now := profileOf(id), s.now()
	look := *a
	refusal, changed := unwelcome(a, info.ID), look.takeOver(who)
	if refusal == "" && !changed && slices.Equal(a.Groups, look.Groups) {
		return a, nil // as nearly always
	}
	written, err := s.Store.UpdateAccount(ctx, a.ID, func(b *Account) error {
		if refusal = unwelcome(b, info.ID); refusal != "" {
			return errRefused
		}
		if changed = b.takeOver(who); changed {
			b.UpdatedAt = now
		}
		return nil
	})
	switch {
	case refusal == refusedDisabled:
		return nil, s.refuse(ctx, id, a.ID, refusal, disabledSentence)
	case refusal != "":
		return nil, s.refuse(ctx, id, a.ID, refusal, "Your account here belongs to another way of signing in. Please ask your CRM support.")
	case fault.Is(err, fault.NotFound):
		return nil, fault.Wrap(fault.Conflict, "The account has just been deleted.", err)
	case err != nil:
		return nil, fmt.Errorf("update account: %w", err)
	}
	if changed {
		s.record(ctx, audit.Event{Kind: audit.AccountUpdated, AccountID: a.ID, Provider: info.ID, Reason: "profile"})
	}
	return written, nil
}

// unwelcome is why an account may not be signed in to by a provider, empty where it may.
func unwelcome(a *Account, provider string) string {
	switch {
	case a.Owner != provider:
		return "owner_mismatch"
	case a.State == Disabled:
		return refusedDisabled
	}
	return ""
}

// takeOver gives a provider's account the profile that the provider states now and reports whether anything changed. What the
// provider left out stays as it was, but for groups: they are what it said last.
func (a *Account) takeOver(who profile) (changed bool) {
	email, name, username := or(who.email, a.Email), or(who.name, a.Name), or(who.username, a.Username)
	changed = a.State != Active || a.Email != email || a.Name != name || a.Username != username
	a.State, a.Email, a.Name, a.Username, a.Groups = Active, email, name, username, who.groups
	return changed
}

const disabledSentence = "Your account has been disabled. Please ask your CRM support to enable it."

// errRefused ends an update that must not happen; why is known to whoever ended it.
var errRefused = errors.New("account may not be used")

// signUp creates the account of somebody new.
func (s *Service) signUp(ctx context.Context, link Link, who profile) (*Account, error) {
	now := s.now()
	a := &Account{
		ID: token.NewID(), Owner: link.Provider, Email: who.email, Username: who.username, Name: who.name, Groups: who.groups,
		State: Active, CreatedAt: now, UpdatedAt: now, LastSignIn: now,
	}
	if err := s.Store.CreateAccount(ctx, a, &link); err != nil {
		return nil, fmt.Errorf("create account: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.AccountCreated, AccountID: a.ID, Provider: link.Provider, Reason: "sign_up"})
	return a, nil
}

// refuse records why somebody with a corporate identity may not come in, and returns what they are told.
func (s *Service) refuse(ctx context.Context, id identity.Identity, accountID, reason, sentence string) error {
	e := audit.Event{Kind: audit.SignInRefused, AccountID: accountID, Provider: id.Provider, Reason: reason}
	if accountID == "" {
		e.Identifier = cut(or(identity.Normalize(id.Email), id.Subject), maxIdentifier)
	}
	s.record(ctx, e)
	return fault.New(fault.Forbidden, sentence).WithReason(reason).WithNext(fault.NextHelp)
}

// profileOf brings an identity's words into the form that is kept. An address that is none is left out: whoever reads it later
// must not read another domain in it than we do (CVE-2026-40574).
func profileOf(id identity.Identity) profile {
	p := profile{
		email:    identity.Normalize(id.Email),
		name:     cut(oneLine(id.Name), maxName),
		username: cut(oneLine(identity.Normalize(id.Username)), maxUsername),
		groups:   append([]string{}, id.Groups...),
	}
	if mail.CheckAddress(p.email) != nil {
		p.email = ""
	}
	return p
}

// oneLine returns s with every run of white space and control characters as one space.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, ""), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// cut returns the first n characters of s.
func cut(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// or returns a, and b where a is empty.
func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
