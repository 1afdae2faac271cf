package mfa

import (
	"context"
	"fmt"
	"slices"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// NewRecoveryCodes gives an account ten fresh recovery codes in place of those it had. They are returned once and never again.
func (s *Service) NewRecoveryCodes(ctx context.Context, accountID string) ([]string, error) {
	if _, err := s.factor(Recovery); err != nil {
		return nil, err
	}
	codes := make([]string, recoveryCodes)
	var kept recoveryKept
	for i := range codes {
		var c recoveryCode
		codes[i], c = freshRecovery(time.Time{})
		kept.Codes = append(kept.Codes, c)
	}
	err := s.changeRecovery(ctx, accountID, func(k *recoveryKept) { *k = kept })
	if err != nil {
		return nil, err
	}
	s.record(ctx, audit.Event{Kind: audit.FactorAdded, AccountID: accountID, Reason: string(Recovery)})
	return codes, nil
}

// IssueRecoveryCode makes one more code, good for a day, which an administrator reads out to somebody who has lost everything else.
func (s *Service) IssueRecoveryCode(ctx context.Context, accountID, actor string) (string, error) {
	if s.Off() {
		return "", fault.New(fault.Conflict, "Second factors are switched off (factors.policy).").WithReason("factors_off")
	}
	if _, err := s.factor(Recovery); err != nil {
		return "", fault.New(fault.Conflict, "Recovery codes are not allowed (factors.allowed).").WithReason("factor_not_allowed")
	}
	now := s.now()
	code, c := freshRecovery(now.Add(issuedLifetime))
	err := s.changeRecovery(ctx, accountID, func(k *recoveryKept) {
		k.Codes = slices.DeleteFunc(k.Codes, func(c recoveryCode) bool { return !c.Expires.IsZero() && !now.Before(c.Expires) })
		k.Codes = append(k.Codes, c)
	})
	if err != nil {
		return "", err
	}
	s.record(ctx, audit.Event{Kind: audit.RecoveryIssued, AccountID: accountID, Actor: actor})
	return code, nil
}

// RecoveryLeft returns how many recovery codes an account has left.
func (s *Service) RecoveryLeft(ctx context.Context, accountID string) (int, error) {
	have, err := s.kept(ctx, accountID, Recovery)
	if err != nil || len(have) == 0 {
		return 0, err
	}
	k, err := decode[recoveryKept]("recovery codes", have[0].Secret)
	n := 0
	for _, c := range k.Codes {
		if c.Expires.IsZero() || s.now().Before(c.Expires) {
			n++
		}
	}
	return n, err
}

func freshRecovery(expires time.Time) (string, recoveryCode) {
	code := newRecoveryCode()
	canonical, _ := canonicalRecovery(code)
	return code, recoveryCode{Digest: token.Digest(canonical), Expires: expires}
}

// changeRecovery changes the one record of recovery codes of an account, or makes it.
func (s *Service) changeRecovery(ctx context.Context, accountID string, change func(*recoveryKept)) error {
	var fresh recoveryKept
	change(&fresh)
	now := s.now()
	e := Enrolment{ID: token.NewID(), AccountID: accountID, Kind: Recovery, Name: "Recovery codes", Lookup: single(accountID, Recovery),
		Secret: s.seal(accountID, Recovery, marshal(fresh)), CreatedAt: now}
	for range 3 {
		err := s.updateRecovery(ctx, e.Lookup, accountID, change)
		if !fault.Is(err, fault.NotFound) {
			return err
		}
		// No limit: an account full of factors needs its codes more than any other.
		if err := s.store.CreateFactor(ctx, e, mostFactors+1, false); !fault.Is(err, fault.Conflict) {
			return err
		}
		// Somebody else made it meanwhile.
	}
	return fault.New(fault.Conflict, "Your recovery codes were just changed elsewhere. Please try again.").WithReason("recovery_race")
}

func (s *Service) updateRecovery(ctx context.Context, lookup, accountID string, change func(*recoveryKept)) error {
	found, err := s.store.FindFactor(ctx, lookup)
	if err != nil {
		return err
	}
	_, err = s.store.UpdateFactor(ctx, accountID, found.ID, func(e *Enrolment) error {
		secret, err := s.open(*e)
		if err != nil {
			return err
		}
		k, err := decode[recoveryKept]("recovery codes", secret)
		if err != nil {
			return fmt.Errorf("change recovery codes: %w", err)
		}
		change(&k)
		e.Secret = s.seal(e.AccountID, e.Kind, marshal(k))
		return nil
	})
	return err
}
