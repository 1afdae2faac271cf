package web

import (
	"encoding/json"
	"time"

	"crmgate/internal/signin"
)

const (
	provenPurpose = "proven_password"
	// provenFor is how long somebody has to think of a new password without typing the current one again.
	provenFor = 10 * time.Minute
)

// provenPassword is a current password that was right a moment ago, and whose it is.
type provenPassword struct {
	Provider, Identifier, Password string
	Until                          time.Time
}

// prove seals the password of a sign-in that needs a new one first, for the form that asks for it. Empty lets it be typed again.
func (h *SignInPages) prove(req signin.Request) string {
	if h.Sealer == nil {
		return ""
	}
	plain, err := json.Marshal(provenPassword{
		Provider: req.Provider, Identifier: req.Identifier, Password: req.Password, Until: h.now().Add(provenFor),
	})
	if err != nil {
		return ""
	}
	return h.Sealer.Seal(provenPurpose, plain)
}

// proven returns the password that prove has sealed; ok is false where it is another's, too old or not ours.
func (h *SignInPages) proven(req signin.Request, sealed string) (password string, ok bool) {
	if h.Sealer == nil || sealed == "" {
		return "", false
	}
	plain, err := h.Sealer.Open(provenPurpose, sealed)
	if err != nil {
		return "", false
	}
	var p provenPassword
	if json.Unmarshal(plain, &p) != nil || p.Provider != req.Provider || p.Identifier != req.Identifier || !h.now().Before(p.Until) {
		return "", false
	}
	return p.Password, true
}
