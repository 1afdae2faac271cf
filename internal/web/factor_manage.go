package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
)

// OwnFactors are the factors and remembered devices of one person; mfa.Service is one.
type OwnFactors interface {
	// List returns the factors, oldest first.
	List(ctx context.Context, accountID string) ([]mfa.Enrolment, error)
	// Info describes a kind.
	Info(k mfa.Kind) (mfa.Info, error)
	// Rename gives a factor another name.
	Rename(ctx context.Context, accountID, id, name string) error
	// Remove takes a factor away.
	Remove(ctx context.Context, accountID, id string) (mfa.Enrolment, error)
	// NewRecoveryCodes makes ten in place of those there were.
	NewRecoveryCodes(ctx context.Context, accountID string) ([]string, error)
	// RecoveryLeft counts them.
	RecoveryLeft(ctx context.Context, accountID string) (int, error)
	// Devices returns the remembered devices, newest first.
	Devices(ctx context.Context, accountID string) ([]mfa.Device, error)
	// ForgetDevice ends one, or all for "".
	ForgetDevice(ctx context.Context, accountID, id string) error
}

// Notices tells people by mail what changed; account.Service is one.
type Notices interface {
	// FactorChanged mails one sentence about a change of second factors.
	FactorChanged(ctx context.Context, accountID, what, actor string)
	// TokenMade mails that an access token was made.
	TokenMade(ctx context.Context, accountID, name string, until time.Time)
}

// managePage is the Data of the page "factor_manage".
type managePage struct {
	Factors []managed
	Devices []ownDevice
	// Recovery is true where codes can be had, RecoveryLeft how many there are.
	Recovery     bool
	RecoveryLeft int
	// NotYet is true where a form was sent before somebody had proven who they are, and StepUpURL is where they do that, empty where they have.
	NotYet    bool
	StepUpURL string
}

type managed struct {
	ID, Name, Kind string
	CreatedAt      time.Time
	UsedAt         time.Time
	// Typed is a new name that waits to be sent once more.
	Typed string
}

// removePage is the Data of the page "factor_remove".
type removePage struct {
	ID, Name string
	// Last is true where nothing is left after it.
	Last bool
}

// factorRoutes are the addresses of a person's second factors.
func (h *AccountPages) factorRoutes(at route) {
	at("/factor/manage", h.showFactors, nil)
	at("/factor/rename", h.backTo("/factor/manage"), h.changing("/factor/manage", h.renameFactor))
	at("/factor/remove", h.showRemoveFactor, h.changing("/factor/manage", h.removeFactor))
	at("/factor/recovery", h.showRecovery, h.changing("/factor/manage", h.newRecovery))
	at("/factor/forget", h.backTo("/factor/manage"), h.changing("/factor/manage", h.forgetDevice))
}

func (h *AccountPages) showFactors(w http.ResponseWriter, r *http.Request) error {
	s, err := h.signedIn(w, r, "/factor/manage")
	if err != nil || s == nil {
		return err
	}
	all, err := h.OwnFactors.List(r.Context(), s.AccountID)
	if err != nil {
		return err
	}
	data := managePage{Factors: h.managedFactors(all)}
	if _, err := h.OwnFactors.Info(mfa.Recovery); err == nil && len(data.Factors) > 0 {
		data.Recovery = true
		if data.RecoveryLeft, err = h.OwnFactors.RecoveryLeft(r.Context(), s.AccountID); err != nil {
			return err
		}
	}
	devices, err := h.OwnFactors.Devices(r.Context(), s.AccountID)
	if err != nil {
		return err
	}
	data.Devices = ownDevices(devices, s)
	if f, ok := h.typed(r, s, "/factor/manage"); ok {
		data.NotYet = true
		for i := range data.Factors {
			if data.Factors[i].ID == f.Get("id") {
				data.Factors[i].Typed = f.Get("name")
			}
		}
		if data.StepUpURL, err = h.staleURL(r, s, "/factor/manage"); err != nil {
			return err
		}
	}
	return h.Pages.Render(w, r, http.StatusOK, "factor_manage", data)
}

func (h *AccountPages) renameFactor(w http.ResponseWriter, r *http.Request, s *session.Session, f url.Values) error {
	if err := h.OwnFactors.Rename(r.Context(), s.AccountID, f.Get("id"), f.Get("name")); err != nil {
		return err
	}
	redirect(w, r, h.below("/factor/manage"))
	return nil
}

// showRemoveFactor asks; nothing is removed by opening an address.
func (h *AccountPages) showRemoveFactor(w http.ResponseWriter, r *http.Request) error {
	s, err := h.signedIn(w, r, "/factor/manage")
	if err != nil || s == nil {
		return err
	}
	fresh, err := h.fresh(r, s)
	if err != nil {
		return err
	}
	if !fresh {
		redirect(w, r, h.below("/factor/step-up", "return_to", h.below("/factor/remove", "id", r.URL.Query().Get("id"))))
		return nil
	}
	all, err := h.OwnFactors.List(r.Context(), s.AccountID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(e mfa.Enrolment) bool { return e.ID == r.URL.Query().Get("id") })
	if i < 0 {
		return fault.New(fault.NotFound, "It is not there any more.").WithReason("factor_gone").WithNext(fault.Next{Label: "Back to your second steps", Path: "/factor/manage"})
	}
	left := slices.DeleteFunc(slices.Clone(all), func(e mfa.Enrolment) bool {
		info, err := h.OwnFactors.Info(e.Kind)
		return e.ID == all[i].ID || err != nil || info.Backup
	})
	return h.Pages.Render(w, r, http.StatusOK, "factor_remove", removePage{ID: all[i].ID, Name: all[i].Name, Last: len(left) == 0})
}

func (h *AccountPages) removeFactor(w http.ResponseWriter, r *http.Request, s *session.Session, f url.Values) error {
	e, err := h.OwnFactors.Remove(r.Context(), s.AccountID, f.Get("id"))
	if err != nil {
		return err
	}
	h.notice(r, s, fmt.Sprintf("A second step was removed: %s.", e.Name))
	redirect(w, r, h.below("/factor/manage"))
	return nil
}

func (h *AccountPages) notice(r *http.Request, s *session.Session, what string) {
	if h.Notices != nil {
		h.Notices.FactorChanged(r.Context(), s.AccountID, what, "")
	}
}

func (h *AccountPages) showRecovery(w http.ResponseWriter, r *http.Request) error {
	redirect(w, r, h.below("/factor/manage"))
	return nil
}

func (h *AccountPages) newRecovery(w http.ResponseWriter, r *http.Request, s *session.Session, _ url.Values) error {
	codes, err := h.OwnFactors.NewRecoveryCodes(r.Context(), s.AccountID)
	if err != nil {
		return err
	}
	h.notice(r, s, "New recovery codes were made. The old ones work no more.")
	return h.Pages.Render(w, r, http.StatusOK, "factor_codes", codesPage{Codes: codes, Continue: h.below("/factor/manage"), Who: cmp.Or(s.Email, s.Username), SignInURL: h.BaseURL + "/sign-in", MadeAt: h.now()})
}

func (h *AccountPages) forgetDevice(w http.ResponseWriter, r *http.Request, s *session.Session, f url.Values) error {
	id := f.Get("id")
	if id == "" && f.Get("all") == "" {
		return fault.New(fault.Invalid, "The form did not arrive as it should. Please go back and send it again.").WithReason("no_device")
	}
	if err := h.OwnFactors.ForgetDevice(r.Context(), s.AccountID, id); err != nil {
		return err
	}
	redirect(w, r, h.below("/factor/manage"))
	return nil
}
