package web

import (
	"context"
	"io"
	"net/http"
	"strings"

	"crmgate/internal/fault"
)

// UniversalLogouts takes a provider's word that all sessions of a person are to end; signin.Flow is one.
type UniversalLogouts interface {
	// UniversalLogout ends them. A token that is not good is fault.Unauthenticated, a request that names nobody fault.Invalid, an
	// unknown person fault.NotFound.
	UniversalLogout(ctx context.Context, providerID, bearer string, body []byte) error
}

// universalLogout takes such a request from the provider's servers (draft-parecki-oauth-global-token-revocation). What it says is the
// token's alone; no cookie and no origin counts.
func (h *SignOutPages) universalLogout(w http.ResponseWriter, r *http.Request) error {
	err := h.endEverywhere(w, r)
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	// Only what fails is counted: a provider may sign out a whole company at once.
	if limit := allow(h.Limits.Logouts, r, fault.Next{}); limit != nil {
		return limit
	}
	if fault.Is(err, fault.Unauthenticated) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	return err
}

func (h *SignOutPages) endEverywhere(w http.ResponseWriter, r *http.Request) error {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || bearer == "" || len(r.Header.Values("Authorization")) != 1 {
		return fault.New(fault.Unauthenticated, "There is no token in this request.").WithReason("token_missing")
	}
	defer hurry(w)()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		return fault.Wrap(fault.Invalid, "The request did not arrive as it should.", err).WithReason("bad_form")
	}
	return h.Universal.UniversalLogout(r.Context(), r.PathValue("provider"), strings.TrimSpace(bearer), body)
}
