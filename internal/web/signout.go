package web

import (
	"fmt"
	"net/http"

	"crmgate/internal/signin"
)

// signOutPage is the Data of the page "sign_out".
type signOutPage struct{ SignedInAs string }

// showSignOut asks; only the form acts, so no link and no image of another site can sign anybody out.
func (h *Handler) showSignOut(w http.ResponseWriter, r *http.Request) error {
	var data signOutPage
	// Who cannot be looked up can still be asked.
	if s, err := h.Sessions.Lookup(r); err == nil && s != nil {
		data.SignedInAs = s.Email
	}
	return h.Pages.Render(w, r, http.StatusOK, "sign_out", data)
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) error {
	to, err := h.Flow.SignOut(w, r)
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	redirect(w, r, to)
	return nil
}

// signedOutPage is the Data of the page "signed_out".
type signedOutPage struct {
	// Again is where signing in begins.
	Again string
	// Provider is the name of the provider that has ended its own session, too; empty where we do not know of any.
	Provider string
	// Redirects is true where a provider may keep a session of its own.
	Redirects bool
}

// signedOut stays where it is: going on to sign-in by itself would sign people in again at a provider that still knows them.
func (h *Handler) signedOut(w http.ResponseWriter, r *http.Request) error {
	data := signedOutPage{Again: h.Prefix + "/sign-in"}
	if h.Direct != "" { // the click on it is the one that the sign-in page would wait for
		data.Again = h.startURL(h.Direct, signin.Request{})
	}
	if h.Logouts != nil {
		if p, ok := h.Realms.Get(h.Logouts.SignedOutAt(r.URL.Query().Get("state"))); ok {
			data.Provider = p.Info().Name
		}
	}
	for _, info := range h.infos() {
		data.Redirects = data.Redirects || info.Redirects
	}
	return h.Pages.Render(w, r, http.StatusOK, "signed_out", data)
}
