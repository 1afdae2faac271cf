package mfa

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Enrol begins an enrolment of one kind. The caller keeps what it returns on the server until Confirm.
func (s *Service) Enrol(ctx context.Context, who Person, k Kind, form url.Values) ([]byte, error) {
	offer, err := s.Offer(ctx, who)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(offer, func(i Info) bool { return i.Kind == k }) {
		return nil, errUnknownKind
	}
	f, err := s.factor(k)
	if err != nil {
		return nil, err
	}
	have, err := s.kept(ctx, who.ID, k)
	if err != nil {
		return nil, err
	}
	return f.Enrol(ctx, who, have, form)
}

// EnrolView returns what the page of an enrolment shows.
func (s *Service) EnrolView(who Person, k Kind, state []byte) (any, error) {
	f, err := s.factor(k)
	if err != nil {
		return nil, err
	}
	return f.View(who, nil, state)
}

// Confirm verifies the answer that ends an enrolment and returns what Add stores. Nothing is stored yet. A wrong answer is ErrWrong.
func (s *Service) Confirm(ctx context.Context, who Person, k Kind, state []byte, form url.Values) (Fresh, error) {
	f, err := s.factor(k)
	if err != nil {
		return Fresh{}, err
	}
	return f.Confirm(ctx, who, state, form)
}

// Add stores a factor whose enrolment is confirmed, and returns the proof that it was. With onlyFirst an account that has a factor already
// is fault.Conflict: whoever has not proven that one may not add another.
func (s *Service) Add(ctx context.Context, who Person, k Kind, fresh Fresh, name string, onlyFirst bool) (Proof, error) {
	f, err := s.factor(k)
	if err != nil {
		return Proof{}, err
	}
	e := Enrolment{
		ID: token.NewID(), AccountID: who.ID, Kind: k, Name: cmp.Or(cleanName(name), fresh.Name), Lookup: fresh.Lookup,
		Secret: s.seal(who.ID, k, fresh.Secret), CreatedAt: s.now(), UsedAt: s.now(),
	}
	if f.Info().Single {
		e.Lookup = single(who.ID, k)
	}
	if err := s.store.CreateFactor(ctx, e, mostFactors, onlyFirst); err != nil {
		return Proof{}, err
	}
	s.record(ctx, audit.Event{Kind: audit.FactorAdded, AccountID: who.ID, Reason: string(k)})
	return Proof{Kind: k, EnrolmentID: e.ID, AMR: fresh.AMR}, nil
}

// single is the Lookup of a factor that an account has once.
func single(accountID string, k Kind) string { return token.Digest(string(k) + "\x00" + accountID) }

// Rename gives a factor another name.
func (s *Service) Rename(ctx context.Context, accountID, id, name string) error {
	name = cleanName(name)
	if name == "" {
		return fault.New(fault.Invalid, "Type a name for it.").WithReason("no_name")
	}
	_, err := s.store.UpdateFactor(ctx, accountID, id, func(e *Enrolment) error { e.Name = name; return nil })
	return err
}

// cleanName is a name as it may stand in a list.
func cleanName(name string) string {
	name = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(name, ""), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if r := []rune(name); len(r) > mostName {
		name = strings.TrimSpace(string(r[:mostName]))
	}
	return name
}

// Remove takes a factor away and returns what it was. With the last real one go the remembered devices and the recovery codes: they stood in
// for it.
func (s *Service) Remove(ctx context.Context, accountID, id string) (Enrolment, error) {
	all, err := s.List(ctx, accountID)
	if err != nil {
		return Enrolment{}, err
	}
	i := slices.IndexFunc(all, func(e Enrolment) bool { return e.ID == id })
	if i < 0 {
		return Enrolment{}, fault.New(fault.NotFound, "It is not there any more.").WithReason("factor_gone")
	}
	e := all[i]
	if err := s.store.DeleteFactor(ctx, accountID, id); err != nil {
		return e, err
	}
	s.record(ctx, audit.Event{Kind: audit.FactorRemoved, AccountID: accountID, Reason: string(e.Kind)})
	if !s.counts(slices.Delete(all, i, i+1)) {
		if _, err := s.store.DeleteFactors(ctx, accountID); err != nil {
			return e, fmt.Errorf("remove what stood in: %w", err)
		}
	}
	return e, nil
}

// Clear takes every factor, recovery code and remembered device of an account away, for somebody who has lost them all.
func (s *Service) Clear(ctx context.Context, accountID, actor string) (int, error) {
	n, err := s.store.DeleteFactors(ctx, accountID)
	if err != nil {
		return 0, fmt.Errorf("clear factors: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.FactorsCleared, AccountID: accountID, Actor: actor})
	return n, nil
}

// Prompted returns until when an account may put off setting a factor up, and counts from now where it is told for the first time.
func (s *Service) Prompted(ctx context.Context, accountID string) (until time.Time, err error) {
	if s.config.EnrolmentGrace <= 0 {
		return time.Time{}, nil
	}
	first, err := s.store.FirstPrompted(ctx, accountID, s.now())
	if err != nil {
		return time.Time{}, fmt.Errorf("note prompt: %w", err)
	}
	return first.Add(s.config.EnrolmentGrace), nil
}
