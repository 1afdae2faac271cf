package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"crmgate/internal/account"
	"crmgate/internal/bearer"
	"crmgate/internal/fault"
	"crmgate/internal/session"
)

// OwnTokens are the access tokens of one person; bearer.Service is one.
type OwnTokens interface {
	// Create makes a token and returns it with its secret.
	Create(ctx context.Context, w bearer.Wanted, actor string) (bearer.Token, string, error)
	// List returns the tokens of an account, newest first; those that have ended stay for a while.
	List(ctx context.Context, accountID string) ([]bearer.Token, error)
	// Revoke ends a token of an account.
	Revoke(ctx context.Context, accountID, id, actor string) error
}

// ownToken is an access token as its owner sees it.
type ownToken struct {
	ID, Name string
	// For says what it may do.
	For                  string
	CreatedAt, ExpiresAt time.Time
	// UsedAt is zero for one that was never used, UsedFrom the address then.
	UsedAt   time.Time
	UsedFrom string
	Ended    bool
}

// tokensPage is the Data of the page "account_tokens".
type tokensPage struct {
	Tokens []ownToken
	// Secret and Made are the token that was just made, shown once; Example is a command that uses it.
	Secret, Made, Example string
	// Problem is what is wrong with the form, At the id of the field concerned; empty where it is none of them.
	Problem, At string
	// What was typed.
	Name, Paths string
	Write       bool
	// Lifetimes are the choices, the one that is chosen first.
	Lifetimes []lifetime
	// Newest is the id of the newest token that the page shows, so that a form sent twice is noticed; "none" where there is none.
	Newest    string
	StepUpURL string
	// NotYet is true where what was typed waits to be sent once more.
	NotYet bool
}

type lifetime struct {
	Days   int
	Words  string
	Chosen bool
}

// ownTokens returns somebody's live tokens.
func (h *AccountPages) ownTokens(r *http.Request, s *session.Session) ([]bearer.Token, error) {
	all, err := h.Tokens.List(r.Context(), s.AccountID)
	return slices.DeleteFunc(all, func(t bearer.Token) bool { return !h.now().Before(t.ExpiresAt) }), err
}

func (h *AccountPages) showTokens(w http.ResponseWriter, r *http.Request) error {
	s, err := h.signedIn(w, r, "/account/tokens")
	if err != nil || s == nil {
		return err
	}
	data, days := tokensPage{Paths: "/**"}, 90
	if f, ok := h.typed(r, s, "/account/tokens"); ok {
		data.NotYet = true
		if f.Get("days") != "" { // the form for a new one, not a button that ends one
			data.Name, data.Paths, data.Write = f.Get("name"), f.Get("paths"), f.Get("write") != ""
			days, _ = strconv.Atoi(f.Get("days"))
		}
	}
	return h.tokensPage(w, r, s, http.StatusOK, data, days)
}

var errNoTokens = fault.New(fault.NotFound, "Access tokens are switched off here.").WithReason("tokens_off").WithNext(fault.Next{Label: "Back to your account", Path: "/account"})

// tokensPage fills in what every form of the page shows.
func (h *AccountPages) tokensPage(w http.ResponseWriter, r *http.Request, s *session.Session, status int, data tokensPage, days int) error {
	if h.Tokens == nil {
		return errNoTokens
	}
	all, err := h.Tokens.List(r.Context(), s.AccountID)
	if err != nil {
		return err
	}
	data.Newest = newest(all)
	for _, t := range all {
		data.Tokens = append(data.Tokens, ownToken{
			ID: t.ID, Name: t.Name, For: scopeWords(t), CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, UsedAt: t.LastUsedAt, UsedFrom: t.LastUsedFrom,
			Ended: !h.now().Before(t.ExpiresAt),
		})
	}
	for _, d := range []int{7, 30, 90, 365} {
		if life := time.Duration(d) * 24 * time.Hour; life <= h.TokenLifetime {
			data.Lifetimes = append(data.Lifetimes, lifetime{Days: d, Words: account.Lifetime(life), Chosen: d == days})
		}
	}
	if len(data.Lifetimes) == 0 {
		data.Lifetimes = []lifetime{{Words: account.Lifetime(h.TokenLifetime), Chosen: true}}
	}
	if data.StepUpURL, err = h.staleURL(r, s, "/account/tokens"); err != nil {
		return err
	}
	return h.Pages.Render(w, r, status, "account_tokens", data)
}

// newest is the id of the newest token.
func newest(all []bearer.Token) string {
	if len(all) == 0 {
		return "none"
	}
	return all[0].ID
}

// sentAlready is for whoever reloads the page that showed a new token.
const sentAlready = "Your tokens are not those that you had when you opened this form; perhaps it was sent twice. Look at the list. If you want another token, make it now; " +
	"the secret of one that is there cannot be shown again."

// scopeWords says what a token may do.
func scopeWords(t bearer.Token) string {
	verb := "read and change"
	switch {
	case slices.Equal(t.Methods, readMethods()):
		verb = "read"
	case len(t.Methods) > 0:
		verb = strings.Join(t.Methods, ", ") + " on"
	}
	if slices.Equal(t.Paths, []string{"/**"}) {
		return "May " + verb + " everything that you may"
	}
	return "May " + verb + " " + strings.Join(t.Paths, ", ")
}

func readMethods() []string { return []string{"GET", "HEAD"} }

func (h *AccountPages) createToken(w http.ResponseWriter, r *http.Request, s *session.Session, f url.Values) error {
	if h.Tokens == nil {
		return errNoTokens
	}
	days, _ := strconv.Atoi(f.Get("days")) // none is the longest that is allowed
	want := bearer.Wanted{AccountID: s.AccountID, Name: f.Get("name"), Paths: strings.Fields(f.Get("paths")), Lifetime: time.Duration(min(max(days, 0), 36600)) * 24 * time.Hour}
	if f.Get("write") == "" {
		want.Methods = readMethods()
	}
	typed := tokensPage{Name: want.Name, Paths: f.Get("paths"), Write: want.Methods == nil}
	if seen := f.Get("newest"); seen != "" {
		all, err := h.Tokens.List(r.Context(), s.AccountID)
		if err != nil {
			return err
		}
		if newest(all) != seen {
			typed.Problem = sentAlready
			return h.tokensPage(w, r, s, http.StatusConflict, typed, days)
		}
	}
	t, secret, err := h.Tokens.Create(r.Context(), want, "")
	var said *fault.Error
	if (fault.Is(err, fault.Invalid) || fault.Is(err, fault.Conflict)) && errors.As(err, &said) {
		typed.Problem, typed.At = said.Sentence, badField(want, err)
		return h.tokensPage(w, r, s, http.StatusUnprocessableEntity, typed, days)
	}
	if err != nil {
		return err
	}
	if h.Notices != nil {
		h.Notices.TokenMade(r.Context(), s.AccountID, t.Name, t.ExpiresAt)
	}
	example := "curl -H \"Authorization: Bearer $TOKEN\" " + strings.TrimSuffix(h.BaseURL, h.Prefix) + examplePath(t.Paths)
	return h.tokensPage(w, r, s, http.StatusOK, tokensPage{Secret: secret, Made: t.Name, Example: example, Paths: "/**"}, 90)
}

// badField is the id of the field that a refusal is about.
func badField(want bearer.Wanted, err error) string {
	switch {
	case fault.Is(err, fault.Conflict):
		return "" // there are too many
	case strings.TrimSpace(want.Name) == "", utf8.RuneCountInString(want.Name) > 100:
		return "name"
	}
	return "paths"
}

// examplePath is a path that the first pattern lets through.
func examplePath(paths []string) string {
	path, _, _ := strings.Cut(paths[0], "*")
	return path
}

func (h *AccountPages) revokeToken(w http.ResponseWriter, r *http.Request, s *session.Session, f url.Values) error {
	if h.Tokens == nil {
		return errNoTokens
	}
	err := h.Tokens.Revoke(r.Context(), s.AccountID, f.Get("id"), "")
	if err != nil && !fault.Is(err, fault.NotFound) { // gone is what was wanted
		return err
	}
	redirect(w, r, h.below("/account/tokens"))
	return nil
}
