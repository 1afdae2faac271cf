package web

import (
	"encoding/json"
	"fmt"
	"net/http"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// clientKeys publishes the keys by which providers know the gateway (client_auth: private_key_jwt), as a JWK Set (RFC 7517 section 5). It is
// what an administrator registers as jwks_uri.
func (h *Handler) clientKeys(w http.ResponseWriter, _ *http.Request) error {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{}
	for _, p := range h.Realms.All() {
		publisher, ok := p.(identity.KeyPublisher)
		if !ok {
			continue
		}
		keys, err := publisher.PublicKeys()
		if err != nil {
			return fmt.Errorf("list client keys: %w", err)
		}
		for _, k := range keys {
			set.Keys = append(set.Keys, k)
		}
	}
	if set.Keys == nil {
		return fault.New(fault.NotFound, "There are no keys here.")
	}
	body, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("encode client keys: %w", err)
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=300")
	// The client may leave; nobody waits for the result.
	_, _ = w.Write(body)
	return nil
}
