package provider

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// logoutHint returns what a provider wants to hear at the sign-out instead of asking whom it is about: the login_hint that it put into the
// ID token (Entra ID does where the application asks for the claim). The token was verified when it came, and is our own memory since.
func logoutHint(idToken string) string {
	parts := strings.Split(idToken, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var c struct {
		LoginHint string `json:"login_hint"`
	}
	if json.Unmarshal(payload, &c) != nil || len(c.LoginHint) > maxName {
		return ""
	}
	return c.LoginHint
}
