package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/session"
)

// happened is one event of an account in plain words.
type happened struct {
	At time.Time
	// What says what it was, How with what; How may be empty.
	What, How string
	// Bad is true for what did not succeed or what nobody wants to find there.
	Bad bool
	// Address and Browser are where it came from; empty for what came from the gateway itself.
	Address, Browser string
	// By says who did it where that was not the owner.
	By string
}

// historyPage is the Data of the page "account_history".
type historyPage struct {
	Events []happened
	// Most is how many the page shows at most.
	Most int
}

// mostEvents is how many events the page shows.
const mostEvents = 50

// ownKinds are the events that a person sees of their own account: those about getting in and about what protects it.
func ownKinds() []audit.Kind {
	return []audit.Kind{
		audit.SignIn, audit.SignInRefused, audit.SignOut, audit.SessionRevoked, audit.NewDevice, audit.NotMe,
		audit.AccountCreated, audit.AccountUpdated, audit.AccountDisabled, audit.AccountEnabled, audit.AccountLocked, audit.AccountUnlocked, audit.AccountRestored,
		audit.Invited, audit.ResetRequested, audit.ResetWithdrawn, audit.PasswordSet,
		audit.FactorAdded, audit.FactorRemoved, audit.FactorRefused, audit.FactorLocked, audit.SteppedUp, audit.FactorsCleared, audit.PasskeyCopied,
		audit.RecoveryIssued, audit.DeviceRemembered, audit.DeviceForgotten, audit.TokenCreated, audit.TokenRevoked,
	}
}

func (h *AccountPages) showHistory(w http.ResponseWriter, r *http.Request) error {
	s, err := h.signedIn(w, r, "/account/history")
	if err != nil || s == nil {
		return err
	}
	all, err := h.events(r, s, mostEvents)
	if err != nil {
		return err
	}
	return h.Pages.Render(w, r, http.StatusOK, "account_history", historyPage{Events: all, Most: mostEvents})
}

// events returns the newest events of somebody's own account.
func (h *AccountPages) events(r *http.Request, s *session.Session, most int) ([]happened, error) {
	if h.Events == nil {
		return nil, nil
	}
	all, err := h.Events.ListEvents(r.Context(), audit.Filter{AccountID: s.AccountID, Kinds: ownKinds(), Limit: most})
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	var out []happened
	for _, e := range all {
		out = append(out, h.describe(e, s.AccountID))
	}
	return out, nil
}

// describe says in plain words what an event was. What a stranger wrote stands in none of them.
func (h *AccountPages) describe(e audit.Event, owner string) happened {
	d := happened{At: e.Time, Address: e.Address}
	if e.UserAgent != "" {
		d.Browser = audit.Browser(e.UserAgent)
	}
	switch e.Actor {
	case "", owner:
	case "cli":
		d.By = "an administrator"
	default:
		d.By = "an administrator"
		if _, ok := h.Realms.Get(e.Actor); ok {
			d.By = h.providerName(e.Actor)
		}
	}
	if e.Kind == audit.SignIn {
		d.What, d.How = "You signed in", h.howWords(e)
		return d
	}
	d.What, d.Bad = eventWords(e)
	if e.Kind == audit.SignInRefused {
		d.How = h.howWords(e)
	}
	return d
}

// howWords says what somebody signed in with.
func (h *AccountPages) howWords(e audit.Event) string {
	if e.Provider != account.OwnerLocal && e.Provider != "" {
		return "with " + h.providerName(e.Provider)
	}
	words := map[string]string{"pwd": "your password", "otp": "a code", "sms": "a text message", "hwk": "a passkey", "swk": "a passkey", "pop": "a passkey"}
	var used []string
	for _, method := range strings.Fields(e.Detail) {
		word := words[method]
		if word != "" && (len(used) == 0 || used[len(used)-1] != word) {
			used = append(used, word)
		}
	}
	if len(used) == 0 {
		return ""
	}
	return "with " + strings.Join(used, " and ")
}

// factorWords are the kinds of second steps as events name them.
func factorWords(reason string) string {
	kind, _, _ := strings.Cut(reason, "_")
	words := map[string]string{"passkey": "passkey", "totp": "authenticator app", "email": "code by e-mail", "sms": "code by text message", "recovery": "recovery codes"}
	if w := words[kind]; w != "" {
		return ": " + w
	}
	return ""
}

// refusalWords say why a sign-in was refused.
func refusalWords(reason string) string {
	words := map[string]string{
		"wrong_password": "Somebody tried a wrong password", "locked": "A sign-in was refused while your account was locked",
		"disabled": "A sign-in was refused while your account was disabled", "account_disabled": "A sign-in was refused while your account was disabled",
		"network": "A sign-in was refused: too many tries from that network", "password_expired": "A sign-in was stopped: the password had run out",
	}
	if w := words[reason]; w != "" {
		return w
	}
	return "A sign-in was refused"
}

// newPlaceWords say what was new about a sign-in.
func newPlaceWords(reason string) string {
	words := map[string]string{"browser": "a new browser", "network": "a new network"}
	if w := words[reason]; w != "" {
		return "A sign-in from " + w
	}
	return "A sign-in from a new browser in a new network"
}

// eventWords says what an event was, and whether its owner should look twice.
func eventWords(e audit.Event) (what string, bad bool) {
	switch e.Kind {
	case audit.SignInRefused:
		return refusalWords(e.Reason), true
	case audit.SignOut:
		return "You signed out", false
	case audit.SessionRevoked:
		switch e.Reason {
		case "others":
			return "All other browsers were signed out", false
		case "all":
			return "All browsers were signed out", false
		}
		return "A browser was signed out", false
	case audit.NewDevice:
		return newPlaceWords(e.Reason), false
	case audit.NotMe:
		return "You said that this was not you, and the account was locked", true
	case audit.PasswordSet:
		return "The password was set", false
	case audit.ResetRequested:
		return "A new password was asked for", false
	case audit.ResetWithdrawn:
		return "The request for a new password was withdrawn", false
	case audit.AccountLocked:
		return "Your account was locked after too many wrong passwords", true
	case audit.FactorAdded:
		return "A second step was added" + factorWords(e.Reason), false
	case audit.FactorRemoved:
		return "A second step was removed" + factorWords(e.Reason), false
	case audit.FactorRefused:
		return "A wrong answer to the second step" + factorWords(e.Reason), true
	case audit.PasskeyCopied:
		return "A copy of a passkey was used and refused", true
	case audit.FactorLocked:
		return "Your second step was locked after too many wrong answers", true
	}
	if what = plainWords()[e.Kind]; what != "" {
		return what, false
	}
	return "Something about your account changed", false
}

// plainWords are the events that need no more than their kind.
func plainWords() map[audit.Kind]string {
	return map[audit.Kind]string{
		audit.AccountCreated: "Your account was made", audit.AccountUpdated: "Your details changed", audit.AccountDisabled: "Your account was disabled",
		audit.AccountEnabled: "Your account was enabled", audit.AccountUnlocked: "Your account was unlocked", audit.AccountRestored: "Your account was restored",
		audit.Invited: "You were invited", audit.SteppedUp: "You proved once more that it is you", audit.FactorsCleared: "All second steps were removed",
		audit.RecoveryIssued: "A recovery code was given out", audit.DeviceRemembered: "A device was remembered for the second step",
		audit.DeviceForgotten: "A remembered device was forgotten", audit.TokenCreated: "An access token was made", audit.TokenRevoked: "An access token was revoked",
	}
}
