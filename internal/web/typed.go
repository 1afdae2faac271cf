package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"crmgate/internal/session"
)

const (
	typedPurpose = "typed_form"
	// typedParam carries the sealed form in the address of the page that it belongs to.
	typedParam = "typed"
	// typedFor is how long somebody has to prove who they are before what they typed is forgotten.
	typedFor = 15 * time.Minute
	// maxTyped bounds a sealed form in bytes; a longer one is forgotten, because it would not fit into the addresses on the way.
	maxTyped = 2 << 10
)

// typedForm is a form of somebody's own account that was sent before they had proven once more who they are.
type typedForm struct {
	AccountID, Path string
	Values          url.Values
	Until           time.Time
}

// withTyped returns the address of a page of ours with the form that was sent to it. The form is sealed for its account and its page, so
// that a link from a stranger fills in nothing. Fields that are not named here are never carried: a password or a code least of all.
func (h *Site) withTyped(back string, s *session.Session, f url.Values) string {
	if h.Sealer == nil {
		return back
	}
	keep := url.Values{}
	for _, name := range []string{"id", "name", "days", "paths", "write"} {
		if v := f.Get(name); v != "" {
			keep.Set(name, v)
		}
	}
	plain, err := json.Marshal(typedForm{AccountID: s.AccountID, Path: back, Values: keep, Until: h.now().Add(typedFor)})
	if err != nil {
		return back
	}
	sealed := h.Sealer.Seal(typedPurpose, plain)
	if len(sealed) > maxTyped {
		return back
	}
	return back + "?" + url.Values{typedParam: {sealed}}.Encode()
}

// typed returns the form that withTyped put into the address of a page; ok is false where there is none of this account's for this page.
func (h *Site) typed(r *http.Request, s *session.Session, path string) (f url.Values, ok bool) {
	sealed := r.URL.Query()[typedParam]
	if h.Sealer == nil || len(sealed) != 1 {
		return nil, false
	}
	plain, err := h.Sealer.Open(typedPurpose, sealed[0])
	if err != nil {
		return nil, false
	}
	var t typedForm
	if json.Unmarshal(plain, &t) != nil || t.AccountID != s.AccountID || t.Path != path || !h.now().Before(t.Until) {
		return nil, false
	}
	return t.Values, true
}
