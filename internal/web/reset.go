package web

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Accounts are the parts of package account that pages need; account.Service is one.
type Accounts interface {
	// RequestReset answers a request for a reset at once.
	RequestReset(ctx context.Context, req account.ResetRequest) (account.ResetAnswer, error)
	// PeekToken returns the account behind a one-time token without using it; fault.Expired where it is not good.
	PeekToken(ctx context.Context, p account.Purpose, token string) (*account.Account, error)
	// RedeemToken sets the password with a one-time token; a refused password is a *account.PasswordError.
	RedeemToken(ctx context.Context, p account.Purpose, token, password string) (*account.Account, error)
	// Withdraw ends a request for a reset with the token from its mail; fault.Expired where it is not good.
	Withdraw(ctx context.Context, token string) error
	// MinLength is the fewest characters of a new password of an account.
	MinLength(ctx context.Context, a *account.Account) int
	// Weakness says what is wrong with a password before it is set, a *account.PasswordError; it looks nobody up.
	Weakness(ctx context.Context, password string, names ...string) error
}

// ResetPages lead whoever has no password, or has forgotten it, to a new one.
type ResetPages struct {
	*Site
	Accounts Accounts
	// LinkLifetime is how long a mailed reset link works; zero is not mentioned.
	LinkLifetime time.Duration
	// RequireUsername makes the reset form ask for the user name as well.
	RequireUsername bool
	// MailFrom is the address that mails come from, to be allowed through filters; empty is not mentioned.
	MailFrom string
}

func (h *ResetPages) routes(at route) {
	at("/reset", h.showReset, h.reset)
	at("/reset/set", h.showSet(resetLink()), h.set(resetLink()))
	at("/reset/{token}", h.openLink(resetLink()), nil)
	at("/invite/set", h.showSet(inviteLink()), h.set(inviteLink()))
	at("/invite/{token}", h.openLink(inviteLink()), nil)
	at("/withdraw", h.showWithdraw, h.withdraw)
	at("/withdraw/{token}", h.openLink(withdrawLink()), nil)
	at("/password-check", nil, asProgram(h.checkPassword))
}

// resetPage is the Data of the pages "reset" and "reset_sent".
type resetPage struct {
	Identifier, Problem string
	// Lifetime is how long a mailed link works, in words; empty is not mentioned.
	Lifetime string
	// AskUsername asks for Username as well.
	AskUsername bool
	Username    string
	// From is the address that mails come from; empty is not mentioned.
	From string
}

// providerPage is the Data of the page "reset_provider".
type providerPage struct {
	Name string
	// ResetURL may be empty; Help is a sentence of the administrator's.
	ResetURL, Help string
	Redirects      bool
	SignInURL      string
}

func (h *ResetPages) showReset(w http.ResponseWriter, r *http.Request) error {
	data := resetPage{AskUsername: h.RequireUsername}
	// The sign-in page of this device shows the same name; nobody types it a second time.
	if used, _, ok := h.lastUsed(r); ok && (!data.AskUsername || strings.Contains(used.Identifier, "@")) {
		data.Identifier = used.Identifier
	}
	return h.Pages.Render(w, r, http.StatusOK, "reset", data)
}

func (h *ResetPages) reset(w http.ResponseWriter, r *http.Request) error {
	if err := allow(h.Limits.Resets, r, fault.NextHelp); err != nil {
		return err
	}
	f, err := form(w, r)
	if err != nil {
		return err
	}
	identifier, problem := identifierOf(f)
	username := ""
	if h.RequireUsername {
		username = clip(strings.TrimSpace(f.Get("username")), maxIdentifier)
	}
	if problem != "" {
		return h.Pages.Render(w, r, http.StatusUnprocessableEntity, "reset", resetPage{Problem: problem, AskUsername: h.RequireUsername, Username: username})
	}
	answer, err := h.Accounts.RequestReset(r.Context(), account.ResetRequest{Identifier: identifier, Username: username})
	switch {
	case err != nil:
		return fmt.Errorf("request reset: %w", err)
	case answer.Provider != nil:
		return h.Pages.Render(w, r, http.StatusOK, "reset_provider", h.providerPage(*answer.Provider))
	case !h.MailedReset:
		return h.Pages.Render(w, r, http.StatusOK, "reset_closed", nil)
	}
	sent := resetPage{Identifier: identifier, AskUsername: h.RequireUsername, Username: username, From: h.MailFrom}
	if h.LinkLifetime > 0 {
		sent.Lifetime = account.Lifetime(h.LinkLifetime)
	}
	return h.Pages.Render(w, r, http.StatusOK, "reset_sent", sent)
}

// clip returns at most n characters of s, and nothing of what is no text.
func clip(s string, n int) string {
	if !utf8.ValidString(s) {
		return ""
	}
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}

func (h *ResetPages) providerPage(info identity.Info) providerPage {
	p := providerPage{Name: info.Name, ResetURL: info.Password.ResetURL, Help: info.Password.Help, Redirects: info.Redirects, SignInURL: h.below("/sign-in")}
	if info.Redirects {
		p.SignInURL = h.below("/sign-in/" + info.ID)
	}
	return p
}
