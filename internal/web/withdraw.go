package web

import (
	"net/http"

	"crmgate/internal/account"
	"crmgate/internal/fault"
)

func withdrawLink() link {
	return link{
		purpose: account.ForWithdrawal, path: "/withdraw", cookie: "crmgate_withdraw",
		gone: fault.New(fault.Expired, "This request is over already: it was withdrawn or used, a newer one was made, or its time has run out. "+
			"If you have not set a new password yourself, ask for help now.").
			WithReason("withdrawal_expired").WithNext(fault.NextHelp),
	}
}

// withdrawPage is the Data of the pages "withdraw" and "withdrawn".
type withdrawPage struct{ Email string }

// showWithdraw asks before anything happens: mail scanners open links, and press no buttons.
func (h *ResetPages) showWithdraw(w http.ResponseWriter, r *http.Request) error {
	l := withdrawLink()
	if err := allow(h.Limits.Links, r, l.gone.Next); err != nil {
		return err
	}
	_, a, err := h.peek(w, r, l)
	if err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, "withdraw", withdrawPage{Email: a.Email})
}

// withdraw ends a request for a new password that the owner of the mailbox did not make. Nobody signs in for that: whoever reads the mail could
// use its other link as well.
func (h *ResetPages) withdraw(w http.ResponseWriter, r *http.Request) error {
	l := withdrawLink()
	if err := allow(h.Limits.Links, r, l.gone.Next); err != nil {
		return err
	}
	if _, err := form(w, r); err != nil {
		return err
	}
	secret, a, err := h.peek(w, r, l)
	if err != nil {
		return err
	}
	if err := h.Accounts.Withdraw(r.Context(), secret); err != nil {
		return h.gone(w, l, err)
	}
	http.SetCookie(w, h.linkCookie(l, "", -1))
	return h.Pages.Render(w, r, http.StatusOK, "withdrawn", withdrawPage{Email: a.Email})
}
