package bearer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/policy"
	"crmgate/internal/token"
)

// Service holds the rules about tokens. Safe for concurrent use.
type Service struct {
	Config Config
	Store  Store
	// Audit takes what happens to tokens; nil forgets it.
	Audit audit.Recorder
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Wanted is a token that somebody asks for.
type Wanted struct {
	AccountID, Name string
	Paths, Methods  []string
	// Lifetime is how long it lives; 0 is the longest that is allowed.
	Lifetime time.Duration
}

// maxName is how long a name may be, in characters, and maxScope how many paths and methods together.
const (
	maxName  = 100
	maxScope = 50
)

// ErrBad is a token that opens nothing: unknown, ended, or not one at all.
var ErrBad = errors.New("no such access token")

// Create makes a token and returns it with the secret, which is not kept and cannot be shown again. Actor is empty for the owner. What
// is wrong with the wish is fault.Invalid with a sentence; a disabled account is fault.Forbidden.
func (s *Service) Create(ctx context.Context, w Wanted, actor string) (Token, string, error) {
	if !s.Config.Enabled {
		return Token{}, "", fault.New(fault.Forbidden, "Access tokens are switched off here (tokens.enabled).")
	}
	w.Name = strings.TrimSpace(w.Name)
	lifetime := w.Lifetime
	if lifetime == 0 {
		lifetime = s.Config.MaxLifetime
	}
	if err := s.check(w, lifetime); err != nil {
		return Token{}, "", err
	}
	now := s.now().UTC().Truncate(time.Millisecond)
	t := Token{ID: token.NewID(), AccountID: w.AccountID, Name: w.Name, Paths: w.Paths, Methods: w.Methods, CreatedAt: now, ExpiresAt: now.Add(lifetime)}
	secret := Prefix + token.NewSecret()
	if err := s.Store.CreateAccessToken(ctx, t, token.Digest(secret), s.Config.MaxPerAccount); err != nil {
		return Token{}, "", fmt.Errorf("create access token: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.TokenCreated, AccountID: t.AccountID, Actor: actor, Detail: about(t)})
	return t, secret, nil
}

func (s *Service) check(w Wanted, lifetime time.Duration) error {
	switch n := len([]rune(w.Name)); {
	case n == 0:
		return fault.New(fault.Invalid, "Give the token a name that says what it is for.")
	case n > maxName || strings.ContainsFunc(w.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return fault.New(fault.Invalid, fmt.Sprintf("The name may have up to %d printable characters.", maxName))
	case lifetime < time.Minute || lifetime > s.Config.MaxLifetime:
		return fault.New(fault.Invalid, fmt.Sprintf("A token may live from a minute to %d days.", int(s.Config.MaxLifetime.Hours()/24)))
	case len(w.Paths)+len(w.Methods) > maxScope:
		return fault.New(fault.Invalid, fmt.Sprintf("A token may name up to %d paths and methods.", maxScope))
	}
	if _, problems := policy.NewScope(w.Paths, w.Methods); len(problems) > 0 {
		return fault.New(fault.Invalid, fmt.Sprintf("What the token is for cannot be read: %s. %s", problems[0].Message, problems[0].Hint))
	}
	return nil
}

// List returns the tokens of an account, or of everybody for "", newest first; those that have ended stay for a month.
func (s *Service) List(ctx context.Context, accountID string) ([]Token, error) {
	return s.Store.ListAccessTokens(ctx, accountID)
}

// Revoke ends a token at once. AccountID is whose it has to be, or "" for anybody's; one that is not there is fault.NotFound.
func (s *Service) Revoke(ctx context.Context, accountID, id, actor string) error {
	t, err := s.get(ctx, accountID, id)
	if err != nil {
		return err
	}
	if err := s.Store.DeleteAccessToken(ctx, t.AccountID, t.ID); err != nil {
		return fmt.Errorf("revoke access token: %w", err)
	}
	s.record(ctx, audit.Event{Kind: audit.TokenRevoked, AccountID: t.AccountID, Actor: actor, Detail: about(t)})
	return nil
}

func (s *Service) get(ctx context.Context, accountID, id string) (Token, error) {
	all, err := s.Store.ListAccessTokens(ctx, accountID)
	if err != nil {
		return Token{}, fmt.Errorf("list access tokens: %w", err)
	}
	for _, t := range all {
		if t.ID == id {
			return t, nil
		}
	}
	return Token{}, fault.New(fault.NotFound, "There is no such access token.")
}

// Check returns the live token with a secret; every other one is ErrBad. Whether its account may be used is for the caller to look at. Any
// other error means that nobody can know now.
func (s *Service) Check(ctx context.Context, secret string) (Token, error) {
	if !s.Config.Enabled || !wellFormed(secret) {
		return Token{}, ErrBad
	}
	t, err := s.Store.FindAccessToken(ctx, token.Digest(secret))
	switch {
	case fault.Is(err, fault.NotFound):
		return Token{}, ErrBad
	case err != nil:
		return Token{}, fmt.Errorf("find access token: %w", err)
	case !s.now().Before(t.ExpiresAt):
		return Token{}, ErrBad
	}
	return t, nil
}

// touchEvery is how often LastUsedAt is moved on.
const touchEvery = time.Minute

// Used notes a use of a token that Check returned.
func (s *Service) Used(ctx context.Context, t Token, address string) error {
	now := s.now()
	if now.Sub(t.LastUsedAt) < touchEvery {
		return nil
	}
	return s.Store.TouchAccessToken(ctx, t.ID, now, address)
}

// keepEnded is how long a token that has ended stays in listings, so that its owner learns why a program stopped.
const keepEnded = 30 * 24 * time.Hour

// Sweep removes what ended long ago and returns how many.
func (s *Service) Sweep(ctx context.Context, now time.Time) (int, error) {
	return s.Store.SweepAccessTokens(ctx, now.Add(-keepEnded))
}

func about(t Token) string { return fmt.Sprintf("token %q (%s)", t.Name, t.ID) }

func (s *Service) record(ctx context.Context, e audit.Event) {
	if s.Audit != nil {
		e.Time = s.now()
		s.Audit.Record(ctx, e.From(ctx))
	}
}

func (s *Service) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
