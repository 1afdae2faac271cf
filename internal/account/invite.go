package account

import (
	"context"
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

// maxGroup is the longest group name, in characters.
const maxGroup = 200

// Invitation is a new local account to be.
type Invitation struct {
	Email, Name, Username string
	Groups                []string
}

// Invite creates a local account without a password, or invites one again that never had one, and mails the link where mail is on.
// Where the link was made and could not be mailed, account, link and error are set.
func (s *Service) Invite(ctx context.Context, inv Invitation, actor string) (a *Account, link string, err error) {
	if !s.Config.Enabled {
		return nil, "", errLocalOff
	}
	if inv, err = inv.tidy(); err != nil {
		return nil, "", err
	}
	known, err := s.findLocal(ctx, inv.Email)
	if err != nil {
		return nil, "", err
	}
	if known == nil {
		a, err = s.create(ctx, inv, actor, "invitation")
	} else {
		a, err = s.again(ctx, known, inv)
	}
	if err != nil {
		return nil, "", err
	}
	l, _ := a.Local()
	if link, err = s.issue(ctx, l, ForInvitation); err != nil {
		return nil, "", err
	}
	s.record(ctx, audit.Event{Kind: audit.Invited, AccountID: a.ID, Actor: actor, Provider: OwnerLocal})
	d := s.Config.InvitationLifetime
	err = s.send(ctx, a, mailInvitation, InvitationMail{About: s.about(ctx, a, actor), SignInName: a.SignInName(s.Realms), Link: link, Lifetime: Lifetime(d), Until: clockTime(s.now().Add(d))}, d)
	if err != nil {
		return a, link, fault.Wrap(fault.Unavailable, "The account was made, but the mail with the invitation could not be sent.", err)
	}
	return a, link, nil
}

func (s *Service) create(ctx context.Context, inv Invitation, actor, reason string) (*Account, error) {
	now := s.now()
	a := &Account{ID: token.NewID(), Owner: OwnerLocal, Email: inv.Email, Username: inv.Username, Name: inv.Name, Groups: inv.Groups,
		State: Invited, CreatedAt: now, UpdatedAt: now}
	err := s.Store.CreateAccount(ctx, a, nil)
	if fault.Is(err, fault.Conflict) {
		return nil, taken(inv, err)
	}
	if err != nil {
		return nil, fmt.Errorf("create account: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.AccountCreated, AccountID: a.ID, Actor: actor, Provider: OwnerLocal, Reason: reason})
	return a, nil
}

// again prepares an account that was invited before; what the new invitation says takes the place of what the old one said.
func (s *Service) again(ctx context.Context, known *Account, inv Invitation) (*Account, error) {
	var refusal *fault.Error
	a, err := s.Store.UpdateAccount(ctx, known.ID, func(b *Account) error {
		switch refusal = nil; {
		case b.Email != inv.Email:
			refusal = fault.New(fault.Conflict, inv.Email+" is the username of another account.")
		case b.State == Disabled:
			refusal = fault.New(fault.Conflict, inv.Email+" has an account that is disabled. Enable it instead.")
		case b.State != Invited:
			refusal = fault.New(fault.Conflict, inv.Email+" has an account already. Send a reset link instead.")
		}
		if refusal != nil {
			return errRefused
		}
		b.Name, b.Username = or(inv.Name, b.Name), or(inv.Username, b.Username)
		if len(inv.Groups) > 0 {
			b.Groups = inv.Groups
		}
		b.UpdatedAt = s.now()
		return nil
	})
	switch {
	case refusal != nil:
		return nil, refusal
	case fault.Is(err, fault.Conflict):
		return nil, taken(inv, err)
	case err != nil:
		return nil, fmt.Errorf("update account: %w", err)
	}
	return a, nil
}

func taken(inv Invitation, cause error) error {
	if inv.Username == "" {
		return fault.Wrap(fault.Conflict, inv.Email+" is taken by another local account.", cause)
	}
	return fault.Wrap(fault.Conflict, inv.Email+" or the username "+inv.Username+" is taken by another local account.", cause)
}

// tidy brings an invitation into the form that is kept, or says what is wrong with it.
func (inv Invitation) tidy() (Invitation, error) {
	out := Invitation{Email: identity.Normalize(inv.Email), Name: oneLine(inv.Name), Username: identity.Normalize(inv.Username), Groups: []string{}}
	if err := mail.CheckAddress(out.Email); err != nil {
		return inv, fault.Wrap(fault.Invalid, "Nobody can be invited at this address: "+err.Error()+".", err)
	}
	if cut(out.Name, maxName) != out.Name {
		return inv, fault.New(fault.Invalid, "The name is longer than 200 characters.")
	}
	// A username with an "@" would look like somebody's address at sign-in.
	if cut(out.Username, maxUsername) != out.Username || strings.ContainsFunc(out.Username, func(r rune) bool {
		return r == '@' || unicode.IsSpace(r) || !unicode.IsGraphic(r)
	}) {
		return inv, fault.New(fault.Invalid, "A username has at most 200 characters and neither spaces nor an @. The address works for signing in anyway.")
	}
	for _, g := range inv.Groups {
		g = oneLine(g)
		if cut(g, maxGroup) != g {
			return inv, fault.New(fault.Invalid, "A group's name is longer than 200 characters.")
		}
		if g != "" && !slices.Contains(out.Groups, g) {
			out.Groups = append(out.Groups, g)
		}
	}
	return out, nil
}
