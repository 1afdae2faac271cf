package signin

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/token"
)

// passkeyPurpose binds a sealed challenge to this use.
const passkeyPurpose = "passkey-sign-in"

// challenge is a question to passkeys on the sign-in page. It is not stored: every stranger who opens the page causes one. It is sealed into
// the page, bound to the browser, and of the answers to it one counts.
type challenge struct {
	Browser string    `json:"browser"`
	State   []byte    `json:"state"`
	Expires time.Time `json:"expires"`
}

// PasskeyChallenge returns what the sign-in page needs for offering passkeys: a sealed challenge and the options of the browser's API. Both are
// empty where nobody could sign in so.
func (f *Flow) PasskeyChallenge(w http.ResponseWriter, r *http.Request) (sealed, options string, err error) {
	if !f.LocalEnabled {
		return "", "", nil
	}
	state, options, ok, err := f.Factors.BeginAlone()
	if err != nil || !ok {
		return "", "", err
	}
	b, err := json.Marshal(challenge{Browser: f.Sessions.Browser(w, r), State: state, Expires: f.now().Add(AttemptLifetime)})
	if err != nil {
		return "", "", err
	}
	return f.Sealer.Seal(passkeyPurpose, b), options, nil
}

// Passkey signs somebody in with a passkey alone. It was opened with a finger, a face or a code (user verification), so it is two factors
// in one. A wrong one is mfa.ErrWrong.
func (f *Flow) Passkey(w http.ResponseWriter, r *http.Request, sealed string, req Request, form url.Values) (Step, error) {
	ctx := r.Context()
	c, err := f.openChallenge(r, sealed)
	if err != nil {
		return Step{}, err
	}
	id, proof, err := f.Factors.CheckAlone(ctx, c.State, form)
	p := progress{via: account.OwnerLocal, returnTo: f.returnTo(req.ReturnTo), remember: req.Remember, alone: true}
	switch {
	case errors.Is(err, mfa.ErrCopied):
		f.Audit.Record(ctx, audit.Event{Kind: audit.PasskeyCopied, AccountID: id, Provider: p.via}.From(ctx))
		return Step{}, err
	case err != nil:
		f.refused(ctx, p, err)
		return Step{}, err
	}
	// Only an answer that is right uses the challenge up: a finger that slipped may try again.
	switch err := f.Once.UseOnce(ctx, passkeyPurpose, sealed, c.Expires); {
	case fault.Is(err, fault.Conflict):
		return Step{}, errOver
	case err != nil:
		return Step{}, err
	}
	if p.account, err = f.Accounts.SignInByPasskey(ctx, id); err != nil {
		if errors.Is(err, identity.ErrWrongPassword) {
			err = mfa.ErrWrong // package account has recorded why
		}
		return Step{}, err
	}
	p.factor, p.factorAt = &proof, f.now()
	return f.Next(w, r, p)
}

// openChallenge returns a challenge that this browser was given and that is still good.
func (f *Flow) openChallenge(r *http.Request, sealed string) (challenge, error) {
	var c challenge
	b, err := f.Sealer.Open(passkeyPurpose, sealed)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if errors.Is(err, token.ErrUnsealable) {
		return c, errOver
	}
	if err != nil {
		return c, err
	}
	browser, ok := f.Sessions.BrowserDigest(r)
	if !ok || !token.Equal(browser, c.Browser) || !f.now().Before(c.Expires) {
		return c, errOver
	}
	return c, nil
}
