package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/throttle"
)

// mailLimit mails about a reset go to one account within mailWindow; then none for as long. A person who asks again because the first mail is
// slow gets another, and a stranger cannot fill a mailbox.
const (
	mailLimit  = 5
	mailWindow = 15 * time.Minute
)

// What became of a request for a reset, for the audit trail.
const (
	resetAtProvider   = "at_provider"
	resetLinkSent     = "link_sent"
	resetProviderSent = "provider_named"
	resetNobody       = "unknown"
	resetOtherName    = "wrong_username"
	resetDisabled     = "disabled"
	resetFlood        = "too_often"
	resetOff          = "reset_off"
	resetNoProvider   = "provider_gone"
	resetFailed       = "failed"
	resetByAdmin      = "issued"
)

// ResetAnswer is what the page may say after somebody asked for a reset.
type ResetAnswer struct {
	// Provider is set where the address's domain belongs to a provider: the page says to reset the password there.
	Provider *identity.Info
}

// ResetRequest is what somebody typed who wants a new password.
type ResetRequest struct {
	// Identifier is an address or a user name.
	Identifier string
	// Username counts where local.reset.require_username is set: it must be the account's, as must Identifier.
	Username string
}

// RequestReset answers a request for a reset at once. Unless the address belongs to a provider, what follows (a link by
// mail, a mail that names the provider, or nothing) happens in the background.
func (s *Service) RequestReset(ctx context.Context, req ResetRequest) (ResetAnswer, error) {
	name, username := identity.Normalize(req.Identifier), identity.Normalize(req.Username)
	if p, ok := s.Realms.Find(name); ok {
		info := p.Info()
		s.record(ctx, audit.Event{Kind: audit.ResetRequested, Identifier: cut(name, maxIdentifier), Provider: info.ID, Reason: resetAtProvider})
		return ResetAnswer{Provider: &info}, nil
	}
	if name == "" || len(name) > maxIdentifier {
		return ResetAnswer{}, nil
	}
	s.later(ctx, "reset request", func(ctx context.Context) {
		if err := s.answerReset(ctx, name, username); err != nil {
			s.log().ErrorContext(ctx, "reset request not answered", "error", err, "reference", audit.OriginOf(ctx).Reference)
		}
	})
	return ResetAnswer{}, nil
}

// answerReset is the reset decision: it finds out whose name was typed and sends that person the right mail, or nothing.
func (s *Service) answerReset(ctx context.Context, name, username string) error {
	a, err := s.resetCandidate(ctx, name)
	if err != nil {
		return err
	}
	e := audit.Event{Kind: audit.ResetRequested}
	switch {
	case a == nil:
		e.Identifier, e.Reason = name, resetNobody
	case !s.namesBoth(a, name, username):
		e.AccountID, e.Provider, e.Reason = a.ID, a.Owner, resetOtherName
	}
	if e.Reason != "" {
		s.record(ctx, e)
		return nil
	}
	e.AccountID, e.Provider = a.ID, a.Owner
	if e.Reason, err = s.mailReset(ctx, a); err != nil {
		e.Reason = resetFailed
	}
	s.record(ctx, e)
	return err
}

// namesBoth reports whether address and user name are the account's, where both are asked for. An account without a user name is named
// by its address alone; a provider's gets a mail that gives nothing away to whoever did not ask.
func (s *Service) namesBoth(a *Account, name, username string) bool {
	if !s.Config.Reset.RequireUsername || a.Owner != OwnerLocal {
		return true
	}
	if name != a.Email {
		return false
	}
	return username == a.Username || a.Username == "" && username == a.Email
}

// mailReset sends an account's owner what helps and returns what that was.
func (s *Service) mailReset(ctx context.Context, a *Account) (reason string, err error) {
	l, isLocal := a.Local()
	info, isCorporate := s.providerInfo(a)
	switch {
	case a.State == Disabled:
		return resetDisabled, nil
	case isLocal && !(s.Config.Enabled && s.Config.Reset.Enabled), s.Mail == nil:
		return resetOff, nil
	case !isLocal && !isCorporate:
		s.log().WarnContext(ctx, "reset asked for an account whose provider is not configured", "account", a.ID, "provider", a.Owner)
		return resetNoProvider, nil
	}
	calm, err := s.mayMail(ctx, "reset-mail", a)
	switch {
	case err != nil:
		return "", err
	case !calm:
		return resetFlood, nil
	case isCorporate:
		return resetProviderSent, s.send(ctx, a, mailResetProvider, ProviderMail{About: s.about(ctx, a, ""),
			Provider: info.Name, ProviderURL: info.Password.ResetURL, Help: info.Password.Help}, 0)
	}
	link, err := s.issue(ctx, l, ForReset)
	if err != nil {
		return "", err
	}
	return resetLinkSent, s.sendReset(ctx, a, l, link, "")
}

// sendReset mails a link for a new password, with another that withdraws it.
func (s *Service) sendReset(ctx context.Context, a *Account, l Local, link, actor string) error {
	withdraw, err := s.issue(ctx, l, ForWithdrawal)
	if err != nil {
		return err
	}
	d := s.Config.Reset.LinkLifetime
	return s.send(ctx, a, mailResetLocal, ResetMail{About: s.about(ctx, a, actor), Link: link, WithdrawLink: withdraw, Lifetime: Lifetime(d),
		Until: clockTime(s.now().Add(d))}, d)
}

// resetCandidate returns the account that a reset for a name is about: the local one, else the provider's account that was used
// last, else a disabled one, else nil.
func (s *Service) resetCandidate(ctx context.Context, name string) (*Account, error) {
	all, err := s.withAddress(ctx, name)
	if err != nil {
		return nil, err
	}
	local, err := s.findLocal(ctx, name)
	if err != nil {
		return nil, err
	}
	if local != nil {
		all = append(all, local)
	}
	if len(all) == 0 {
		return nil, nil
	}
	rank := func(a *Account) int {
		switch {
		case a.State == Disabled:
			return 2
		case a.Owner == OwnerLocal:
			return 0
		}
		return 1
	}
	return slices.MinFunc(all, func(a, b *Account) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return b.LastSignIn.Compare(a.LastSignIn)
	}), nil
}

// withAddress returns the accounts with a normalized address, whoever owns them.
func (s *Service) withAddress(ctx context.Context, name string) ([]*Account, error) {
	if !strings.Contains(name, "@") || len(name) > maxIdentifier {
		return nil, nil
	}
	all, err := s.Store.ListAccounts(ctx, Filter{Email: name})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return all, nil
}

// mayMail reports whether an account may get another mail of a sort that strangers can cause. It counts where failed sign-ins are counted, so all
// replicas count together.
func (s *Service) mayMail(ctx context.Context, sort string, a *Account) (bool, error) {
	pause := throttle.Lockout{Store: s.Lockout.Store, Now: s.now, Config: throttle.Config{Failures: mailLimit, Window: mailWindow, Duration: mailWindow}}
	ok, _, err := pause.Begin(ctx, throttle.Key(sort, a.ID))
	return ok, err
}

// IssueReset makes a reset link for a local account and mails it where mail is on. An account that a provider owns is
// fault.Conflict with a sentence that names the provider. Where the link was made and could not be mailed, both link and error are set.
func (s *Service) IssueReset(ctx context.Context, accountID, actor string) (link string, err error) {
	a, err := s.Store.GetAccount(ctx, accountID)
	if err != nil {
		return "", fmt.Errorf("get account: %w", err)
	}
	l, ok := a.Local()
	switch {
	case !ok:
		return "", s.elsewhere(a)
	case !s.Config.Enabled:
		return "", errLocalOff
	case a.State == Disabled:
		return "", fault.New(fault.Conflict, "This account is disabled. Enable it first.").WithReason(refusedDisabled)
	}
	if link, err = s.issue(ctx, l, ForReset); err != nil {
		return "", err
	}
	s.record(ctx, audit.Event{Kind: audit.ResetRequested, AccountID: a.ID, Actor: actor, Provider: OwnerLocal, Reason: resetByAdmin})
	if err := s.sendReset(ctx, a, l, link, actor); err != nil {
		return link, fault.Wrap(fault.Unavailable, "The link was made, but the mail with it could not be sent.", err)
	}
	return link, nil
}

// errLocalOff answers whoever administers local accounts where there are none.
var errLocalOff = fault.New(fault.Conflict, "Local accounts are switched off (local.enabled).").WithReason(refusedOff)

// elsewhere says where the password of a provider's account is reset.
func (s *Service) elsewhere(a *Account) error {
	name, url := a.Owner, ""
	if info, ok := s.providerInfo(a); ok {
		name, url = info.Name, info.Password.ResetURL
	}
	sentence := fmt.Sprintf("This account signs in with %s; its password is reset there and never here.", name)
	if url != "" {
		sentence += " The address is " + url + "."
	}
	return fault.New(fault.Conflict, sentence).WithReason(resetAtProvider)
}
