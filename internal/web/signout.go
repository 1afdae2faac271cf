package web

import (
	"fmt"
	"net/http"

	"crmgate/internal/signin"
)

// SignOuts ends sessions; signin.Flow is one.
type SignOuts interface {
	// SignOut ends the session and returns where the browser goes next.
	SignOut(w http.ResponseWriter, r *http.Request) (string, error)
}

// SignOutPages are the ways out, for people and for their providers.
type SignOutPages struct {
	*Site
	SignOuts SignOuts
	// Logouts takes the providers' logout messages; nil answers them with 404.
	Logouts Logouts
	// Universal takes requests to end all sessions of a person; nil answers them with 404.
	Universal UniversalLogouts
}

func (h *SignOutPages) routes(at route) {
	at("/sign-out", h.showSignOut, h.signOut)
	at("/signed-out", h.signedOut, nil)
	if h.Logouts != nil {
		at("/logout/backchannel/{provider}", nil, asProgram(h.backChannel))
		at("/logout/frontchannel/{provider}", h.frontChannel, nil)
	}
	if h.Universal != nil {
		at("/logout/universal/{provider}", nil, asProgram(h.universalLogout))
	}
}

// signOutPage is the Data of the page "sign_out".
type signOutPage struct{ SignedInAs string }

// showSignOut asks; only the form acts, so no link and no image of another site can sign anybody out.
func (h *SignOutPages) showSignOut(w http.ResponseWriter, r *http.Request) error {
	var data signOutPage
	// Who cannot be looked up can still be asked.
	if s, err := h.Sessions.Lookup(r); err == nil && s != nil {
		data.SignedInAs = s.Email
	}
	return h.Pages.Render(w, r, http.StatusOK, "sign_out", data)
}

func (h *SignOutPages) signOut(w http.ResponseWriter, r *http.Request) error {
	to, err := h.SignOuts.SignOut(w, r)
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
func (h *SignOutPages) signedOut(w http.ResponseWriter, r *http.Request) error {
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
