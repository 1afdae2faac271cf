package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/identity"
)

// HelpPages say where passwords are reset and changed, and what an error code means.
type HelpPages struct {
	*Site
	// Explain finds what is known about an error code in a text that somebody typed; nil offers no such help.
	Explain func(text string) (identity.Advice, bool)
	// LockDuration is how long an account stays locked after wrong passwords; zero is not mentioned.
	LockDuration time.Duration
}

func (h *HelpPages) routes(at route) { at("/help", h.help, nil) }

// helpPage is the Data of the page "help".
type helpPage struct {
	Providers []helpWay
	// Local is true where local passwords exist, Reset where they are reset by mail.
	Local, Reset bool
	// LockDuration is how long a lock after wrong passwords lasts, in words; empty where nothing locks here.
	LockDuration string
	// Codes offers to look up an error code.
	Codes bool
	// Answer is about the code that was looked up; nil where none was.
	Answer *codeAnswer
	// Problem is what is wrong with the code; empty for nothing.
	Problem string
}

// helpWay says where one provider's passwords are reset and changed; each address may be empty. HereURL is a page of ours.
type helpWay struct{ Name, ResetURL, ChangeURL, HereURL, Help string }

// codeAnswer explains an error code. Nothing in it was typed by anybody: the code is a word of a table, or a maker's prefix with digits.
type codeAnswer struct {
	Code, Vendor string
	// Title and Text are empty where only the maker is known.
	Title, Text string
	// Buttons are what helps; empty where somebody has to be asked.
	Buttons []helpButton
	ForIT   string
	MoreURL string
}

// helpButton leads to what helps; Away is true where that is somebody else's page.
type helpButton struct {
	Label, URL string
	Away       bool
}

func (h *HelpPages) help(w http.ResponseWriter, r *http.Request) error {
	data := helpPage{Local: h.Local, Reset: h.MailedReset, Codes: h.Explain != nil}
	if h.LockDuration > 0 {
		data.LockDuration = account.Lifetime(h.LockDuration)
	}
	infos := h.infos()
	for _, info := range infos {
		way := helpWay{Name: info.Name, ResetURL: info.Password.ResetURL, ChangeURL: info.Password.ChangeURL, Help: info.Password.Help}
		if info.Password.ChangeHere {
			way.ChangeURL, way.HereURL = "", h.changeURL(info)
		}
		data.Providers = append(data.Providers, way)
	}
	// What was typed is not shown again: a link to this page must not be able to put words on it.
	if q := r.URL.Query(); q.Has("code") && h.Explain != nil {
		typed := strings.TrimSpace(q.Get("code"))
		if advice, ok := h.Explain(typed); typed == "" {
			data.Problem = "Type the code that the page showed, or paste its whole message."
		} else if ok {
			data.Answer = h.answer(advice, infos)
		} else {
			data.Problem = "There is no code in it that we know. Look for something like AADSTS50105, E0000069 or admin_policy_enforced, and type just that."
		}
	}
	return h.Pages.Render(w, r, http.StatusOK, "help", data)
}

// answer puts advice into the words of the providers that are set up here.
func (h *HelpPages) answer(a identity.Advice, infos []identity.Info) *codeAnswer {
	var users []identity.Info
	for _, info := range infos {
		if slices.Contains(a.Kinds, info.Kind) {
			users = append(users, info)
		}
	}
	name := a.Vendor
	if len(users) == 1 {
		name = users[0].Name
	}
	say := strings.NewReplacer("{name}", name).Replace
	out := &codeAnswer{Code: a.Code, Vendor: a.Vendor, Title: capital(say(a.Title)), Text: capital(say(a.Text)), ForIT: a.ForIT, MoreURL: a.MoreURL}
	switch a.Step {
	case identity.StepAgain:
		out.Buttons = []helpButton{{Label: "Sign in again", URL: h.Prefix + "/sign-in"}}
	case identity.StepSwitch:
		out.Buttons = []helpButton{{Label: "Use another account", URL: h.Prefix + "/sign-in?switch=1"}}
	case identity.StepReset:
		for _, info := range users {
			out.add("Reset it at "+info.Name, info.Password.ResetURL)
		}
	case identity.StepChange:
		for _, info := range users {
			if info.Password.ChangeURL == "" {
				out.add("Reset it at "+info.Name, info.Password.ResetURL)
			}
			out.add("Change it at "+info.Name, info.Password.ChangeURL)
		}
	}
	return out
}

// add offers an address of a provider, if there is one.
func (a *codeAnswer) add(label, address string) {
	if address != "" {
		a.Buttons = append(a.Buttons, helpButton{Label: label, URL: address, Away: true})
	}
}

// capital begins a sentence whose first word is a maker in words, such as "the sign-in page".
func capital(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
