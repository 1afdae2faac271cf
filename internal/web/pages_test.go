package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/session"
	"crmgate/internal/signin"
)

func withLink(r *http.Request) {
	r.AddCookie(&http.Cookie{Name: "crmgate_reset", Value: goodLink})
	r.AddCookie(&http.Cookie{Name: "crmgate_invite", Value: goodLink})
	r.AddCookie(&http.Cookie{Name: "crmgate_withdraw", Value: goodLink})
}

// changeForm is a complete form of the page that changes a password.
const changeForm = "provider=staff&identifier=ann@staff.example.com&current_password=old&password=correct+horse&password_confirm=correct+horse"

// mustChange is a directory that lets nobody in before they have a new password.
func mustChange(at identity.Info) func(*world) {
	return func(v *world) {
		v.flow.step.Provider = &at
		v.flow.err = &identity.MustChange{Here: at.Password.ChangeHere, Expired: true, Err: fault.New(fault.Forbidden, "Your password at "+at.Name+" has expired.")}
	}
}

func asks(v *world) { v.flow.step = signin.Step{Kind: signin.StepPassword} }

// details is what a provider's refusal shows for IT.
var details = []fault.Detail{
	{Name: "From", Value: "Contoso"}, {Name: "Code", Value: "AADSTS50105"}, {Name: "Time", Value: "2026-11-22 09:30:00 UTC"},
	{Name: "Correlation ID", Value: "9b2e4d10-7777-4888-9999-aaaabbbbcccc"},
}

func refusedThere(v *world) {
	v.flow.err = fault.New(fault.Forbidden, "Your sign-in at Contoso worked, but you have not been given access to this application. Please ask your administrator to assign you to it.").
		WithTitle("You have no access to this application yet").WithDetails(details...).WithNext(fault.NextHelp)
}

func expiredThere(v *world) {
	v.flow.err = fault.New(fault.Forbidden, "Your password at Contoso has expired. Change it there, then sign in again.").WithTitle("Your password has expired").
		WithDetails(details...).WithNext(fault.Next{Label: "Change it at Contoso", Path: "/help", Away: "https://change.contoso.com/"})
}

// explains knows one code.
func explains(v *world) {
	known := contoso
	known.Kind = "entra"
	v.Realms = identity.NewRealms(fakeProvider(known), fakeProvider(fabrikam))
	v.Help.Explain = func(text string) (identity.Advice, bool) {
		return identity.Advice{Code: "AADSTS50055", Kinds: []string{"entra"}, Vendor: "Microsoft", Title: "Your password has expired",
			Text: "Your password at {name} has expired. Change it there, then sign in again.", Step: identity.StepChange,
			ForIT: "Nothing to mend.", MoreURL: "https://login.microsoftonline.com/error?code=50055"}, text == "AADSTS50055"
	}
}

// shows are all pages in all their states.
var shows = map[string]struct {
	method, target, body string
	change               func(*world)
	status               int
	// problem is true where the form is shown again.
	problem bool
}{
	"sign-in":                   {"GET", "/_gate/sign-in?return_to=/deals", "", nil, 200, false},
	"sign-in, signed in":        {"GET", "/_gate/sign-in", "", func(v *world) { v.Sessions = fakeSessions{s: annSession("contoso")} }, 200, false},
	"sign-in, unsent":           {"GET", "/_gate/sign-in?return_to=/_gate/account/name&unsent=1", "", nil, 200, false},
	"sign-in, nothing typed":    {"POST", "/_gate/sign-in", "identifier=+", nil, 422, true},
	"sign-in, no way in":        {"POST", "/_gate/sign-in", "identifier=a@b.example", func(v *world) { v.flow.step.Kind = signin.StepUnknown }, 422, true},
	"password":                  {"POST", "/_gate/sign-in", "identifier=ann@partner.example", asks, 200, false},
	"password, wrong":           {"POST", "/_gate/sign-in/password", "identifier=ann@partner.example&password=x", func(v *world) { v.flow.err = identity.ErrWrongPassword }, 401, true},
	"password, nothing typed":   {"POST", "/_gate/sign-in/password", "identifier=ann@partner.example&password=", nil, 422, true},
	"password, provider chosen": {"GET", "/_gate/sign-in/directory", "", asks, 200, false},
	"change":                    {"GET", "/_gate/sign-in/change-password", "", nil, 200, false},
	"change, directory":         {"GET", "/_gate/sign-in/change-password?provider=staff", "", nil, 200, false},
	"change, signed in":         {"GET", "/_gate/sign-in/change-password", "", func(v *world) { v.Sessions = fakeSessions{s: annSession("staff")} }, 200, false},
	"change, nothing typed":     {"POST", "/_gate/sign-in/change-password", "provider=staff", nil, 422, true},
	"change, mismatch":          {"POST", "/_gate/sign-in/change-password", changeForm + "x", nil, 422, true},
	"change, wrong":             {"POST", "/_gate/sign-in/change-password", changeForm, func(v *world) { v.flow.err = identity.ErrWrongPassword }, 401, true},
	"change, refused": {"POST", "/_gate/sign-in/change-password", changeForm, func(v *world) {
		v.flow.err = fault.New(fault.Invalid, "The new password is too short for Staff directory.")
	}, 422, true},
	"change, must":              {"POST", "/_gate/sign-in/password", "identifier=ann@staff.example.com&password=x", mustChange(staff), 403, false},
	"change, must elsewhere":    {"POST", "/_gate/sign-in/password", "identifier=ann@contoso.com&password=x", mustChange(contoso), 403, false},
	"change, elsewhere":         {"GET", "/_gate/sign-in/change-password?provider=contoso", "", nil, 200, false},
	"change, elsewhere, no way": {"GET", "/_gate/sign-in/change-password?provider=directory", "", nil, 200, false},
	"reset":                     {"GET", "/_gate/reset", "", nil, 200, false},
	"reset, nothing typed":      {"POST", "/_gate/reset", "identifier=", nil, 422, true},
	"reset, sent":               {"POST", "/_gate/reset", "identifier=ann@partner.example", nil, 200, false},
	"reset, no mail":            {"POST", "/_gate/reset", "identifier=ann@partner.example", func(v *world) { v.MailedReset = false }, 200, false},
	"reset, provider":           {"POST", "/_gate/reset", "identifier=ann@contoso.com", nil, 200, false},
	"reset, directory":          {"POST", "/_gate/reset", "identifier=ann@corp.example.com", nil, 200, false},
	"new password":              {"GET", "/_gate/reset/set", "", nil, 200, false},
	"new password, refused":     {"POST", "/_gate/reset/set", "password=password&password_confirm=password", nil, 422, true},
	"new password, mismatch":    {"POST", "/_gate/reset/set", "password=one&password_confirm=two", nil, 422, true},
	"new password, done":        {"POST", "/_gate/reset/set", "password=correct+horse+battery&password_confirm=correct+horse+battery", nil, 200, false},
	"invitation":                {"GET", "/_gate/invite/set", "", nil, 200, false},
	"invitation, done":          {"POST", "/_gate/invite/set", "password=correct+horse+battery&password_confirm=correct+horse+battery", nil, 200, false},
	"reset, user name too":      {"GET", "/_gate/reset", "", func(v *world) { v.Reset.RequireUsername = true }, 200, false},
	"withdraw":                  {"GET", "/_gate/withdraw", "", nil, 200, false},
	"withdrawn":                 {"POST", "/_gate/withdraw", "", nil, 200, false},
	"link expired":              {"GET", "/_gate/reset/set", "", func(v *world) { v.accounts.used = true }, 410, false},
	"sign-out":                  {"GET", "/_gate/sign-out", "", func(v *world) { v.Sessions = fakeSessions{s: annSession("contoso")} }, 200, false},
	"signed out":                {"GET", "/_gate/signed-out", "", nil, 200, false},
	"signed out there, too":     {"GET", "/_gate/signed-out?state=good", "", func(v *world) { v.SignOut.Logouts = &fakeLogouts{} }, 200, false},
	"sign-in, in circles": {"GET", "/_gate/sign-in?return_to=/deals", "", func(v *world) {
		v.Direct, v.Sessions = "contoso", fakeSessions{pace: session.PaceLoop}
	}, 200, false},
	"refused there": {"GET", "/_gate/callback/contoso?error=access_denied", "", refusedThere, 403, false},
	"expired there": {"GET", "/_gate/callback/contoso?error=access_denied", "", expiredThere, 403, false},
	"provider down": {"POST", "/_gate/sign-in", "identifier=ann@contoso.com&return_to=/deals", unreachable, 503, false},
	"not connected": {"GET", "/_gate/callback/contoso?x=2", "", func(v *world) {
		v.flow.err = fault.New(fault.Forbidden, "The account with your address ann@contoso.com signs in with Fabrikam, not with Contoso. Sign in with Fabrikam, or ask your CRM support to change it.").
			WithTitle("Your account is not connected yet").WithNext(fault.NextHelp)
	}, 403, false},
	"help":                {"GET", "/_gate/help", "", nil, 200, false},
	"help, code":          {"GET", "/_gate/help?code=AADSTS50055", "", explains, 200, false},
	"help, no code":       {"GET", "/_gate/help?code=help+me", "", explains, 200, true},
	"help, nothing typed": {"GET", "/_gate/help?code=", "", explains, 200, true},
	"account, password ends": {"GET", "/_gate/account", "", func(v *world) {
		s := annSession("contoso")
		s.PasswordExpires = time.Now().Add(74 * time.Hour)
		v.Sessions = fakeSessions{s: s}
	}, 200, false},
	"account":        {"GET", "/_gate/account", "", func(v *world) { v.Sessions = fakeSessions{s: annSession("contoso")} }, 200, false},
	"account, local": {"GET", "/_gate/account", "", func(v *world) { v.Sessions = fakeSessions{s: annSession("local")} }, 200, false},
	"nothing here":   {"GET", "/_gate/no/such/page", "", nil, 404, false},
	"wrong method":   {"PUT", "/_gate/sign-in", "", nil, 405, false},
	"refused":        {"GET", "/_gate/callback/contoso?x=1", "", func(v *world) { v.flow.err = fault.New(fault.Forbidden, "Not you.") }, 403, false},
	"broken":         {"GET", "/_gate/account", "", func(v *world) { v.Sessions = fakeSessions{err: errors.New("store is down")} }, 500, false},
}

// Every page is whole, can be used with a keyboard and a screen reader, and needs no script.
func TestPages(t *testing.T) {
	for name, tc := range shows {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if tc.change != nil {
				tc.change(w)
			}
			rec := w.do(tc.method, tc.target, tc.body, withLink)
			if rec.Code != tc.status {
				t.Fatalf("status %d, want %d", rec.Code, tc.status)
			}
			if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Content-Security-Policy") == "" {
				t.Errorf("headers %v", rec.Header())
			}
			checkPage(t, rec, tc.problem)
		})
	}
}

func checkPage(t *testing.T, rec *httptest.ResponseRecorder, problem bool) {
	t.Helper()
	page := parse(t, rec.Body.String())
	page.one(t, "html[lang=en]")
	page.one(t, "main")
	if page.one(t, "h1").words() == "" || !strings.HasSuffix(page.one(t, "title").words(), "Example CRM") {
		t.Errorf("heading %q, title %q", page.one(t, "h1").words(), page.one(t, "title").words())
	}
	ids := map[string]bool{}
	for _, n := range page.all(t, "[id]") {
		if ids[n.attr["id"]] {
			t.Errorf("id %s twice", n.attr["id"])
		}
		ids[n.attr["id"]] = true
	}
	page.walk(func(n *node) {
		for _, ref := range []string{"for", "aria-describedby", "aria-controls", "data-shows", "data-copies"} {
			for id := range strings.FieldsSeq(n.attr[ref]) {
				if !ids[id] {
					t.Errorf("%s of %s leads to no %q", ref, n.tag, id)
				}
			}
		}
		for name := range n.attr {
			if name == "style" || strings.HasPrefix(name, "on") {
				t.Errorf("%s has %s", n.tag, name)
			}
		}
		if href := n.attr["href"]; strings.HasPrefix(href, "#") && len(href) > 1 && !ids[href[1:]] {
			t.Errorf("link to no %q", href)
		} else if strings.Contains(href, "ZgotmplZ") {
			t.Errorf("link %q", href)
		}
	})
	checkForms(t, page)
	alerts := page.all(t, "[role=alert]")
	if problem != (len(alerts) == 1) || problem != strings.HasPrefix(page.one(t, "title").words(), "Error: ") {
		t.Errorf("%d alerts, title %q", len(alerts), page.one(t, "title").words())
	}
	if problem {
		bad := page.one(t, "input[aria-invalid=true]")
		if !strings.Contains(bad.attr["aria-describedby"], alerts[0].attr["id"]) || alerts[0].words() == "" {
			t.Errorf("the field does not point to the problem: %v", bad.attr)
		}
	}
}

func checkForms(t *testing.T, page *node) {
	t.Helper()
	labels := map[string]string{}
	for _, n := range page.all(t, "label") {
		labels[n.attr["for"]] = n.words()
	}
	for _, n := range page.all(t, "input") {
		if n.attr["type"] == "hidden" {
			continue
		}
		if labels[n.attr["id"]] == "" {
			t.Errorf("input %s has no label", n.attr["name"])
		}
		if n.attr["type"] == "password" && n.attr["value"] != "" {
			t.Error("a password came back")
		}
		if n.attr["type"] != "checkbox" && n.attr["autocomplete"] == "" {
			t.Errorf("input %s does not say what it is for", n.attr["name"])
		}
	}
	for _, n := range page.all(t, "button") {
		if n.words() == "" && n.attr["aria-label"] == "" {
			t.Error("a button without a name")
		}
		if _, hidden := n.attr["hidden"]; n.attr["type"] == "button" && !hidden {
			t.Errorf("button %q is there without script, and does nothing", n.attr["aria-label"])
		}
	}
	for _, n := range page.all(t, "form") {
		looksUp := n.attr["action"] == "/_gate/help#answer" // changes nothing, and may be a bookmark
		if (n.attr["method"] != "post" && !looksUp) || !strings.HasPrefix(n.attr["action"], "/_gate/") || !n.has(t, "button[type=submit]") {
			t.Errorf("form %v", n.attr)
		}
	}
}

func TestFieldsForPasswordManagers(t *testing.T) {
	for name, tc := range map[string]struct {
		show string
		want []string
	}{
		"sign-in":      {"sign-in", []string{"form[action=/_gate/sign-in] input[name=identifier][autocomplete=username][type=text]", "form input[type=hidden][name=return_to][value=/deals]"}},
		"password":     {"password", []string{"form[action=/_gate/sign-in/password] input[name=identifier][autocomplete=username][readonly][value=ann@partner.example]", "form[action=/_gate/sign-in/password] input[name=password][type=password][autocomplete=current-password]", "form input[name=remember][type=checkbox]", "a[href=/_gate/reset]", "a[href=/_gate/sign-in]"}},
		"new password": {"new password", []string{"form[action=/_gate/reset/set] input[name=username][autocomplete=username][value=ann@partner.example]", "form input[name=password][type=password][autocomplete=new-password][aria-describedby=password-rules]", "form input[name=password_confirm][type=password][autocomplete=new-password]"}},
		"invitation":   {"invitation", []string{"form[action=/_gate/invite/set] input[name=password][autocomplete=new-password]", "form input[name=password_confirm]"}},
		"chosen":       {"password, provider chosen", []string{"form input[type=hidden][name=provider][value=directory]", "form input[name=identifier][autocomplete=username]"}},
	} {
		t.Run(name, func(t *testing.T) {
			show := shows[tc.show]
			w := newWorld(t)
			if show.change != nil {
				show.change(w)
			}
			page := parse(t, w.do(show.method, show.target, show.body, withLink).Body.String())
			for _, sel := range tc.want {
				page.one(t, sel)
			}
		})
	}
	w := newWorld(t)
	page := parse(t, w.do("GET", "/_gate/reset/set", "", withLink).Body.String())
	for _, in := range page.all(t, "input[type=password]") {
		if in.attr["passwordrules"] != "minlength: 15;" {
			t.Errorf("rules %q", in.attr["passwordrules"])
		}
	}
	if !strings.Contains(page.words(), "At least 15 characters") {
		t.Error("the rules are not on the page")
	}
}

func TestHelpExplainsCodes(t *testing.T) {
	known := identity.Advice{Code: "AADSTS50055", Kinds: []string{"entra"}, Vendor: "Microsoft", Title: "Your password has expired",
		Text: "Your password at {name} has expired.", Step: identity.StepChange, ForIT: "Nothing.", MoreURL: "https://login.microsoftonline.com/error?code=50055"}
	for name, tc := range map[string]struct {
		answer  identity.Advice
		ok      bool
		kinds   []string // of Contoso and Fabrikam
		want    []string
		not     []string
		problem bool
	}{
		"of one provider here": {known, true, []string{"entra", "okta"}, []string{"AADSTS50055 means", "Your password at Contoso has expired.", "https://change.contoso.com/",
			"For your IT department: Nothing.", "https://login.microsoftonline.com/error?code=50055"}, []string{"{name}", "typed"}, false},
		"of several here": {known, true, []string{"entra", "entra"}, []string{"Your password at Microsoft has expired.", "https://change.contoso.com/", "Reset it at Fabrikam"},
			[]string{"{name}"}, false},
		"of nobody here": {known, true, nil, []string{"Your password at Microsoft has expired.", "Whom to ask"}, []string{"{name}", "Change it at Contoso"}, false},
		"unknown number": {identity.Advice{Code: "AADSTS99999", Kinds: []string{"entra"}, Vendor: "Microsoft", MoreURL: "https://login.microsoftonline.com/error?code=99999"}, true, nil,
			[]string{"AADSTS99999", "A code of Microsoft's that we have no words for"}, []string{"99999 means"}, false},
		"no code": {identity.Advice{}, false, nil, []string{"There is no code in it that we know."}, []string{"typed", "AADSTS50055"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := contoso, fabrikam
			if len(tc.kinds) == 2 {
				one.Kind, two.Kind = tc.kinds[0], tc.kinds[1]
			}
			w := newWorld(t)
			w.Realms = identity.NewRealms(fakeProvider(one), fakeProvider(two))
			w.Help.Explain = func(text string) (identity.Advice, bool) {
				if text != "<b>typed</b>" {
					t.Errorf("asked about %q", text)
				}
				return tc.answer, tc.ok
			}
			rec := w.do("GET", "/_gate/help?code="+url.QueryEscape(" <b>typed</b>\n"), "")
			checkPage(t, rec, tc.problem)
			words := parse(t, rec.Body.String()).one(t, "main").words()
			for _, s := range tc.want {
				if !strings.Contains(words, s) && !strings.Contains(rec.Body.String(), `href="`+s) {
					t.Errorf("%q is missing:\n%s", s, words)
				}
			}
			for _, s := range tc.not {
				if strings.Contains(words, s) {
					t.Errorf("%q is there:\n%s", s, words)
				}
			}
		})
	}
}
