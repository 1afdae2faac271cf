package signin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/session"
)

// ask asks the provider about a session that this process has claimed, and does what the answer means.
func (v *Revalidation) ask(s *session.Session) {
	provider, info, ok := v.of(s)
	if !ok {
		return
	}
	grant, err := openGrant(v.Sealer, s)
	if err != nil {
		v.end(s, "refused", "grant_unreadable")
		return
	}
	began := v.now()
	id, err := v.question(provider, info, grant)
	reason := "refused"
	if f := (*fault.Error)(nil); errors.As(err, &f) && f.Reason != "" {
		reason = f.Reason
	}
	switch {
	case err == nil:
		v.confirmed(s, id, began)
	case errors.Is(err, identity.ErrNothingToAsk):
		v.silence(s)
	case fault.Is(err, fault.Unauthenticated), fault.Is(err, fault.Forbidden):
		v.end(s, "refused", reason)
	case errors.Is(err, errPutOff):
		v.count(s, "put_off")
		v.unanswered(s, info, "")
	default:
		v.count(s, "unanswered")
		v.log().Debug("provider did not answer about a session", "provider", s.Provider, "session", s.ID, "error", err)
		v.unanswered(s, info, id.RefreshToken)
	}
}

// question asks a provider through its door. A panic in there is an answer that did not come: nobody else would catch it.
func (v *Revalidation) question(p identity.Revalidator, info identity.Info, g identity.Grant) (id identity.Identity, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("revalidate: panic: %v", p)
		}
	}()
	err = v.door(info.ID).ask(v.ctx, func() error {
		ctx, cancel := context.WithTimeout(v.ctx, askTimeout)
		defer cancel()
		id, err = p.Revalidate(ctx, g)
		return err
	})
	return id, err
}

// confirmed writes down what the provider says now: first of all the token that it gave for the one it took.
func (v *Revalidation) confirmed(s *session.Session, id identity.Identity, began time.Time) {
	if id.Issuer != "" && id.Issuer != s.Issuer || id.Subject != "" && id.Subject != s.Subject {
		v.end(s, "refused", "subject_changed")
		return
	}
	id.Provider, id.Issuer, id.Subject = s.Provider, s.Issuer, s.Subject
	grant := s.Grant
	if id.RefreshToken != "" {
		grant = sealGrant(v.Sealer, s, id.RefreshToken)
	}
	ctx := v.ctx
	a, err := v.Accounts.Confirm(ctx, s.AccountID, id)
	if f := (*fault.Error)(nil); fault.Is(err, fault.Forbidden) && errors.As(err, &f) {
		v.end(s, "refused", f.Reason)
		return
	}
	outcome := "confirmed"
	if err != nil {
		outcome = "failed"
		v.log().Warn("what a provider said was not taken over", "provider", s.Provider, "session", s.ID, "error", err)
	}
	v.write(s, outcome, func(one *session.Session) {
		one.Grant = grant
		if err != nil { // as if it had not answered
			one.UnansweredSince, one.CheckAfter = moment(began), moment(v.now().Add(lastRetry))
			return
		}
		one.CheckedAt, one.CheckAfter, one.UnansweredSince = moment(began), time.Time{}, time.Time{}
		one.Name, one.Username, one.Groups = a.Name, a.Username, id.Groups
		doubtful := one.EmailDoubtful
		if id.Email != "" {
			doubtful = id.EmailDoubtful
		}
		one.Email, one.EmailDoubtful = addressFor(v.Realms, s.Provider, a.Email, doubtful)
		if !id.PasswordExpires.IsZero() || id.PasswordChangeURL != "" {
			one.PasswordExpires, one.PasswordChangeURL = moment(id.PasswordExpires), id.PasswordChangeURL
		}
		if id.IDToken != "" {
			one.IDToken = sealIDToken(v.Sealer, s, id.IDToken)
		}
	})
}

// silence remembers that there is nothing to ask about a session.
func (v *Revalidation) silence(s *session.Session) {
	if v.door(s.Provider).mention() {
		v.log().Warn("sessions are not checked again because the provider gives nothing to ask with; allow the gateway refresh tokens there, "+
			"or set revalidate to 0", "provider", s.Provider)
	}
	v.write(s, "nothing_to_ask", func(one *session.Session) { one.Grant, one.CheckAfter = noGrant, time.Time{} })
}

// unanswered lets a session live on for the grace, and asks again soon: with another token where the provider changed it before it failed.
func (v *Revalidation) unanswered(s *session.Session, info identity.Info, refreshToken string) {
	now := v.now()
	since := s.UnansweredSince
	if since.IsZero() {
		since = now
	}
	if now.Sub(since) >= info.Grace {
		v.end(s, "lapsed", "provider_silent")
		return
	}
	pause := min(max(now.Sub(since), firstRetry), lastRetry, max(info.Revalidate, firstRetry))
	next := now.Add(pause)
	if end := since.Add(info.Grace); next.After(end) {
		next = end
	}
	v.write(s, "", func(one *session.Session) {
		one.UnansweredSince, one.CheckAfter = moment(since), moment(next)
		if refreshToken != "" {
			one.Grant = sealGrant(v.Sealer, s, refreshToken)
		}
	})
}

// write changes a session whose token is still the one that was asked with. It tries for a while: what the provider gave is given once.
func (v *Revalidation) write(s *session.Session, outcome string, change func(*session.Session)) {
	err := v.insist(func(ctx context.Context) error {
		_, err := v.Sessions.Update(ctx, s.ID, func(one *session.Session) error {
			if one.Grant != s.Grant {
				return errHeld // somebody thought that we were dead, and asked
			}
			change(one)
			return nil
		})
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound), errors.Is(err, errHeld):
	case err != nil:
		v.count(s, "failed")
		v.log().Error("what a provider said about a session could not be stored", "provider", s.Provider, "session", s.ID, "error", err)
	case outcome != "":
		v.count(s, outcome)
	}
}

// end ends a session. The person signs in again and is told there what is wrong.
func (v *Revalidation) end(s *session.Session, outcome, reason string) {
	if err := v.insist(func(ctx context.Context) error { return v.Sessions.Revoke(ctx, s.ID) }); err != nil {
		v.count(s, "failed")
		v.log().Error("a session could not be ended", "provider", s.Provider, "session", s.ID, "reason", reason, "error", err)
		return
	}
	v.count(s, outcome)
	v.log().Info("session ended: its provider does not confirm it", "provider", s.Provider, "session", s.ID, "account", s.AccountID, "reason", reason)
	v.Audit.Record(v.ctx, audit.Event{
		Time: v.now(), Kind: audit.SessionRevoked, AccountID: s.AccountID, Actor: s.Provider, Provider: s.Provider,
		Reason: "revalidate_" + cmp.Or(reason, "refused"),
	})
}

// insist repeats what the store has to do until it is done or nobody can wait longer. The end of the process does not stop it at once.
func (v *Revalidation) insist(do func(ctx context.Context) error) error {
	ctx := context.WithoutCancel(v.ctx)
	for try := 1; ; try++ {
		err := do(ctx)
		if err == nil || fault.Is(err, fault.NotFound) || errors.Is(err, errHeld) || try == keepTries || v.ctx.Err() != nil {
			return err
		}
		time.Sleep(keepPause)
	}
}

// moment is a time as stores keep it.
func moment(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}
