package fakeidp

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// The client authentication methods of OpenID Connect Core section 9.
const (
	authBasic  = "client_secret_basic"
	authPost   = "client_secret_post"
	authKeyJWT = "private_key_jwt"
	authNone   = "none"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticateClient finds the client and the method it used, and says whether both are right. Two methods at once are not
// (RFC 6749 section 2.3).
func (s *Server) authenticateClient(r *http.Request) (c Client, how string, ok bool) {
	id, secret, basic := r.BasicAuth()
	assertion := r.PostFormValue("client_assertion")
	post := r.PostFormValue("client_secret")
	switch {
	case basic:
		how = authBasic
		id, secret = unescape(id), unescape(secret)
	case assertion != "":
		how = authKeyJWT
		id = claimedIssuer(assertion)
	case post != "":
		how = authPost
		id, secret = r.PostFormValue("client_id"), post
	default:
		how = authNone
		id = r.PostFormValue("client_id")
	}
	c, known := s.client(id)
	if !known || (basic && post != "") || (assertion != "" && (basic || post != "")) {
		return Client{ID: id}, how, false
	}
	if form := r.PostFormValue("client_id"); form != "" && form != id {
		return c, how, false
	}
	return c, how, c.accepts(how) && s.proved(c, how, secret, r)
}

// accepts reports whether the client may authenticate in that way.
func (c Client) accepts(how string) bool {
	if c.Auth != "" {
		return c.Auth == how
	}
	if c.Secret == "" {
		return how == authNone
	}
	return how == authBasic || how == authPost
}

func (s *Server) proved(c Client, how, secret string, r *http.Request) bool {
	switch how {
	case authNone:
		return true
	case authKeyJWT:
		return r.PostFormValue("client_assertion_type") == assertionType && s.assertionGood(c, r.PostFormValue("client_assertion"))
	}
	return c.Secret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) == 1
}

// unescape undoes the form encoding of RFC 6749 section 2.3.1.
func unescape(v string) string {
	if u, err := url.QueryUnescape(v); err == nil {
		return u
	}
	return v
}

var assertionAlgs = []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.ES384, jose.EdDSA}

// claimedIssuer reads the client id from an assertion that is not verified yet.
func claimedIssuer(assertion string) string {
	t, err := jose.ParseSignedCompact(assertion, assertionAlgs)
	if err != nil {
		return ""
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if json.Unmarshal(t.UnsafePayloadWithoutVerification(), &claims) != nil {
		return ""
	}
	return claims.Issuer
}

// assertionGood verifies a client assertion (RFC 7523 section 3).
func (s *Server) assertionGood(c Client, assertion string) bool {
	t, err := jose.ParseSignedCompact(assertion, assertionAlgs)
	if err != nil || c.PublicKey == nil {
		return false
	}
	payload, err := t.Verify(c.PublicKey)
	if err != nil {
		return false
	}
	var claims struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience any    `json:"aud"`
		Expires  int64  `json:"exp"`
		ID       string `json:"jti"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Issuer != c.ID || claims.Subject != c.ID || claims.ID == "" {
		return false
	}
	ours := func(aud any) bool { return aud == s.cfg.Issuer || aud == s.base+"/token" }
	list, _ := claims.Audience.([]any)
	if (!ours(claims.Audience) && !slices.ContainsFunc(list, ours)) || claims.Expires <= s.now().Unix() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.assertions[claims.ID] {
		return false
	}
	s.assertions[claims.ID] = true
	return true
}
