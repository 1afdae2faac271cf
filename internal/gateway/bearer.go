package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/bearer"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/policy"
	"crmgate/internal/session"
	"crmgate/internal/throttle"
)

// Accounts finds the accounts that tokens speak for; account.Store is one.
type Accounts interface {
	// GetAccount returns an account by id, or fault.NotFound.
	GetAccount(ctx context.Context, id string) (*account.Account, error)
	// FindByLink returns the account of a corporate identity, or fault.NotFound.
	FindByLink(ctx context.Context, l account.Link) (*account.Account, error)
	// FindLocal returns the local account with an address or user name, or fault.NotFound.
	FindLocal(ctx context.Context, identifier string) (*account.Account, error)
}

// Bearers recognises access tokens in the Authorization header of programs: personal ones and those of providers. It must not be copied
// after first use.
type Bearers struct {
	// Tokens checks personal access tokens.
	Tokens   *bearer.Service
	Accounts Accounts
	// Realms knows the providers; those that are identity.TokenVerifier are asked about their tokens.
	Realms *identity.Realms
	// Known reports whether people still sign in by a provider ("local" for our own passwords); nil knows every one.
	Known func(provider string) bool
	// Limit bounds the bad tokens of one client address; nil does not.
	Limit *throttle.Limiter
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	once    sync.Once
	cache   *otter.Cache[[32]byte, *grant]
	flights singleflight.Group
}

// grant is what a token that was found good stands for. It never changes; looking again makes a new one.
type grant struct {
	// session is what the token says about a person in the words of a session; no store has it. While it says the same it is the same
	// pointer, so that headers and assertion made from it are used again.
	session *session.Session
	// personal is a personal access token with its scope; nil for a provider's.
	personal *bearer.Token
	scope    policy.Scope
	// verified is a provider's token.
	verified *identity.Bearer
	checked  time.Time
	expires  time.Time
}

const (
	// maxGrants bounds the tokens that are remembered.
	maxGrants = 10_000
	// bearerFresh is how long a token is believed before store and account are asked again: a revoked token or a disabled account ends
	// within that time.
	bearerFresh = time.Second
	// bearerKept is how long a provider's token is taken for verified; then its keys are asked again.
	bearerKept = time.Hour
	// bearerTimeout bounds one look at a token, providers and store together.
	bearerTimeout = 15 * time.Second
	// maxCredential is the longest credential that is looked at.
	maxCredential = 64 << 10
)

// find returns what the request's token stands for; nil without one of ours. A bad one is fault.Unauthenticated or fault.Forbidden, too
// many of them fault.TooMany, and where nobody can know now fault.Unavailable.
func (b *Bearers) find(r *http.Request) (*grant, error) {
	lines := r.Header["Authorization"]
	if b == nil || len(lines) == 0 {
		return nil, nil
	}
	if len(lines) > 1 {
		if slices.ContainsFunc(lines, func(line string) bool { return b.recognises(credentialOf(line)) || b.hides(line) }) {
			return nil, fault.New(fault.Invalid, "There is more than one Authorization header.").WithReason("authorization_twice")
		}
		return nil, nil
	}
	credential := credentialOf(lines[0])
	if credential == "" {
		return nil, b.foreign(lines[0])
	}
	b.open()
	key := sha256.Sum256([]byte(credential))
	now := b.now()
	known, found := b.cache.GetIfPresent(key)
	if !found && !b.recognises(credential) {
		return nil, b.foreign(lines[0])
	}
	if found && now.Sub(known.checked) < bearerFresh && now.Before(known.expires) {
		return known, nil
	}
	address := audit.OriginOf(r.Context()).Address
	if !found && b.Limit != nil && b.Limit.Spent(address) {
		return nil, tooManyTokens()
	}
	g, err := b.look(r.Context(), key, credential, address)
	if err == nil {
		return g, nil
	}
	refused := fault.Is(err, fault.Unauthenticated) || fault.Is(err, fault.Forbidden)
	if refused && b.Limit != nil && !b.Limit.Allow(address) {
		return nil, tooManyTokens()
	}
	return nil, err
}

func tooManyTokens() error {
	return fault.New(fault.TooMany, "Too many bad access tokens came from this address. Try again in a minute.").WithReason("token_flood")
}

// recognises reports whether a credential is for the gateway. Every other one belongs to the CRM.
func (b *Bearers) recognises(credential string) bool {
	return bearer.Looks(credential) || b.verifier(credential) != nil
}

// foreign refuses a line that holds a token of ours in a form that is not RFC 6750's. It would be passed on, and the CRM would have the token.
func (b *Bearers) foreign(line string) error {
	if !b.hides(line) {
		return nil
	}
	return fault.New(fault.Invalid, `An access token is sent as "Authorization: Bearer TOKEN", with nothing else in that header.`).WithReason("authorization_form")
}

// hides reports whether a token of ours stands anywhere in a line, also as the name or password of RFC 7617 (Basic).
func (b *Bearers) hides(line string) bool {
	if bearer.Within(line) {
		return true
	}
	for word := range strings.FieldsFuncSeq(line, func(c rune) bool { return strings.ContainsRune(" \t,;=\"'", c) }) {
		if b.verifier(word) != nil {
			return true
		}
	}
	words := strings.Fields(line)
	if len(words) < 2 || !strings.EqualFold(words[0], "Basic") {
		return false
	}
	pair, _ := base64.RawStdEncoding.DecodeString(strings.Map(loose64, strings.Join(words[1:], "")))
	user, password, _ := strings.Cut(string(pair), ":")
	return bearer.Within(user) || bearer.Within(password) || b.verifier(user) != nil || b.verifier(password) != nil
}

// loose64 leaves of base64 what the least careful decoder reads (PHP's): either alphabet, no padding, and nothing else.
func loose64(c rune) rune {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '+', c == '/':
		return c
	case c == '-':
		return '+'
	case c == '_':
		return '/'
	}
	return -1
}

func (b *Bearers) verifier(credential string) identity.TokenVerifier {
	if b.Realms == nil || strings.Count(credential, ".") != 2 {
		return nil
	}
	for _, p := range b.Realms.All() {
		if v, ok := p.(identity.TokenVerifier); ok && v.IssuedBearer(credential) {
			return v
		}
	}
	return nil
}

// look asks about a token, once for all requests that bring it at the same time.
func (b *Bearers) look(ctx context.Context, key [32]byte, credential, address string) (*grant, error) {
	found, err, _ := b.flights.Do(string(key[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bearerTimeout)
		defer cancel()
		before, _ := b.cache.GetIfPresent(key)
		g, err := b.load(ctx, key, credential, address, before)
		if err != nil {
			if !unknowable(err) {
				b.cache.Invalidate(key)
			}
			return nil, err
		}
		b.cache.Set(key, g)
		return g, nil
	})
	if err != nil {
		return nil, err
	}
	return found.(*grant), nil
}

func (b *Bearers) load(ctx context.Context, key [32]byte, credential, address string, before *grant) (*grant, error) {
	g := &grant{checked: b.now()}
	var a *account.Account
	var err error
	if bearer.Looks(credential) {
		a, err = b.personal(ctx, credential, g)
	} else {
		a, err = b.corporate(ctx, credential, g, before)
	}
	switch {
	case errors.Is(err, bearer.ErrBad):
		return nil, badToken("token_unknown", err)
	case fault.Is(err, fault.NotFound):
		return nil, fault.Wrap(fault.Forbidden, "This access token belongs to nobody who has an account here.", err).WithReason("no_account")
	case err != nil && fault.KindOf(err) == fault.Internal:
		return nil, fault.Wrap(fault.Unavailable, "Access tokens cannot be checked at the moment. Try again in a minute.", err).WithReason("token_store")
	case err != nil:
		return nil, err
	case !g.checked.Before(g.expires):
		return nil, badToken("token_expired", nil)
	}
	if err := b.admissible(a, g); err != nil {
		return nil, err
	}
	g.session = b.sessionOf(key, a, g)
	if before != nil && alike(before.session, g.session) && before.session.EmailDoubtful == g.session.EmailDoubtful {
		g.session = before.session
	}
	if g.personal != nil {
		if err := b.Tokens.Used(ctx, *g.personal, address); err != nil {
			return nil, fault.Wrap(fault.Unavailable, "Access tokens cannot be checked at the moment. Try again in a minute.", err).WithReason("token_store")
		}
	}
	return g, nil
}

func badToken(reason string, cause error) error {
	return fault.Wrap(fault.Unauthenticated, "The access token is not good (any more).", cause).WithReason(reason)
}

// unknowable reports whether an error says nothing about the token.
func unknowable(err error) bool { return fault.Is(err, fault.Unavailable) }

func (b *Bearers) personal(ctx context.Context, secret string, g *grant) (*account.Account, error) {
	if b.Tokens == nil {
		return nil, bearer.ErrBad
	}
	t, err := b.Tokens.Check(ctx, secret)
	if err != nil {
		return nil, err
	}
	g.personal, g.scope, g.expires = &t, t.Scope(), t.ExpiresAt
	return b.Accounts.GetAccount(ctx, t.AccountID)
}

// corporate verifies a provider's token, unless that has been done. Its person is found by the link alone, never by an address.
func (b *Bearers) corporate(ctx context.Context, raw string, g, before *grant) (*account.Account, error) {
	if before != nil && before.verified != nil && g.checked.Before(before.expires) {
		g.verified, g.expires = before.verified, before.expires
	} else {
		v := b.verifier(raw)
		if v == nil {
			return nil, bearer.ErrBad
		}
		verified, err := v.VerifyBearer(ctx, raw)
		if err != nil {
			return nil, err
		}
		g.verified, g.expires = &verified, verified.Expires
		if kept := g.checked.Add(bearerKept); kept.Before(g.expires) {
			g.expires = kept
		}
	}
	id := g.verified.Identity
	switch {
	case g.verified.Service != "":
		return b.Accounts.FindLocal(ctx, identity.Normalize(g.verified.Service))
	case id.Subject == "":
		return nil, fault.New(fault.NotFound, "The token names nobody.")
	}
	return b.Accounts.FindByLink(ctx, account.Link{Provider: id.Provider, Issuer: id.Issuer, Subject: id.Subject})
}

// admissible says whether the account behind a token may be used now.
func (b *Bearers) admissible(a *account.Account, g *grant) error {
	refused := func(reason string) error {
		return fault.New(fault.Forbidden, "The account that this access token belongs to may not be used.").WithReason(reason)
	}
	corporate := a.Owner != account.OwnerLocal
	switch {
	case a.State == account.Disabled:
		return refused("account_disabled")
	case b.Known != nil && !b.Known(a.Owner):
		return refused("unknown_provider")
	case g.verified != nil && g.verified.Service == "" && a.Owner != g.verified.Identity.Provider:
		return refused("owner_mismatch")
	case g.personal != nil && corporate && b.Tokens.Config.OwnerSeen > 0 && g.checked.Sub(a.LastSignIn) > b.Tokens.Config.OwnerSeen:
		return fault.New(fault.Forbidden, fmt.Sprintf("The owner of this access token has not signed in for %d days, so it sleeps. It works again after the next sign-in.",
			int(b.Tokens.Config.OwnerSeen.Hours()/24))).WithReason("owner_not_seen")
	}
	return nil
}

// sessionOf says about a person what a session of theirs would. A provider's token speaks about groups itself; otherwise they are the
// account's, which for a corporate one are those of the last sign-in.
func (b *Bearers) sessionOf(key [32]byte, a *account.Account, g *grant) *session.Session {
	s := &session.Session{AccountID: a.ID, Email: a.Email, Name: a.Name, Username: a.Username, Groups: a.Groups, Provider: a.Owner, ExpiresAt: g.expires}
	if a.Owner != account.OwnerLocal && b.Realms != nil {
		s.Email, s.EmailDoubtful = b.Realms.Vouched(a.Owner, a.Email, true) // what the provider said about it at the sign-in is not kept
	}
	switch {
	case g.personal != nil:
		s.ID, s.SignedInAt = g.personal.ID, g.personal.CreatedAt
	default:
		s.ID = hex.EncodeToString(key[:16])
		if g.verified.Service == "" {
			s.Groups, s.AMR, s.AuthTime = g.verified.Identity.Groups, g.verified.Identity.AMR, g.verified.Identity.AuthTime
		}
	}
	return s
}

// alive is Watcher.Alive for what stays open and was let in by a token.
func (g *grant) alive(ctx context.Context, b *Bearers, credential, address string) (bool, error) {
	_, err := b.look(ctx, sha256.Sum256([]byte(credential)), credential, address)
	if err != nil && unknowable(err) {
		return false, err
	}
	return err == nil, nil
}

// name is the token in an audit event.
func (g *grant) name() string {
	if g.personal != nil {
		return fmt.Sprintf("token %q (%s)", g.personal.Name, g.personal.ID)
	}
	return "access token of " + g.verified.Identity.Provider
}

// covers reports whether the token is good for a request, however it is read. A provider's token has no scope of ours.
func (g *grant) covers(methods, paths []string) bool {
	if g.personal == nil {
		return true
	}
	for _, m := range methods {
		for _, p := range paths {
			if !g.scope.Covers(m, p) {
				return false
			}
		}
	}
	return true
}

func (b *Bearers) open() {
	b.once.Do(func() { b.cache = otter.Must(&otter.Options[[32]byte, *grant]{MaximumSize: maxGrants}) })
}

func (b *Bearers) now() time.Time {
	if b.Now != nil {
		return b.Now()
	}
	return time.Now()
}

// credentialOf returns the credential of an Authorization line with the scheme Bearer (RFC 6750 section 2.1), "" for any other. Tokens in
// addresses and bodies are not listened to: they end up in logs.
func credentialOf(line string) string {
	scheme, rest, _ := strings.Cut(line, " ")
	if rest = strings.Trim(rest, " "); !strings.EqualFold(scheme, "Bearer") || len(rest) > maxCredential {
		return ""
	}
	return rest
}
