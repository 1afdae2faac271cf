package web

import (
	"errors"
	"net/url"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/signin"
)

// down makes more of a provider that cannot be reached: whose trouble it is, the same way again without losing where the person was going, and
// the other ways in. Every other error stays as it is.
func (h *SignInPages) down(err error, req signin.Request) error {
	var f *fault.Error
	if !errors.As(err, &f) || f.Reason != identity.ReasonUnreachable {
		return err
	}
	provider, ok := h.Realms.Get(req.Provider)
	if !ok {
		provider, ok = h.Realms.Find(req.Identifier)
	}
	if !ok {
		return err
	}
	info := provider.Info()
	sentence := info.Name + " cannot be reached at the moment, so nobody can sign in with it. Your password is not the reason. Wait a minute, then try again."
	if h.Local {
		sentence += " If you also have a user name with a password of its own here, you can sign in with that meanwhile."
	}
	again := strings.TrimPrefix(h.below("/sign-in/"+url.PathEscape(info.ID), "return_to", req.ReturnTo), h.Prefix)
	e := fault.Wrap(f.Kind, sentence, err).WithTitle(info.Name + " does not answer").WithReason(f.Reason).WithNext(fault.Next{Label: "Try again", Path: again})
	if h.Direct == "" {
		e = e.WithOther(fault.Next{Label: "Sign in another way", Path: strings.TrimPrefix(h.below("/sign-in", "return_to", req.ReturnTo, "switch", "1"), h.Prefix)})
	}
	return e
}
