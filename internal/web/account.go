package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/session"
)

// OwnAccount is what people may do with their own account; account.Service is one.
type OwnAccount interface {
	// Rename gives a local account another name.
	Rename(ctx context.Context, id, name string) (*account.Account, error)
	// NotMe locks the account of somebody who is signed in.
	NotMe(ctx context.Context, id string) (*account.Account, error)
	// PeekNotice returns the account behind a mailed link and what the mail was about.
	PeekNotice(ctx context.Context, secret string) (*account.Account, account.Notice, error)
	// NotMeByLink locks the account behind a mailed link.
	NotMeByLink(ctx context.Context, secret string) (*account.Account, error)
}

// OwnSessions are the sessions of one person; session.Manager is one.
type OwnSessions interface {
	// ListOwn returns the live sessions of an account, newest first.
	ListOwn(ctx context.Context, accountID string) ([]*session.Session, error)
	// EndOwn ends one of them.
	EndOwn(ctx context.Context, accountID, id string) error
	// EndAccount ends all but one.
	EndAccount(ctx context.Context, accountID, except string) error
	// Rename gives them the account's new name.
	Rename(ctx context.Context, accountID, name string) error
}

// accountPage is the Data of the page "account".
type accountPage struct {
	Name, Email, Username string
	// Provider is the name of the provider somebody signs in with; Local is true for a password of ours.
	Provider string
	Local    bool
	Groups   []string
	// LastSignIn is when the account was signed in to before, zero for the first time.
	LastSignIn time.Time
	// ChangeURL is where the password is changed; empty where nobody knows. Elsewhere is true for a page that is not ours.
	ChangeURL string
	Elsewhere bool
	Help      string
	// PasswordEnd is set where the password ends soon.
	PasswordEnd *passwordEnd
	// Others are the ways into other accounts with the same address: names of providers, "" for a password of ours.
	Others []string
	// Factors are second steps, FactorsOn where there may be any.
	Factors   []managed
	FactorsOn bool
	// Tokens is how many access tokens there are, TokensOn where there may be any.
	Tokens   int
	TokensOn bool
	Sessions []ownSession
	// More is how many sessions there are beyond those.
	More   int
	Events []happened
}

const (
	// fewSessions and fewEvents are how many the overview shows.
	fewSessions = 3
	fewEvents   = 3
)

// AccountPages are a person's own page and those below it: who they are, where they are signed in, what protects the account.
type AccountPages struct {
	*Site
	// OwnAccount and OwnSessions are behind the pages; nil leaves the inner pages out.
	OwnAccount  OwnAccount
	OwnSessions OwnSessions
	// OwnFactors are the person's second factors; nil has none.
	OwnFactors OwnFactors
	// Tokens are access tokens, TokenLifetime the longest that one may live; nil has none.
	Tokens        OwnTokens
	TokenLifetime time.Duration
	// Find returns the accounts with an address, to tell people of a second one of their own; nil tells nobody.
	Find func(ctx context.Context, address string) ([]*account.Account, error)
	// StepUps ask whoever changes something for a fresh proof; nil asks nobody.
	StepUps StepUps
	// Notices mails what changed; nil mails nothing.
	Notices Notices
	// Events are shown to whom they concern; nil shows none.
	Events audit.Reader
	// Audit takes what people do here; nil forgets it.
	Audit audit.Recorder
	// ReportsTo is true where the support is told by mail when somebody locks their account.
	ReportsTo bool
}

func (h *AccountPages) routes(at route) {
	at("/account", h.account, nil)
	if h.OwnFactors != nil {
		h.factorRoutes(at)
	}
	if h.OwnAccount == nil {
		return
	}
	at("/account/name", h.showName, h.changing("/account/name", h.rename))
	at("/account/devices", h.showDevices, nil)
	at("/account/devices/end", h.backTo("/account/devices"), h.changing("/account/devices", h.endSession))
	at("/account/devices/end-others", h.backTo("/account/devices"), h.changing("/account/devices", h.endOthers))
	at("/account/devices/forget", h.backTo("/account/devices"), h.changing("/account/devices", h.forgetOwnDevice))
	at("/account/history", h.showHistory, nil)
	at("/account/tokens", h.showTokens, h.changing("/account/tokens", h.createToken))
	at("/account/tokens/revoke", h.backTo("/account/tokens"), h.changing("/account/tokens", h.revokeToken))
	at("/account/not-me", h.showNotMe, h.notMe)
	l := notMeLink()
	at(l.path+"/{token}", h.openLink(l), nil)
	at(l.path, h.showNotMeLink, h.notMeByLink)
}

// fresh reports whether somebody may change what protects their account without proving once more who they are.
func (h *AccountPages) fresh(r *http.Request, s *session.Session) (bool, error) {
	if h.StepUps == nil {
		return true, nil
	}
	return h.StepUps.Fresh(r, s)
}

// stepUpURL is where they prove it, on the way to a page of ours.
func (h *AccountPages) stepUpURL(back string) string {
	return h.below("/factor/step-up", "return_to", h.Prefix+back)
}

// changing runs a change of somebody's own account if they have lately proven who they are; others are led to do that first, and then
// to the page that the change belongs to, with what they typed.
func (h *AccountPages) changing(back string, do func(http.ResponseWriter, *http.Request, *session.Session, url.Values) error) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := allow(h.Limits.Links, r, fault.Next{Label: "Back to your account", Path: "/account"}); err != nil {
			return err
		}
		f, err := form(w, r)
		if err != nil {
			return err
		}
		s, err := h.signedIn(w, r, back)
		if err != nil || s == nil {
			return err
		}
		fresh, err := h.fresh(r, s)
		if err != nil {
			return err
		}
		if !fresh {
			redirect(w, r, h.stepUpURL(h.withTyped(back, s, f)))
			return nil
		}
		return do(w, r, s, f)
	}
}

func (h *AccountPages) account(w http.ResponseWriter, r *http.Request) error {
	s, err := h.signedIn(w, r, "/account")
	if err != nil || s == nil {
		return err
	}
	data := accountPage{
		Name: s.Name, Email: s.Email, Username: s.Username, Provider: s.Provider, Local: s.Provider == account.OwnerLocal,
		Groups: s.Groups, LastSignIn: s.LastSignIn, PasswordEnd: h.passwordEnd(s),
	}
	h.ownPassword(&data, s)
	if data.Others, err = h.otherAccounts(r, s); err != nil {
		return err
	}
	if err := h.ownFactors(r, &data, s); err != nil {
		return err
	}
	if h.OwnSessions != nil {
		all, err := h.OwnSessions.ListOwn(r.Context(), s.AccountID)
		if err != nil {
			return err
		}
		data.Sessions = h.ownSessions(all, s)
		if n := len(data.Sessions); n > fewSessions {
			data.Sessions, data.More = data.Sessions[:fewSessions], n-fewSessions
		}
	}
	if data.TokensOn = h.Tokens != nil; data.TokensOn {
		all, err := h.ownTokens(r, s)
		if err != nil {
			return err
		}
		data.Tokens = len(all)
	}
	if data.Events, err = h.events(r, s, fewEvents); err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, "account", data)
}

// otherAccounts returns how one signs in to other accounts with the address of a session. It is told only where the session's address is
// beyond doubt: of a mailed invitation, or of a domain that belongs to the provider itself. Anywhere else a provider could be asked who is here.
func (h *AccountPages) otherAccounts(r *http.Request, s *session.Session) ([]string, error) {
	if h.Find == nil || s.Email == "" {
		return nil, nil
	}
	if s.Provider != account.OwnerLocal {
		if owner, ok := h.Realms.Owner(s.Email); !ok || owner.Info().ID != s.Provider {
			return nil, nil
		}
	}
	all, err := h.Find(r.Context(), s.Email)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, a := range all {
		if a.ID != s.AccountID && a.State != account.Disabled {
			out = append(out, h.providerName(a.Owner))
		}
	}
	return out, nil
}

// ownPassword says where the password is changed.
func (h *AccountPages) ownPassword(data *accountPage, s *session.Session) {
	if data.Local {
		data.ChangeURL = h.localChangeURL()
		return
	}
	if info, ok := h.provider(s); ok {
		data.Provider, data.Help, data.Elsewhere = info.Name, info.Password.Help, !info.Password.ChangeHere
		if data.ChangeURL = cmp.Or(s.PasswordChangeURL, info.Password.ChangeURL); info.Password.ChangeHere {
			data.ChangeURL = h.changeURL(info)
		}
	}
}

// localChangeURL is where a password of ours is changed.
func (h *Site) localChangeURL() string {
	return h.below("/sign-in/change-password", "return_to", h.Prefix+"/account")
}

// ownFactors lists the second steps; those that are not allowed any more and those that only stand in are left out.
func (h *AccountPages) ownFactors(r *http.Request, data *accountPage, s *session.Session) error {
	if h.OwnFactors == nil {
		return nil
	}
	data.FactorsOn = true
	all, err := h.OwnFactors.List(r.Context(), s.AccountID)
	if err != nil {
		return err
	}
	data.Factors = h.managedFactors(all)
	return nil
}

// managedFactors describes factors for their owner.
func (h *AccountPages) managedFactors(all []mfa.Enrolment) []managed {
	var out []managed
	for _, e := range all {
		info, err := h.OwnFactors.Info(e.Kind)
		if err != nil || info.Backup {
			continue // not allowed any more, or shown apart
		}
		out = append(out, managed{ID: e.ID, Name: e.Name, Kind: info.Name, CreatedAt: e.CreatedAt, UsedAt: e.UsedAt})
	}
	return out
}

// browserWords describes a user agent for people.
func browserWords(userAgent string) string {
	if words := audit.Browser(userAgent); words != "" {
		return strings.ToUpper(words[:1]) + words[1:]
	}
	return "A browser we do not know"
}
