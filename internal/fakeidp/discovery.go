package fakeidp

import (
	"encoding/json"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// discovery is the metadata document of OpenID Connect Discovery 1.0 section 4.
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	f := s.faults.Load()
	if f.meet(f.Discovery, w, r) {
		return
	}
	metadata := map[string]any{
		"issuer":                 s.cfg.Issuer,
		"authorization_endpoint": s.base + "/authorize",
		"token_endpoint":         s.base + "/token",
		"userinfo_endpoint":      s.base + "/userinfo",
		"jwks_uri":               s.base + "/jwks",
		"end_session_endpoint":   s.base + "/logout",

		"response_types_supported":                         []string{"code"},
		"response_modes_supported":                         []string{modeQuery, modeFormPost},
		"grant_types_supported":                            []string{"authorization_code", "refresh_token"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            s.cfg.Algs,
		"token_endpoint_auth_methods_supported":            []string{authBasic, authPost, authKeyJWT, authNone},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS256", "PS256", "ES256", "ES384", "EdDSA"},
		"code_challenge_methods_supported":                 []string{"S256"},
		"prompt_values_supported":                          []string{"none", "login", "select_account", "consent"},
		"scopes_supported":                                 []string{"openid", "profile", "email", "groups", "offline_access"},
		"claims_supported": []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "sid", "amr", "name",
			"preferred_username", "email", "email_verified", "groups"},

		"authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
	}
	if s.cfg.PAR || s.cfg.RequirePAR {
		metadata["pushed_authorization_request_endpoint"] = s.base + "/par"
		metadata["require_pushed_authorization_requests"] = s.cfg.RequirePAR
	}
	writeJSON(w, http.StatusOK, finish(metadata, f.EditDiscovery, f.Discovery))
}

// jwks publishes the keys (RFC 7517 section 5).
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) {
	f := s.faults.Load()
	if f.meet(f.Keys, w, r) {
		return
	}
	keys := s.keys.set().Keys
	if f.EditKeys == nil {
		writeJSON(w, http.StatusOK, finish(map[string]any{"keys": keys}, nil, f.Keys))
		return
	}
	var plain []map[string]any
	data, err := json.Marshal(keys)
	if err == nil {
		err = json.Unmarshal(data, &plain)
	}
	if err != nil {
		http.Error(w, "The keys cannot be written.", http.StatusInternalServerError)
		return
	}
	writeJSON(w, http.StatusOK, finish(map[string]any{"keys": f.EditKeys(plain)}, nil, f.Keys))
}

func (s *Server) foreignKeys(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.keys.foreign.jwk()}})
}
