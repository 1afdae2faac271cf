package signin

import (
	"net/http"

	"crmgate/internal/account"
)

// arrived lets the browser be known by a sign-in whose session stands, and tells the account's owner where it was not known before.
func (f *Flow) arrived(w http.ResponseWriter, r *http.Request, here account.Arrival) {
	if here.Secret != "" {
		f.Sessions.KeepKnownSecret(w, r, here.Secret)
	}
	f.Accounts.Tell(r.Context(), here)
}
