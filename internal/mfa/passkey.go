package mfa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// passkeyTimeout is how long a browser waits for the person. The server's own end is that of the step it belongs to.
const passkeyTimeout = 5 * time.Minute

// maxCredential bounds what a browser sends, in bytes: keys and attestations are a few kilobytes.
const maxCredential = 32 << 10

// passkey is WebAuthn Level 3 with user verification: something one has, opened by something one knows or is.
type passkey struct{ rp *webauthn.WebAuthn }

// passkeyState is a ceremony under way.
type passkeyState struct {
	Session webauthn.SessionData `json:"session"`
	// Options is what the browser's API takes.
	Options json.RawMessage `json:"options"`
}

// PasskeyView is what templates/pages/factor_passkey shows.
type PasskeyView struct {
	// Options is the JSON that the browser's API takes; empty where nothing has begun.
	Options string
}

func newPasskey(e Env) (Factor, error) {
	host := e.Public.Hostname()
	if net.ParseIP(host) != nil {
		return nil, nil // a passkey belongs to a name; an address is none (WebAuthn section 5.1.2)
	}
	timeout := webauthn.TimeoutConfig{Timeout: passkeyTimeout, TimeoutUVD: passkeyTimeout}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: e.Product, RPOrigins: []string{e.Public.Scheme + "://" + e.Public.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired,
		},
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
	if err != nil {
		return nil, fmt.Errorf("open passkeys: %w", err)
	}
	return &passkey{rp: rp}, nil
}

func (*passkey) Info() Info {
	return Info{Kind: Passkey, Name: "Passkey", Way: "Use your passkey", Alone: true,
		About: "Your fingerprint, face or screen lock, or a security key. The safest, and no fake page can steal it."}
}

// keyHolder is a person as the library wants one.
type keyHolder struct {
	who  Person
	keys []webauthn.Credential
}

func (h keyHolder) WebAuthnID() []byte                         { return []byte(h.who.ID) }
func (h keyHolder) WebAuthnName() string                       { return h.who.label() }
func (h keyHolder) WebAuthnCredentials() []webauthn.Credential { return h.keys }
func (h keyHolder) WebAuthnDisplayName() string {
	if h.who.Name != "" {
		return h.who.Name
	}
	return h.who.label()
}

func holder(who Person, have []Kept) (keyHolder, error) {
	h := keyHolder{who: who}
	for _, e := range have {
		k, err := decode[webauthn.Credential]("passkey", e.Secret)
		if err != nil {
			return h, err
		}
		h.keys = append(h.keys, k)
	}
	return h, nil
}

func (p *passkey) Enrol(_ context.Context, who Person, have []Kept, _ url.Values) ([]byte, error) {
	h, err := holder(who, have)
	if err != nil {
		return nil, err
	}
	creation, session, err := p.rp.BeginRegistration(h, webauthn.WithExclusions(webauthn.Credentials(h.keys).CredentialDescriptors()),
		webauthn.WithExtensions(webauthn.WithExtensionCredProps()))
	if err != nil {
		return nil, fmt.Errorf("begin passkey: %w", err)
	}
	return keep(session, creation.Response)
}

func (p *passkey) Confirm(_ context.Context, who Person, state []byte, form url.Values) (Fresh, error) {
	s, err := decode[passkeyState]("passkey", state)
	if err != nil {
		return Fresh{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential(form))
	if err != nil {
		return Fresh{}, wrongKey(err)
	}
	key, err := p.rp.CreateCredential(keyHolder{who: who}, s.Session, parsed)
	if err != nil {
		return Fresh{}, wrongKey(err)
	}
	key.Attestation = webauthn.CredentialAttestation{} // it was not asked for, and is larger than all the rest
	b, err := json.Marshal(key)
	return Fresh{Name: "Passkey", Lookup: lookupOf(key.ID), Secret: b, AMR: methods(key.Flags.BackupEligible)}, err
}

func (p *passkey) Begin(_ context.Context, who Person, have []Kept) ([]byte, error) {
	h, err := holder(who, have)
	if err != nil {
		return nil, err
	}
	assertion, session, err := p.rp.BeginLogin(h)
	if err != nil {
		return nil, fmt.Errorf("begin passkey: %w", err)
	}
	return keep(session, assertion.Response)
}

func (p *passkey) Check(_ context.Context, who Person, have []Kept, state []byte, form url.Values) (Proof, error) {
	return p.check(who, have, state, form, func(h keyHolder, s webauthn.SessionData, parsed *protocol.ParsedCredentialAssertionData) error {
		_, err := p.rp.ValidateLogin(h, s, parsed)
		return err
	})
}

// BeginAlone begins a sign-in whose person only the passkey names.
func (p *passkey) BeginAlone() ([]byte, error) {
	assertion, session, err := p.rp.BeginDiscoverableLogin()
	if err != nil {
		return nil, fmt.Errorf("begin passkey: %w", err)
	}
	return keep(session, assertion.Response)
}

// Lookup returns what finds the passkey that a form names.
func (p *passkey) Lookup(form url.Values) (string, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential(form))
	if err != nil {
		return "", wrongKey(err)
	}
	return lookupOf(parsed.RawID), nil
}

// CheckAlone is Check for BeginAlone.
func (p *passkey) CheckAlone(who Person, have []Kept, state []byte, form url.Values) (Proof, error) {
	return p.check(who, have, state, form, func(h keyHolder, s webauthn.SessionData, parsed *protocol.ParsedCredentialAssertionData) error {
		_, err := p.rp.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != who.ID {
				return nil, errors.New("the passkey names somebody else")
			}
			return h, nil
		}, s, parsed)
		return err
	})
}

type validate func(keyHolder, webauthn.SessionData, *protocol.ParsedCredentialAssertionData) error

func (p *passkey) check(who Person, have []Kept, state []byte, form url.Values, ok validate) (Proof, error) {
	s, err := decode[passkeyState]("passkey", state)
	if err != nil {
		return Proof{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential(form))
	if err != nil {
		return Proof{}, wrongKey(err)
	}
	h, err := holder(who, have)
	if err != nil {
		return Proof{}, err
	}
	if err := ok(h, s.Session, parsed); err != nil {
		return Proof{}, wrongKey(err)
	}
	for i, k := range h.keys {
		if token.Equal(string(k.ID), string(parsed.RawID)) {
			return Proof{Kind: Passkey, EnrolmentID: have[i].ID, AMR: methods(k.Flags.BackupEligible), use: count(parsed.Response.AuthenticatorData)}, nil
		}
	}
	return Proof{}, ErrWrong
}

// count moves a key's counter on, in one step with all others who use the key: of two copies one falls behind, and the first to come
// with a number that was seen already shows that there are two (WebAuthn section 6.1.1).
func count(data protocol.AuthenticatorData) func([]byte) ([]byte, error) {
	return func(secret []byte) ([]byte, error) {
		k, err := decode[webauthn.Credential]("passkey", secret)
		if err != nil {
			return nil, err
		}
		if k.Authenticator.UpdateCounter(data.Counter); k.Authenticator.CloneWarning {
			return nil, ErrCopied
		}
		k.Flags.BackupState = data.Flags.HasBackupState()
		return json.Marshal(k)
	}
}

// ErrCopied is the answer to a passkey whose counter went back.
var ErrCopied = fault.New(fault.Forbidden, "This passkey may have been copied: it reports an older state than we have seen of it. "+
	"Sign in another way, remove the passkey, and tell your help desk.").WithReason("passkey_copied").WithNext(fault.NextHelp)

// keep turns what the library returns into what is remembered.
func keep(session *webauthn.SessionData, options any) ([]byte, error) {
	o, err := json.Marshal(options)
	if err != nil {
		return nil, fmt.Errorf("write passkey options: %w", err)
	}
	return json.Marshal(passkeyState{Session: *session, Options: o})
}

func (p *passkey) View(_ Person, _ []Kept, state []byte) (any, error) {
	if len(state) == 0 {
		return PasskeyView{}, nil
	}
	s, err := decode[passkeyState]("passkey", state)
	return PasskeyView{Options: string(s.Options)}, err
}

// methods are the RFC 8176 words for a passkey with user verification: a key in hardware, or one that a cloud may copy to others.
func methods(synced bool) []string {
	if synced {
		return []string{"swk", "user"}
	}
	return []string{"hwk", "user"}
}

// credential is what the browser's API returned, as our script wrote it into the form.
func credential(form url.Values) []byte {
	c := form.Get("credential")
	if len(c) > maxCredential {
		return nil
	}
	return []byte(c)
}

func lookupOf(credentialID []byte) string { return token.Digest("passkey\x00" + string(credentialID)) }

// wrongKey keeps the library's reason for the log.
func wrongKey(err error) error {
	var p *protocol.Error
	if errors.As(err, &p) && p.DevInfo != "" {
		err = fmt.Errorf("%w (%s)", err, p.DevInfo)
	}
	return fmt.Errorf("%w: %w", ErrWrong, err)
}
