package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"crmgate/internal/fault"
)

// sessionAnswer is what GET /session says. It names no session id and no token: a page of the CRM may read it.
type sessionAnswer struct {
	Account    sessionAccount `json:"account"`
	Provider   string         `json:"provider"`
	Groups     []string       `json:"groups"`
	AMR        []string       `json:"amr"`
	SignedInAt time.Time      `json:"signed_in_at"`
	ExpiresAt  time.Time      `json:"expires_at"`
	// PasswordExpiresAt lets the CRM say it where people are; absent where it is not known.
	PasswordExpiresAt time.Time `json:"password_expires_at,omitzero"`
	// LastSignIn is when the account was signed in to before this session; absent for the first time.
	LastSignIn time.Time `json:"last_sign_in,omitzero"`
}

type sessionAccount struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

func (h *Handler) session(w http.ResponseWriter, r *http.Request) error {
	s, err := h.Sessions.Lookup(r)
	if err != nil {
		return fmt.Errorf("look up session: %w", err)
	}
	if s == nil {
		return h.signInRequired(w)
	}
	return writeJSON(w, http.StatusOK, sessionAnswer{
		Account:  sessionAccount{ID: s.AccountID, Email: s.Email, Name: s.Name},
		Provider: s.Provider,
		Groups:   append([]string{}, s.Groups...), AMR: append([]string{}, s.AMR...),
		SignedInAt: s.SignedInAt.UTC(), ExpiresAt: s.ExpiresAt.UTC(), PasswordExpiresAt: s.PasswordExpires.UTC(), LastSignIn: s.LastSignIn.UTC(),
	})
}

// signInRequired is the answer to a program without a session.
func (h *Site) signInRequired(w http.ResponseWriter) error {
	return writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "sign_in_required", "sign_in_url": h.BaseURL + "/sign-in"})
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that went away is nobody's fault
	return nil
}

// keys serves the public keys of the assertion. They may be kept for a while: whoever meets a key id that is not among them asks again.
func (h *Handler) keys(w http.ResponseWriter, r *http.Request) error {
	if h.Keys == nil {
		return fault.New(fault.NotFound, "There are no keys here.")
	}
	set, err := h.Keys(r.Context())
	if err != nil {
		return fmt.Errorf("list assertion keys: %w", err)
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=300")
	_, _ = w.Write(set)
	return nil
}
