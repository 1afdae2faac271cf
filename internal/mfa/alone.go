package mfa

import (
	"context"
	"fmt"
	"net/url"

	"crmgate/internal/fault"
)

// sole is a Factor that can be the only step of a sign-in.
type sole interface {
	Factor
	// BeginAlone begins a sign-in of nobody known yet.
	BeginAlone() ([]byte, error)
	// Lookup returns what finds the enrolment that an answer names.
	Lookup(form url.Values) (string, error)
	// CheckAlone verifies an answer by the owner of the enrolment.
	CheckAlone(who Person, have []Kept, state []byte, form url.Values) (Proof, error)
}

func (s *Service) sole() (sole, bool) {
	if s.Off() {
		return nil, false
	}
	for _, f := range s.factors {
		if a, ok := f.(sole); ok {
			return a, true
		}
	}
	return nil, false
}

// BeginAlone begins a sign-in with a passkey alone; ok is false where there is none to be had. Options is what the browser's API takes,
// state what the caller keeps until CheckAlone.
func (s *Service) BeginAlone() (state []byte, options string, ok bool, err error) {
	f, ok := s.sole()
	if !ok {
		return nil, "", false, nil
	}
	if state, err = f.BeginAlone(); err != nil {
		return nil, "", false, err
	}
	v, err := f.View(Person{}, nil, state)
	if err != nil {
		return nil, "", false, err
	}
	view, _ := v.(PasskeyView)
	return state, view.Options, true, nil
}

// CheckAlone verifies the answer to BeginAlone and returns whose it is. The caller decides whether that account may sign in so.
func (s *Service) CheckAlone(ctx context.Context, state []byte, form url.Values) (accountID string, p Proof, err error) {
	f, ok := s.sole()
	if !ok {
		return "", Proof{}, errUnknownKind
	}
	lookup, err := f.Lookup(form)
	if err != nil {
		return "", Proof{}, err
	}
	e, err := s.store.FindFactor(ctx, lookup)
	if fault.Is(err, fault.NotFound) {
		return "", Proof{}, ErrWrong
	}
	if err != nil {
		return "", Proof{}, fmt.Errorf("find passkey: %w", err)
	}
	secret, err := s.open(e)
	if err != nil {
		return "", Proof{}, err
	}
	p, err = f.CheckAlone(Person{ID: e.AccountID}, []Kept{{ID: e.ID, Secret: secret}}, state, form)
	if err == nil {
		err = s.use(ctx, e.AccountID, p)
	}
	return e.AccountID, p, err
}
