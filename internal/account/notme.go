package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/mail"
	"crmgate/internal/token"
)

// NotMeMail is the data of templates/mail/not_me: what was done, for the owner.
type NotMeMail struct {
	About
	// Local is true where there was a password of ours; Provider is the name of whoever else it belongs to.
	Local    bool
	Provider string
}

// NotMeReport is the data of templates/mail/not_me_report: what was done, for those who look after the gateway. Email is theirs.
type NotMeReport struct {
	About
	// Who is the account's name or address, WhoEmail its address, AccountID its id.
	Who, WhoEmail, AccountID string
	// Cause is what the mail was about whose link was used, such as "a new sign-in"; empty where the owner was signed in.
	Cause string
	// Local is true where there was a password of ours; Provider is the name of whoever else it belongs to.
	Local    bool
	Provider string
	// ChangeURL is where the provider's password is changed; may be empty.
	ChangeURL string
}

// errNoticeGone is the one answer to a link that is used up, too old, or never was.
var errNoticeGone = fault.New(fault.Expired, "This link no longer works: it was used already, is too old, or the account is locked by now.").
	WithReason("notice_gone").WithNext(fault.NextHelp)

// PeekNotice returns the account behind the link of a notice that is still good, and what it is about, without using it; fault.Expired
// otherwise.
func (s *Service) PeekNotice(ctx context.Context, secret string) (*Account, Notice, error) {
	if s.NoticeLinks == nil || !token.WellFormed(secret) {
		return nil, Notice{}, errNoticeGone
	}
	n, err := s.NoticeLinks.GetNotice(ctx, token.Digest(secret), s.now())
	if fault.Is(err, fault.NotFound) {
		return nil, Notice{}, errNoticeGone
	}
	if err != nil {
		return nil, Notice{}, fmt.Errorf("get notice: %w", err)
	}
	a, err := s.Store.GetAccount(ctx, n.AccountID)
	if fault.Is(err, fault.NotFound) {
		return nil, Notice{}, errNoticeGone
	}
	if err != nil {
		return nil, Notice{}, fmt.Errorf("get account: %w", err)
	}
	return a, n, nil
}

// NotMeByLink locks an account with the link of a notice, without a sign-in: of many who come with one link one locks it, and the others get
// fault.Expired.
func (s *Service) NotMeByLink(ctx context.Context, secret string) (*Account, error) {
	if s.NoticeLinks == nil || !token.WellFormed(secret) {
		return nil, errNoticeGone
	}
	a, err := s.shut(ctx, Closing{Digest: token.Digest(secret)})
	if fault.Is(err, fault.NotFound) {
		return nil, errNoticeGone
	}
	return a, err
}

// NotMe locks an account for its owner, who is signed in and sees that somebody else is, too: every session, link, remembered device and access
// token ends, a local password is worth nothing any more, and nobody signs in until an administrator enables the account. Owner and
// support are told by mail.
func (s *Service) NotMe(ctx context.Context, accountID string) (*Account, error) {
	return s.shut(ctx, Closing{AccountID: accountID})
}

func (s *Service) shut(ctx context.Context, c Closing) (*Account, error) {
	s.open()
	c.Now, c.Hash, c.History = s.now(), s.hash.nobody(), s.Config.Password.History
	a, cause, err := s.NoticeLinks.CloseAccount(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("lock account: %w", err)
	}
	// It is locked: what follows must not depend on a browser that waits.
	ctx = context.WithoutCancel(ctx)
	detail := "on the own page"
	if c.Digest != "" {
		detail = "by the link in the mail " + cause
	}
	s.record(ctx, audit.Event{Kind: audit.NotMe, AccountID: a.ID, Provider: a.Owner, Detail: detail})
	s.record(ctx, audit.Event{Kind: audit.AccountDisabled, AccountID: a.ID, Provider: a.Owner, Reason: "not_me"})
	endErr := s.Sessions.EndAccount(ctx, a.ID, "")
	s.tellShut(ctx, a, cause)
	if endErr != nil {
		return nil, fault.Wrap(fault.Unavailable,
			"Your account is locked, but browsers that are signed in may still be. Please call your CRM support now and ask them to end your sessions.",
			fmt.Errorf("end sessions of locked account: %w", endErr)).WithNext(fault.NextHelp)
	}
	return a, nil
}

// tellShut mails the owner and the support.
func (s *Service) tellShut(ctx context.Context, a *Account, cause string) {
	info, corporate := s.providerInfo(a)
	_, local := a.Local()
	if a.Email != "" {
		s.notify(ctx, a, mailNotMe, NotMeMail{About: s.about(ctx, a, ""), Local: local, Provider: info.Name})
	}
	if s.SupportEmail == "" {
		s.log().WarnContext(ctx, "an account was locked by its owner, and there is no support address to tell (branding.support.email)", "account", a.ID)
		return
	}
	report := NotMeReport{About: s.about(ctx, a, ""), AccountID: a.ID, WhoEmail: a.Email, Cause: causeWords(cause), Local: local}
	report.Who, report.Email = a.Name, s.SupportEmail
	if report.Who == "" {
		report.Who = a.Email
	}
	if corporate {
		report.Provider, report.ChangeURL = info.Name, info.Password.ChangeURL
	}
	if s.Mail == nil {
		return
	}
	if err := s.Mail.Send(ctx, mail.Message{To: s.SupportEmail, Template: mailNotMeReport, Data: report}); err != nil {
		s.log().ErrorContext(ctx, "support not told of an account locked by its owner", "account", a.ID,
			"error", errors.Join(err), "reference", audit.OriginOf(ctx).Reference)
	}
}

// causeWords say what a mail was about.
func causeWords(mail string) string {
	words := map[string]string{
		mailNewDevice: "a new sign-in", mailFactorChanged: "changed second steps", mailFactorLocked: "a locked second step",
		mailPasswordChanged: "a changed password", mailLocked: "a locked account", mailTokenMade: "a new access token",
	}
	if w := words[mail]; w != "" || mail == "" {
		return w
	}
	return "the account"
}

// nobody returns a hash that no password fits: its key is random and the hash of nothing that anybody could find.
func (h *hasher) nobody() string {
	salt, key := make([]byte, hashSalt), make([]byte, hashKey)
	rand.Read(salt)
	rand.Read(key)
	return encode("argon2id", h.params, salt, key)
}
