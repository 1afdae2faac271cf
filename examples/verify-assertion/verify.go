//go:build ignore

// Command verify checks the assertion that crmgate sends with every request (header X-Crmgate-Assertion).
//
//	go run verify.go JWKS-URL ISSUER AUDIENCE < token
//
// Copy Verifier into an application; it needs github.com/coreos/go-oidc/v3.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// Person is what an assertion says. Key your users by Subject, which never changes, and not by Email.
type Person struct {
	Subject string   `json:"sub"`
	Email   string   `json:"email"`
	Name    string   `json:"name"`
	Groups  []string `json:"groups"`
}

// Verifier checks assertions; one for each process, because it keeps the keys.
type Verifier struct{ ids *oidc.IDTokenVerifier }

// NewVerifier returns a Verifier that fetches keys when it needs them.
func NewVerifier(ctx context.Context, jwksURL, issuer, audience string) *Verifier {
	return &Verifier{oidc.NewVerifier(issuer, oidc.NewRemoteKeySet(ctx, jwksURL), &oidc.Config{
		ClientID:             audience,
		SupportedSigningAlgs: []string{oidc.ES256}, // ours to choose, never the token's (RFC 8725, 3.1)
	})}
}

// Person returns who a request is made for.
func (v *Verifier) Person(ctx context.Context, assertion string) (p Person, err error) {
	// No other kind of token of the same issuer will do (RFC 8725, 3.11).
	jws, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return p, err
	}
	if typ := jws.Signatures[0].Protected.ExtraHeaders["typ"]; typ != "crmgate+jwt" {
		return p, errors.New("not an assertion of crmgate")
	}
	t, err := v.ids.Verify(ctx, assertion)
	if err != nil {
		return p, err
	}
	if err := t.Claims(&p); err != nil {
		return p, err
	}
	if p.Subject == "" {
		return p, errors.New("about nobody")
	}
	return p, nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) != 4 {
		return errors.New("usage: verify JWKS-URL ISSUER AUDIENCE < token")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	token, err := io.ReadAll(io.LimitReader(os.Stdin, 64<<10))
	if err != nil {
		return err
	}
	p, err := NewVerifier(ctx, os.Args[1], os.Args[2], os.Args[3]).Person(ctx, strings.TrimSpace(string(token)))
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(p)
}
