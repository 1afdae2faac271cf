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

const (
	// freeFetches is how many times in a row keys may be fetched without finding the wanted one; after that each further
	// fetch waits twice as long as the one before, up to maxFetchPause. Fifty bad tokens in two minutes cause at most ten.
	freeFetches   = 4
	maxFetchPause = time.Minute
	// quiet is how long without a useless fetch makes up for all of them.
	quiet = 10 * time.Minute
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
	keys    []jose.JSONWebKey
	fetched time.Time
	trouble backoff
	round   int       // counts the fetches that worked
	judged  int       // the last round of which it is known whether it brought the wanted key
	useless int       // rounds in a row that did not
	last    time.Time // when the last of them was judged
}

func newKeySet(address string, client *http.Client, log *slog.Logger, now func() time.Time) *keySet {
	return &keySet{address: address, client: client, log: log, now: now}
}

// verify returns the payload of a token that one of the keys signed. The caller has pinned the algorithm. A token that none
// signed is errBadSignature; every other error says that the keys cannot be had.
func (s *keySet) verify(ctx context.Context, token *jose.JSONWebSignature) ([]byte, error) {
	keys, fresh, err := s.known(ctx)
	if err != nil {
		return nil, err
	}
	if payload, ok := verifyWith(keys, token); ok {
		return payload, nil
	}
	if fresh || !s.mayFetch() {
		return nil, errBadSignature
	}
	keys, err = s.fetch(ctx)
	if err != nil {
		return nil, err
	}
	payload, ok := verifyWith(keys, token)
	s.judge(ok)
	if !ok {
		return nil, errBadSignature
	}
	return payload, nil
}

// known returns the keys at hand. There are none before the first token, and after a day they are fetched again; fresh says
// that this call did so.
func (s *keySet) known(ctx context.Context) (keys []jose.JSONWebKey, fresh bool, err error) {
	s.mu.Lock()
	keys, fetched := s.keys, s.fetched
	s.mu.Unlock()
	if !fetched.IsZero() && s.now().Sub(fetched) < metadataAge {
		return keys, false, nil
	}
	newer, err := s.fetch(ctx)
	switch {
	case err == nil:
		return newer, true, nil
	case fetched.IsZero():
		return nil, false, err
	}
	s.log.Warn("refresh keys", "address", s.address, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched = s.now().Add(retryOld - metadataAge)
	return keys, false, nil
}

// mayFetch says whether another fetch for a missing key is affordable. A genuine change of keys is: it finds its key at
// once and so costs nothing.
func (s *keySet) mayFetch() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := s.now().Sub(s.last)
	if since > quiet {
		s.useless = 0
	}
	if s.useless < freeFetches {
		return true
	}
	pause := min(2*time.Second<<min(s.useless-freeFetches, 10), maxFetchPause)
	return since >= pause
}

// judge counts a fetch that did not help; once, however many tokens waited for it.
func (s *keySet) judge(useful bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case useful:
		s.useless = 0
	case s.judged != s.round:
		s.judged, s.useless, s.last = s.round, s.useless+1, s.now()
	}
}

// fetch asks for the keys, once for all who wait.
func (s *keySet) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	s.mu.Lock()
	failed := s.trouble.failed(s.now())
	s.mu.Unlock()
	if failed != nil {
		return nil, failed
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
		s.keys, s.fetched, s.round = keys, s.now(), s.round+1
		return keys, nil
	})
	select {
	case r := <-answer:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.([]jose.JSONWebKey), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for keys: %w", ctx.Err())
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
