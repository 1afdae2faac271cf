package fakeidp

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

var b64 = base64.RawURLEncoding

// sign returns claims as a compact JWS (RFC 7515 section 3.1) with header completed by alg.
func sign(key *signingKey, header, claims map[string]any) (string, error) {
	header["alg"] = key.alg
	input, err := signingInput(header, claims)
	if err != nil {
		return "", err
	}
	sig, err := rawSignature(key, []byte(input))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return input + "." + b64.EncodeToString(sig), nil
}

func signingInput(header, claims map[string]any) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("encode token header: %w", err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return b64.EncodeToString(h) + "." + b64.EncodeToString(c), nil
}

// rawSignature signs as RFC 7518 section 3 and RFC 8037 say.
func rawSignature(key *signingKey, input []byte) ([]byte, error) {
	switch p := key.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(p, input), nil
	case *rsa.PrivateKey:
		d := sha256.Sum256(input)
		if key.alg == "PS256" {
			return rsa.SignPSS(rand.Reader, p, crypto.SHA256, d[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, p, crypto.SHA256, d[:])
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, p, hashFor(key.alg, input))
		if err != nil {
			return nil, err
		}
		n := (p.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*n)
		r.FillBytes(out[:n])
		s.FillBytes(out[n:])
		return out, nil
	}
	return nil, errors.New("no such key type")
}

func hashFor(alg string, b []byte) []byte {
	switch alg {
	case "ES384":
		d := sha512.Sum384(b)
		return d[:]
	case "EdDSA":
		d := sha512.Sum512(b)
		return d[:]
	}
	d := sha256.Sum256(b)
	return d[:]
}

// atHash is the access token hash of OpenID Connect Core section 3.1.3.6.
func atHash(alg, accessToken string) string {
	d := hashFor(alg, []byte(accessToken))
	return b64.EncodeToString(d[:len(d)/2])
}

// issue signs claims for a client in the way the faults ask for.
func (s *Server) issue(f Faults, c Client, typ string, claims map[string]any) (string, error) {
	key, foreign := s.keys.current(c.Alg), s.keys.foreign
	header := map[string]any{"kid": key.kid, "typ": cmp.Or(f.TokenType, typ)}
	if f.TokenType == "-" {
		delete(header, "typ")
	}
	if f.WithoutKid {
		delete(header, "kid")
	}
	switch f.Signing {
	case SignNone:
		header["alg"] = "none"
		input, err := signingInput(header, claims)
		return input + ".", err
	case SignHS256Secret:
		return signHMAC([]byte(c.Secret), header, claims)
	case SignHS256PublicKey:
		pem, err := key.pem()
		if err != nil {
			return "", err
		}
		return signHMAC(pem, header, claims)
	case SignForeignKey:
		return sign(foreign, header, claims)
	case SignUnknownKid:
		header["kid"] = randomHex(8)
		return sign(foreign, header, claims)
	case SignBroken:
		token, err := sign(key, header, claims)
		return breakSignature(token), err
	case SignHeaderJWK:
		header["kid"], header["jwk"] = foreign.kid, foreign.jwk()
		return sign(foreign, header, claims)
	case SignHeaderJKU:
		header["kid"], header["jku"] = foreign.kid, s.base+"/foreign-jwks"
		return sign(foreign, header, claims)
	}
	return sign(key, header, claims)
}

func signHMAC(secret []byte, header, claims map[string]any) (string, error) {
	header["alg"] = "HS256"
	input, err := signingInput(header, claims)
	if err != nil {
		return "", err
	}
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(input))
	return input + "." + b64.EncodeToString(m.Sum(nil)), nil
}

// breakSignature changes a character in the middle of the signature, where every bit of it counts.
func breakSignature(token string) string {
	if len(token) < 20 {
		return token
	}
	b := []byte(token)
	i := len(b) - 20
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

// hint reads an ID token of ours that comes back as id_token_hint; an expired one is good, a foreign one is not.
func (s *Server) hint(raw string) (map[string]any, error) {
	algs := make([]jose.SignatureAlgorithm, 0, len(s.cfg.Algs))
	for _, a := range s.cfg.Algs {
		algs = append(algs, jose.SignatureAlgorithm(a))
	}
	t, err := jose.ParseSignedCompact(raw, algs)
	if err != nil {
		return nil, fmt.Errorf("parse hint: %w", err)
	}
	key := s.keys.byID(t.Signatures[0].Header.KeyID)
	if key == nil {
		return nil, errors.New("parse hint: unknown key")
	}
	payload, err := t.Verify(key.private.Public())
	if err != nil {
		return nil, fmt.Errorf("verify hint: %w", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, fmt.Errorf("decode hint: %w", err)
	}
	if claims["iss"] != s.cfg.Issuer {
		return nil, errors.New("verify hint: not our issuer")
	}
	return claims, nil
}
