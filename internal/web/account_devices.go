package web

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
)

// ownSession is one browser that is signed in, as its owner sees it.
type ownSession struct {
	ID, Browser, Address string
	// How is what it signed in with.
	How string
	// This is true for the browser that asks.
	This                            bool
	SignedInAt, LastSeen, ExpiresAt time.Time
}

// ownDevice is a browser that stands in for the second step.
type ownDevice struct {
	ID, Browser, Address string
	This                 bool
	UsedAt, ExpiresAt    time.Time
}

// devicesPage is the Data of the page "account_devices".
type devicesPage struct {
	Sessions []ownSession
	Devices  []ownDevice
	// Others is how many sessions there are beside this one.
	Others int
	// StepUpURL leads to proving who it is, empty where that was done lately.
	StepUpURL string
	// NotYet is true where a button was pressed before somebody had proven who they are.
	NotYet bool
}

func (h *AccountPages) showDevices(w http.ResponseWriter, r *http.Request) error {
	s, err := h.signedIn(w, r, "/account/devices")
	if err != nil || s == nil {
		return err
	}
	all, err := h.OwnSessions.ListOwn(r.Context(), s.AccountID)
	if err != nil {
		return err
	}
	data := devicesPage{Sessions: h.ownSessions(all, s), Others: len(all) - 1}
	if h.OwnFactors != nil {
		devices, err := h.OwnFactors.Devices(r.Context(), s.AccountID)
		if err != nil {
			return err
		}
		data.Devices = ownDevices(devices, s)
	}
	_, data.NotYet = h.typed(r, s, "/account/devices")
	if data.StepUpURL, err = h.staleURL(r, s, "/account/devices"); err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, "account_devices", data)
}

// ownSessions describes sessions for their owner, this one first and then what was used last.
func (h *AccountPages) ownSessions(all []*session.Session, this *session.Session) []ownSession {
	var out []ownSession
	for _, s := range all {
		o := ownSession{
			ID: s.ID, Browser: browserWords(s.UserAgent), Address: s.Address, How: h.providerName(s.Provider), This: s.ID == this.ID,
			SignedInAt: s.SignedInAt, LastSeen: s.LastSeen, ExpiresAt: s.ExpiresAt,
		}
		if o.This {
			o.LastSeen = h.now() // it is here right now, whatever was written last
		}
		out = append(out, o)
	}
	slices.SortStableFunc(out, func(a, b ownSession) int {
		if a.This != b.This {
			return map[bool]int{true: -1, false: 1}[a.This]
		}
		return b.LastSeen.Compare(a.LastSeen)
	})
	return out
}

func ownDevices(all []mfa.Device, this *session.Session) []ownDevice {
	var out []ownDevice
	for _, d := range all {
		out = append(out, ownDevice{
			ID: d.ID, Browser: browserWords(d.Name), Address: d.Address, This: this.Device != "" && d.ID == this.Device, UsedAt: d.UsedAt, ExpiresAt: d.ExpiresAt,
		})
	}
	return out
}

func (h *AccountPages) endSession(w http.ResponseWriter, r *http.Request, s *session.Session, f url.Values) error {
	id := f.Get("id")
	if id == s.ID {
		redirect(w, r, h.below("/sign-out"))
		return nil
	}
	err := h.OwnSessions.EndOwn(r.Context(), s.AccountID, id)
	if err != nil && !fault.Is(err, fault.NotFound) { // gone is what was wanted
		return err
	}
	if err == nil {
		h.record(r, s, audit.Event{Kind: audit.SessionRevoked, Reason: "own_page"})
	}
	redirect(w, r, h.below("/account/devices"))
	return nil
}

func (h *AccountPages) endOthers(w http.ResponseWriter, r *http.Request, s *session.Session, _ url.Values) error {
	if err := h.OwnSessions.EndAccount(r.Context(), s.AccountID, s.ID); err != nil {
		return err
	}
	h.record(r, s, audit.Event{Kind: audit.SessionRevoked, Reason: "others"})
	redirect(w, r, h.below("/account/devices"))
	return nil
}

func (h *AccountPages) forgetOwnDevice(w http.ResponseWriter, r *http.Request, s *session.Session, f url.Values) error {
	if h.OwnFactors == nil || f.Get("id") == "" {
		return fault.New(fault.Invalid, "The form did not arrive as it should. Please go back and send it again.").WithReason("no_device")
	}
	if err := h.OwnFactors.ForgetDevice(r.Context(), s.AccountID, f.Get("id")); err != nil {
		return err
	}
	redirect(w, r, h.below("/account/devices"))
	return nil
}

// record notes what somebody did to their own account.
func (h *AccountPages) record(r *http.Request, s *session.Session, e audit.Event) {
	if h.Audit == nil {
		return
	}
	e.AccountID, e.Provider, e.Time = s.AccountID, s.Provider, h.now()
	h.Audit.Record(r.Context(), e.From(r.Context()))
}
