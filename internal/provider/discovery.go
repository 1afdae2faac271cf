package provider

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
)

// metadataAge is how long metadata and keys are used without being asked for again.
const metadataAge = 24 * time.Hour

// retryOld is how long after a failed renewal the old metadata or keys are renewed again.
const retryOld = 10 * time.Minute

// goodAlgs are the signature algorithms that are ever accepted. HMAC is missing because whoever can verify could also sign,
// "none" because everybody could.
var goodAlgs = []string{oidc.RS256, oidc.PS256, oidc.ES256, oidc.ES384, oidc.EdDSA}

// metadata is the part of a discovery document that we use (OpenID Connect Discovery 1.0 section 3, RFC 9207 section 3, RFC 9126 section 5).
type metadata struct {
	oidc.ProviderConfig
	EndSessionURL string   `json:"end_session_endpoint"`
	SendsIssuer   bool     `json:"authorization_response_iss_parameter_supported"`
	Prompts       []string `json:"prompt_values_supported"`
	Scopes        []string `json:"scopes_supported"`
	UserinfoAlgs  []string `json:"userinfo_signing_alg_values_supported"`
	AssertionAlgs []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	PARURL        string   `json:"pushed_authorization_request_endpoint"`
	RequiresPAR   bool     `json:"require_pushed_authorization_requests"`

	// keys are those behind the document's jwks_uri.
	keys *keySet
}

// mismatch is a document that names another issuer than the configuration. Issuers are compared byte for byte: the wrong
// closing slash is the usual cause.
type mismatch struct{ configured, discovered string }

func (e *mismatch) Error() string {
	return fmt.Sprintf("the configuration says issuer %q, the provider says %q; they must be the same, closing slash included", e.configured, e.discovered)
}

// discovery finds out about one issuer when somebody first needs it, and again once a day.
type discovery struct {
	issuer string
	// place is where the document is where that is not below the issuer; empty otherwise.
	place  string
	client *http.Client
	log    *slog.Logger
	now    func() time.Time

	flight singleflight.Group

	mu      sync.Mutex // guards all below
	current *metadata
	asked   time.Time
	trouble backoff
}

// get returns the metadata: known ones at once, and otherwise those that the provider sends now. A failure is remembered for
// a few seconds. Metadata of yesterday are used while newer ones are fetched, and also when that fails.
func (d *discovery) get(ctx context.Context) (*metadata, error) {
	d.mu.Lock()
	current, old, failed := d.current, d.now().Sub(d.asked) > metadataAge, d.trouble.failed(d.now())
	d.mu.Unlock()
	switch {
	case current != nil && old && failed == nil:
		d.ask(ctx)
		return current, nil
	case current != nil:
		return current, nil
	case failed != nil:
		return nil, failed
	}
	select {
	case r := <-d.ask(ctx):
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*metadata), nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for discovery: %w", ctx.Err())
	}
}

// ask fetches the document, once for all who wait.
func (d *discovery) ask(ctx context.Context) <-chan singleflight.Result {
	// The others still want the answer when the first one gives up.
	ctx = context.WithoutCancel(ctx)
	return d.flight.DoChan("", func() (any, error) {
		m, err := d.fetch(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.trouble.note(d.now(), err)
		if err != nil {
			if d.current != nil {
				d.log.Warn("refresh discovery", "issuer", d.issuer, "error", err)
				d.asked = d.now().Add(retryOld - metadataAge)
			}
			return nil, err
		}
		if d.current != nil && d.current.JWKSURL == m.JWKSURL {
			m.keys = d.current.keys
		}
		d.current, d.asked = m, d.now()
		return m, nil
	})
}

func (d *discovery) fetch(ctx context.Context) (*metadata, error) {
	var m metadata
	address := d.address()
	if err := getJSON(ctx, d.client, address, "", &m); err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	if err := m.check(d.issuer); err != nil {
		return nil, fmt.Errorf("discover %s: %w", address, err)
	}
	if len(m.Algorithms) == 0 {
		m.Algorithms = []string{oidc.RS256} // the one that every provider must have
	}
	m.Algorithms = slices.DeleteFunc(m.Algorithms, func(a string) bool { return !slices.Contains(goodAlgs, a) })
	if len(m.Algorithms) == 0 {
		return nil, fmt.Errorf("discover %s: the provider offers none of the signatures %s", address, strings.Join(goodAlgs, ", "))
	}
	m.keys = newKeySet(m.JWKSURL, d.client, d.log, d.now)
	return &m, nil
}

// check refuses a document that leads elsewhere or is not complete.
func (m *metadata) check(issuer string) error {
	if m.IssuerURL != issuer {
		return &mismatch{configured: issuer, discovered: m.IssuerURL}
	}
	u, err := url.Parse(issuer)
	if err != nil {
		return fmt.Errorf("parse issuer: %w", err)
	}
	for _, e := range []struct {
		name, address string
		required      bool
	}{
		{"authorization_endpoint", m.AuthURL, true},
		{"token_endpoint", m.TokenURL, true},
		{"jwks_uri", m.JWKSURL, true},
		{"userinfo_endpoint", m.UserInfoURL, false},
		{"end_session_endpoint", m.EndSessionURL, false},
		{"pushed_authorization_request_endpoint", m.PARURL, false},
	} {
		if e.address == "" && !e.required {
			continue
		}
		if e.address == "" {
			return errors.New(e.name + " is missing")
		}
		// A public provider has no business on our loopback: only one that stands there itself may name it in the clear.
		if err := checkEndpoint(e.address, isLoopback(u.Hostname())); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

// address is where the provider describes itself.
func (d *discovery) address() string {
	return strings.TrimSuffix(cmp.Or(d.place, d.issuer), "/") + "/.well-known/openid-configuration"
}
