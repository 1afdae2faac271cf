package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

// errBadSignature is a token that no key of the provider has signed.
var errBadSignature = errors.New("no key of the provider has signed this token")

// keySet is the published keys of one provider (RFC 7517), fetched when a token needs one that is not there.
//
// Every fetch replaces all keys, and keys older than a day are fetched again, so a withdrawn key dies.
type keySet struct {
	address string
	client  *http.Client
	log     *slog.Logger
	now     func() time.Time

	flight singleflight.Group

	mu      sync.Mutex // guards all below
	current published
	fetched time.Time
	trouble backoff
	budgets fetchBudgets
}

func newKeySet(address string, client *http.Client, log *slog.Logger, now func() time.Time) *keySet {
	return &keySet{address: address, client: client, log: log, now: now}
}

// published is the keys that one fetch brought.
type published struct {
	keys  []jose.JSONWebKey
	round int
}

// verify returns the payload of a token that one of the keys signed. The caller has pinned the algorithm. A token that none
// signed is errBadSignature; every other error says that the keys cannot be had.
func (s *keySet) verify(ctx context.Context, token *jose.JSONWebSignature, from source) ([]byte, error) {
	at, fresh, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	if payload, ok := verifyWith(at.keys, token); ok {
		return payload, nil
	}
	if fresh {
		return nil, errBadSignature
	}
	newer, err := s.newerThan(ctx, at.round, from)
	if err != nil {
		return nil, err
	}
	payload, ok := verifyWith(newer.keys, token)
	s.mu.Lock()
	s.budgets.judge(from, s.now(), newer.round, ok)
	s.mu.Unlock()
	if !ok {
		return nil, errBadSignature
	}
	return payload, nil
}

// known returns the keys at hand. There are none before the first token, and after a day they are fetched again; fresh says
// that this call did so.
func (s *keySet) known(ctx context.Context) (at published, fresh bool, err error) {
	s.mu.Lock()
	at, fetched := s.current, s.fetched
	s.mu.Unlock()
	if !fetched.IsZero() && s.now().Sub(fetched) < metadataAge {
		return at, false, nil
	}
	newer, err := s.fetch(ctx)
	switch {
	case err == nil:
		return newer, true, nil
	case fetched.IsZero():
		return published{}, false, err
	}
	s.log.Warn("refresh keys", "address", s.address, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched = s.now().Add(retryOld - metadataAge)
	return at, false, nil
}

// newerThan returns keys of a later round than the one that lacked the wanted key. Those that another token has fetched meanwhile cost
// nothing; where there are none and the budget is used up, it is errBadSignature.
func (s *keySet) newerThan(ctx context.Context, round int, from source) (published, error) {
	s.mu.Lock()
	at := s.current
	affordable := at.round > round || s.budgets[from].allows(s.now())
	s.mu.Unlock()
	switch {
	case at.round > round:
		return at, nil
	case !affordable:
		return published{}, errBadSignature
	}
	return s.fetch(ctx)
}

// fetch asks for the keys, once for all who wait.
func (s *keySet) fetch(ctx context.Context) (published, error) {
	s.mu.Lock()
	failed := s.trouble.failed(s.now())
	s.mu.Unlock()
	if failed != nil {
		return published{}, failed
	}
	shared := context.WithoutCancel(ctx)
	answer := s.flight.DoChan("", func() (any, error) {
		keys, err := s.ask(shared)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.trouble.note(s.now(), err)
		if err != nil {
			return nil, err
		}
		s.current, s.fetched = published{keys, s.current.round + 1}, s.now()
		return s.current, nil
	})
	select {
	case r := <-answer:
		if r.Err != nil {
			return published{}, r.Err
		}
		return r.Val.(published), nil
	case <-ctx.Done():
		return published{}, fmt.Errorf("wait for keys: %w", ctx.Err())
	}
}

// ask reads the keys one by one: a key of a kind that we do not know must not hide the others (RFC 7517 section 5).
func (s *keySet) ask(ctx context.Context) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := getJSON(ctx, s.client, s.address, "", &set); err != nil {
		return nil, fmt.Errorf("fetch keys: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil && k.IsPublic() && k.Valid() && (k.Use == "" || k.Use == "sig") {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("fetch keys: %s holds no public key for signatures", s.address)
	}
	return keys, nil
}

// verifyWith tries the keys that the token's header may mean. A header that brings its own key or says where one is to be had
// is not listened to.
func verifyWith(keys []jose.JSONWebKey, token *jose.JSONWebSignature) ([]byte, bool) {
	header := token.Signatures[0].Header
	fits := slices.DeleteFunc(slices.Clone(keys), func(k jose.JSONWebKey) bool {
		return (header.KeyID != "" && k.KeyID != header.KeyID) || (k.Algorithm != "" && k.Algorithm != header.Algorithm)
	})
	for _, k := range fits {
		if payload, err := token.Verify(k); err == nil {
			return payload, true
		}
	}
	return nil, false
}
