package signin

import (
	"net/http"

	"crmgate/internal/account"
)

// arrived notes a sign-in whose session stands, and lets the browser be known by it the next time.
func (f *Flow) arrived(w http.ResponseWriter, r *http.Request, a *account.Account) {
	if secret := f.Accounts.Arrived(r.Context(), a, f.Sessions.KnownSecrets(r)); secret != "" {
		f.Sessions.KeepKnownSecret(w, r, secret)
	}
}
