package gateway

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"crmgate/internal/audit"
	"crmgate/internal/page"
	"crmgate/internal/proxy"
)

// maxReturn bounds the address that comes back in return_to; with more than this many bytes a Location breaks proxies on the way.
const maxReturn = 4000

// signIn answers a request without a session: a browser that navigates is sent to sign in, whatever else asks is told so. A script,
// a WebSocket or a program could not do anything with a page, and a redirect to a provider shows up as a puzzling CORS error.
func (h *Handler) signIn(w http.ResponseWriter, r *http.Request, path proxy.Path) {
	h.ask(w, r, path, signInPage())
}

// stop is a page of our own that a person has to pass before the CRM opens, and how a program is told about it.
type stop struct{ code, path string }

func stepUpPage() stop { return stop{"factor_required", "/factor/step-up"} }

func signInPage() stop { return stop{"sign_in_required", "/sign-in"} }

// ask sends a browser to a page that leads back to where it was going.
func (h *Handler) ask(w http.ResponseWriter, r *http.Request, path proxy.Path, to stop) {
	w.Header().Set("Cache-Control", "no-store")
	if !navigates(r) {
		h.required(w, to)
		return
	}
	if h.StrictTransport != "" {
		w.Header().Set("Strict-Transport-Security", h.StrictTransport)
	}
	w.Header().Set("Location", h.leadsBack(r, path, to))
	w.WriteHeader(http.StatusSeeOther)
}

// leadsBack is the address of a page with the way back from it.
func (h *Handler) leadsBack(r *http.Request, path proxy.Path, to stop) string {
	back := path.Target
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		back = h.cameFrom(r) // a form that was sent too late; its address may not be there for a GET
	}
	if len(back) > maxReturn {
		back, _, _ = strings.Cut(back, "?")
	}
	if len(back) > maxReturn {
		back = "/"
	}
	if len(back) > 1 && (back[1] == '/' || back[1] == '\\') {
		back = "/" // to a browser the rest names a host
	}
	return h.Prefix + to.path + "?return_to=" + url.QueryEscape(back)
}

// required writes the 401 of contract: JSON, never a redirect.
func (h *Handler) required(w http.ResponseWriter, to stop) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusUnauthorized)
	// An error here means that the client is gone.
	_ = json.NewEncoder(w).Encode(map[string]string{
		"error":       to.code,
		"sign_in_url": strings.TrimSuffix(h.PublicURL.String(), "/") + h.Prefix + to.path,
	})
}

// navigates is page.Navigation, and of clients that do not say what they are at only those that read: programs that send something
// often accept HTML as well, and must learn that it was not taken.
func navigates(r *http.Request) bool {
	silent := r.Header.Get("Sec-Fetch-Mode") == ""
	if silent && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return page.Navigation(r)
}

// cameFrom returns the page of the CRM that a request was made on, "/" where that is not known.
func (h *Handler) cameFrom(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err != nil || from.Host == "" || !strings.EqualFold(from.Host, h.PublicURL.Host) && from.Host != audit.OriginOf(r.Context()).Host {
		return "/"
	}
	path, err := proxy.Canonical(&http.Request{Method: http.MethodGet, RequestURI: from.RequestURI()})
	if err != nil || below(path.Decoded, h.Prefix) {
		return "/"
	}
	return path.Target
}
