package softkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// Authenticator holds passkeys.
type Authenticator struct {
	// Origin is what the browser says it is at.
	Origin string
	// Unverified leaves the verification of the person out.
	Unverified bool
	// Synced makes keys that may be copied to other devices.
	Synced bool
	// Keys are those that it has made.
	Keys []*Key
}

// Key is one passkey.
type Key struct {
	ID, User []byte
	// Counter is the last number of uses that was reported.
	Counter uint32

	rpID    string
	private *ecdsa.PrivateKey
}

// Copy returns a second key with the same secret and its own counter.
func (k *Key) Copy() *Key { c := *k; return &c }

var b64 = base64.RawURLEncoding

type options struct {
	Challenge string                `json:"challenge"`
	RPID      string                `json:"rpId"`
	RP        struct{ ID string }   `json:"rp"`
	User      struct{ ID string }   `json:"user"`
	Allow     []struct{ ID string } `json:"allowCredentials"`
	Exclude   []struct{ ID string } `json:"excludeCredentials"`
}

// Create answers navigator.credentials.create with the options as JSON.
func (a *Authenticator) Create(optionsJSON string) (string, error) {
	var o options
	if err := json.Unmarshal([]byte(optionsJSON), &o); err != nil {
		return "", err
	}
	for _, e := range o.Exclude {
		for _, k := range a.Keys {
			if b64.EncodeToString(k.ID) == e.ID {
				return "", fmt.Errorf("the authenticator has a key of this account already")
			}
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	user, err := b64.DecodeString(o.User.ID)
	if err != nil {
		return "", err
	}
	k := &Key{ID: make([]byte, 32), User: user, rpID: o.RP.ID, private: private}
	rand.Read(k.ID)
	a.Keys = append(a.Keys, k)
	point, err := private.PublicKey.Bytes()
	if err != nil {
		return "", err
	}
	cose := cat([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21}, bytesOf(point[1:33]), []byte{0x22}, bytesOf(point[33:65]))
	data := cat(a.authData(k, 0x40), make([]byte, 16), binary.BigEndian.AppendUint16(nil, uint16(len(k.ID))), k.ID, cose)
	object := cat([]byte{0xa3}, textOf("fmt"), textOf("none"), textOf("attStmt"), []byte{0xa0}, textOf("authData"), bytesOf(data))
	return a.credential(k, map[string]any{
		"clientDataJSON": b64.EncodeToString(a.clientData("webauthn.create", o.Challenge)), "attestationObject": b64.EncodeToString(object),
		"transports": []string{"internal"},
	})
}

// Get answers navigator.credentials.get with a key that the options allow, or any for the relying party where they name none.
func (a *Authenticator) Get(optionsJSON string) (string, error) {
	var o options
	if err := json.Unmarshal([]byte(optionsJSON), &o); err != nil {
		return "", err
	}
	for _, k := range a.Keys {
		ok := len(o.Allow) == 0 && k.rpID == o.RPID
		for _, e := range o.Allow {
			ok = ok || b64.EncodeToString(k.ID) == e.ID
		}
		if ok {
			k.Counter++
			return a.Answer(k, o.Challenge)
		}
	}
	return "", fmt.Errorf("the authenticator has no such key")
}

// Answer signs a challenge with a key as it stands.
func (a *Authenticator) Answer(k *Key, challenge string) (string, error) {
	data, client := a.authData(k, 0), a.clientData("webauthn.get", challenge)
	hash := sha256.Sum256(client)
	signed := sha256.Sum256(cat(data, hash[:]))
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, signed[:])
	if err != nil {
		return "", err
	}
	return a.credential(k, map[string]any{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data),
		"signature": b64.EncodeToString(signature), "userHandle": b64.EncodeToString(k.User),
	})
}

// Challenge returns the challenge of options.
func Challenge(optionsJSON string) string {
	var o options
	if json.Unmarshal([]byte(optionsJSON), &o) != nil {
		return ""
	}
	return o.Challenge
}

func (a *Authenticator) credential(k *Key, response map[string]any) (string, error) {
	id := b64.EncodeToString(k.ID)
	b, err := json.Marshal(map[string]any{"id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
		"authenticatorAttachment": "platform"})
	return string(b), err
}

func (a *Authenticator) clientData(what, challenge string) []byte {
	b, err := json.Marshal(map[string]any{"type": what, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	if err != nil {
		panic(err) // strings always marshal
	}
	return b
}

// authData is section 6.1 up to the counter; flags: 0x01 present, 0x04 verified, 0x08 and 0x10 backed up, 0x40 key attached.
func (a *Authenticator) authData(k *Key, flags byte) []byte {
	flags |= 0x01
	if !a.Unverified {
		flags |= 0x04
	}
	if a.Synced {
		flags |= 0x18
	}
	hash := sha256.Sum256([]byte(k.rpID))
	return binary.BigEndian.AppendUint32(cat(hash[:], []byte{flags}), k.Counter)
}

func cat(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// bytesOf is a CBOR byte string of up to 65535 bytes.
func bytesOf(b []byte) []byte {
	return cat([]byte{0x59}, binary.BigEndian.AppendUint16(nil, uint16(len(b))), b)
}

// textOf is a short CBOR text.
func textOf(s string) []byte { return cat([]byte{0x60 | byte(len(s))}, []byte(s)) }
