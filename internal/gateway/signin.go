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
	w.Header().Set("Cache-Control", "no-store")
	if !navigates(r) {
		h.signInRequired(w)
		return
	}
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
	if h.StrictTransport != "" {
		w.Header().Set("Strict-Transport-Security", h.StrictTransport)
	}
	w.Header().Set("Location", h.Prefix+"/sign-in?return_to="+url.QueryEscape(back))
	w.WriteHeader(http.StatusSeeOther)
}

// signInRequired writes the 401 of contract: JSON, never a redirect.
func (h *Handler) signInRequired(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusUnauthorized)
	// An error here means that the client is gone.
	_ = json.NewEncoder(w).Encode(map[string]string{
		"error":       "sign_in_required",
		"sign_in_url": strings.TrimSuffix(h.PublicURL.String(), "/") + h.Prefix + "/sign-in",
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
