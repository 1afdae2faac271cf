package provider

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// The table is data; this holds its shape.
func TestRefusalTable(t *testing.T) {
	for _, f := range families() {
		seen := map[string]bool{}
		for _, r := range f.refusals {
			for _, code := range r.codes {
				if seen[code] {
					t.Errorf("%s: %s stands there twice", f.vendor, code)
				}
				seen[code] = true
			}
			if r.kind != kindDenied && r.kind != kindProof && r.kind != kindDown {
				t.Errorf("%s %v: kind %s", f.vendor, r.codes, r.kind)
			}
			if r.title == "" || strings.HasSuffix(r.title, ".") || !strings.HasSuffix(r.text, ".") || r.step == "" {
				t.Errorf("%s %v is not complete: %q %q", f.vendor, r.codes, r.title, r.text)
			}
			if r.forIT != "" && !strings.HasSuffix(r.forIT, ".") || strings.ContainsAny(strings.ReplaceAll(r.title+r.text, "{name}", ""), "{}%") {
				t.Errorf("%s %v: %q %q", f.vendor, r.codes, r.text, r.forIT)
			}
			if r.kind == kindDown && r.step == stepSwitch || r.step == "" {
				t.Errorf("%s %v: another account does not help against trouble", f.vendor, r.codes)
			}
		}
		for sentence, code := range f.phrases {
			if !seen[code] || sentence != strings.ToLower(sentence) {
				t.Errorf("%s: %q leads to no entry, or is not in small letters", f.vendor, sentence)
			}
		}
	}
}

// The codes that people meet, each with what helps.
func TestEntraCodes(t *testing.T) {
	want := map[identity.Step]string{
		stepReset:  "50126 50053",
		stepChange: "50055 50144 50125 50135 120000 120002",
		stepAsk: "50057 50105 65001 65004 90094 90095 53003 53000 53001 53002 50131 530032 530035 50011 700016 90002 50194 500011 7000215 7000222 7000218 " +
			"700027 50012 80012 120014",
		stepSwitch: "50034 50020 90072 51004 16003",
		stepAgain:  "50076 50079 50072 50074 50078 50158 50132 50133 50173 70043 700082 70008 50058 54005 501481 700005 50196 80001 80002 80005 80007 80010 80013 80014",
	}
	for step, codes := range want {
		for _, code := range strings.Fields(codes) {
			f, found := findRefusal("entra", "access_denied", "AADSTS"+code+": text")
			if found.refusal == nil || found.refusal.step != step || found.shown(f) != "AADSTS"+code {
				t.Errorf("%s: %+v, want %s", code, found, step)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	tests := []struct{ name, typed, code, title string }{
		{"as it stands there", "AADSTS50105", "AADSTS50105", "You have no access to this application yet"},
		{"small letters", "aadsts50126", "AADSTS50126", "The user name or password was wrong"},
		{"a space", "AADSTS 50055", "AADSTS50055", "Your password has expired"},
		{"a hyphen", "AADSTS-50055", "AADSTS50055", "Your password has expired"},
		{"spaces in the number", " aadsts 50 055 ", "AADSTS50055", "Your password has expired"},
		{"only the number", "50055", "AADSTS50055", "Your password has expired"},
		{"the number in words", "Error Code: 50055.", "AADSTS50055", "Your password has expired"},
		{"a letter missing", "AADST50055", "AADSTS50055", "Your password has expired"},
		{"the whole message", "Sorry, but we’re having trouble signing you in.\n\nAADSTS50105: Your administrator has configured the application Deal Desk " +
			"('11111111-2222-3333-4444-555555555555') to block users.\nRequest Id: 0aa4cb2e-7000-4215-8000-700027001100 Timestamp: 2026-11-20T08:00:00Z",
			"AADSTS50105", "You have no access to this application yet"},
		{"a number that we do not know", "AADSTS99999", "AADSTS99999", ""},
		{"Okta", "E0000069", "E0000069", "Your account is locked for a while"},
		{"Okta in small letters", "e 0000119", "E0000119", "Your account is locked for a while"},
		{"Okta in words", "User is not assigned to the client application.", "not_assigned", "You have no access to this application yet"},
		{"Google", "Error 400: admin_policy_enforced", "admin_policy_enforced", "Your organisation has not allowed this application"},
		{"Google with spaces", "Admin Policy Enforced", "admin_policy_enforced", "Your organisation has not allowed this application"},
		{"Google, another", "Access blocked: Error 403: org_internal", "org_internal", "This is an account of another organisation"},
		{"AD FS", "msis 9605", "MSIS9605", "You have no access to this application yet"},
		{"Keycloak", "Your login attempt timed out. Login will start from the beginning.", "authentication_expired", "The sign-in took too long"},
		{"the standard's", "error=access_denied", "access_denied", "{name} did not let you in"},
		{"nothing", "it does not work", "", ""},
		{"a telephone number", "+49 89 123456", "", ""},
		{"markup", "<script>alert(1)</script>", "", ""},
		{"not UTF-8", "\xff\xfe AADSTS50057", "AADSTS50057", "Your account is disabled"},
		{"far behind", strings.Repeat("x", maxPasted) + "AADSTS50057", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, ok := Explain(tt.typed)
			if a.Code != tt.code || a.Title != tt.title || ok != (tt.code != "") {
				t.Errorf("Explain = %+v, %v", a, ok)
			}
		})
	}
}

// What is typed never comes back, whatever it is.
func FuzzExplain(f *testing.F) {
	for _, s := range []string{"AADSTS50105", "<b>E0000069", "error=access_denied", "\x00MSIS9605\xff", "aadsts 5 0 1 0 5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		a, _ := Explain(typed)
		if strings.ContainsAny(a.Code+a.Vendor+a.MoreURL, "<>\"'&\x00") || len(a.Code) > 40 {
			t.Errorf("%q came back as %+v", typed, a)
		}
	})
}

func TestRefusalDetails(t *testing.T) {
	now := time.Date(2026, 11, 20, 8, 30, 0, 0, time.UTC)
	r := &redirector{cfg: Config{ID: "contoso", Type: "entra", Name: "Contoso", Password: PasswordConfig{ResetURL: "https://reset.example/"}}, env: Env{Now: func() time.Time { return now }}}
	const trace, correlation = "0AA4CB2E-1111-4222-8333-444455556666", "9b2e4d10-7777-4888-9999-aaaabbbbcccc"
	ids := []fault.Detail{{Name: "Correlation ID", Value: correlation}, {Name: "Trace ID", Value: strings.ToLower(trace)}}
	description := func(number string) string {
		return "AADSTS" + number + ": Call 0800 EVIL <script>.\r\nTrace ID: " + trace + "\r\nCorrelation ID: " + correlation + "\r\nTimestamp: 2026-11-20 08:29:59Z"
	}
	tests := []struct {
		name, error, description string
		title, label, away, path string
		code                     string
		ids                      bool
	}{
		{"known number", "access_denied", description("50105"), "You have no access to this application yet", "Get help signing in", "", "/help?code=AADSTS50105", "AADSTS50105", true},
		{"locked", "access_denied", description("50053"), "Your account is locked for a while", "Reset it at Contoso", "https://reset.example/", "/help", "AADSTS50053", true},
		{"unknown number", "access_denied", description("98765"), "Contoso did not let you in", "Use another account", "", "/sign-in/contoso?switch=1", "AADSTS98765", true},
		{"standard only", "login_required", "", "Please sign in again", "Sign in again", "", "/sign-in", "login_required", false},
		{"unknown word", "cross_company_forbidden", "", "Contoso ended the sign-in", "Sign in again", "", "/sign-in", "cross_company_forbidden", false},
		{"hostile word", "Call 0800 EVIL <script>", "Call 0800 EVIL", "Contoso ended the sign-in", "Sign in again", "", "/sign-in", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err, ok := r.refused(url.Values{"error": {tt.error}, "error_description": {tt.description}}).(*fault.Error)
			if !ok {
				t.Fatal("no fault")
			}
			want := []fault.Detail{{Name: "From", Value: "Contoso"}}
			if tt.code != "" {
				want = append(want, fault.Detail{Name: "Code", Value: tt.code})
			}
			want = append(want, fault.Detail{Name: "Time", Value: "2026-11-20 08:30:00 UTC"})
			if tt.ids {
				want = append(want, ids...)
			}
			if diff := cmp.Diff(want, err.Details); diff != "" {
				t.Errorf("details (-want +got):\n%s", diff)
			}
			if err.Title != tt.title || err.Next != (fault.Next{Label: tt.label, Path: tt.path, Away: tt.away}) {
				t.Errorf("title %q, next %+v", err.Title, err.Next)
			}
			if strings.Contains(err.Sentence+err.Title, "EVIL") || !strings.HasSuffix(err.Sentence, ".") {
				t.Errorf("sentence %q", err.Sentence)
			}
		})
	}
}
