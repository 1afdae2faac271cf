package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/realtest"
	"crmgate/internal/session"
	"crmgate/internal/signin"
	"crmgate/internal/web"
)

// fakeFactors shows what it is told and keeps what it was asked.
type fakeFactors struct {
	page    signin.FactorPage
	enrol   signin.EnrolPage
	next    signin.Step
	confirm *signin.Confirm
	err     error
	stale   bool
	asked   []string

	list    []mfa.Enrolment
	devices []mfa.Device
}

func (f *fakeFactors) note(parts ...string) { f.asked = append(f.asked, strings.Join(parts, " ")) }

func (f *fakeFactors) Factor(_ *http.Request, ticket string, k mfa.Kind) (signin.FactorPage, error) {
	p := f.page
	if p.Kind == "" {
		return p, fault.New(fault.Expired, "Over.")
	}
	return p, nil
}

func (f *fakeFactors) SendFactor(_ *http.Request, ticket string, k mfa.Kind) (signin.Step, error) {
	f.note("send", ticket, string(k))
	return f.next, f.err
}

func (f *fakeFactors) CheckFactor(_ http.ResponseWriter, _ *http.Request, ticket string, k mfa.Kind, form url.Values, remember bool) (signin.Step, error) {
	f.note("check", ticket, string(k), form.Get("code"), map[bool]string{true: "remember"}[remember])
	return f.next, f.err
}

func (f *fakeFactors) EnrolChoices(_ *http.Request, ticket, _ string) (signin.EnrolPage, signin.Step, error) {
	return f.enrol, signin.Step{}, nil
}

func (f *fakeFactors) BeginEnrol(_ *http.Request, ticket, back string, k mfa.Kind, form url.Values) (signin.Step, error) {
	f.note("begin", ticket, back, string(k), form.Get("phone"))
	return f.next, f.err
}

func (f *fakeFactors) Enrolment(_ *http.Request, _ string, k mfa.Kind) (signin.EnrolPage, error) {
	p := f.enrol
	p.Kind = k
	return p, nil
}

func (f *fakeFactors) ConfirmEnrol(_ http.ResponseWriter, _ *http.Request, ticket string, k mfa.Kind, form url.Values) (signin.Step, error) {
	f.note("confirm", ticket, string(k), form.Get("code"))
	return f.next, f.err
}

func (f *fakeFactors) SkipEnrol(_ http.ResponseWriter, _ *http.Request, ticket string) (signin.Step, error) {
	f.note("skip", ticket)
	return f.next, f.err
}

func (f *fakeFactors) StepUp(_ *http.Request, to string) (signin.Step, *signin.Confirm, error) {
	f.note("step-up", to)
	return f.next, f.confirm, f.err
}

func (f *fakeFactors) ConfirmPassword(_ http.ResponseWriter, _ *http.Request, to, password string) (signin.Step, *signin.Confirm, error) {
	f.note("password", to, password)
	return f.next, f.confirm, f.err
}

func (f *fakeFactors) Fresh(*http.Request, *session.Session) (bool, error) { return !f.stale, nil }

func (f *fakeFactors) PasskeyChallenge(http.ResponseWriter, *http.Request) (string, string, error) {
	return "sealed", `{"challenge":"AAAA"}`, nil
}

func (f *fakeFactors) Passkey(_ http.ResponseWriter, _ *http.Request, sealed string, req signin.Request, form url.Values) (signin.Step, error) {
	f.note("passkey", sealed, req.ReturnTo, form.Get("credential"))
	return f.next, f.err
}

func (f *fakeFactors) List(context.Context, string) ([]mfa.Enrolment, error) { return f.list, nil }

func (f *fakeFactors) Info(k mfa.Kind) (mfa.Info, error) {
	return mfa.Info{Kind: k, Name: "A " + string(k), Backup: k == mfa.Recovery}, nil
}

func (f *fakeFactors) Rename(_ context.Context, who, id, name string) error {
	f.note("rename", who, id, name)
	return f.err
}

func (f *fakeFactors) Remove(_ context.Context, who, id string) (mfa.Enrolment, error) {
	f.note("remove", who, id)
	return mfa.Enrolment{Name: "Phone"}, f.err
}

func (f *fakeFactors) NewRecoveryCodes(_ context.Context, who string) ([]string, error) {
	f.note("codes", who)
	return []string{"aaaa-bbbb", "cccc-dddd"}, f.err
}

func (f *fakeFactors) RecoveryLeft(context.Context, string) (int, error)     { return 3, nil }
func (f *fakeFactors) Devices(context.Context, string) ([]mfa.Device, error) { return f.devices, nil }
func (f *fakeFactors) FactorChanged(_ context.Context, who, what, actor string) {
	f.note("mail", who, what, actor)
}
func (f *fakeFactors) TokenMade(_ context.Context, who, name string, _ time.Time) {
	f.note("token mail", who, name)
}
func (f *fakeFactors) ForgetDevice(_ context.Context, who, id string) error {
	f.note("forget", who, id)
	return f.err
}

// serve is behind every page that has to do with second factors.
func (f *fakeFactors) serve(h *web.Handler) {
	h.SignIn.Passkeys, h.Factor.Factors, h.Factor.StepUps, h.Account.StepUps, h.Account.OwnFactors = f, f, f, f, f
}

func (f *fakeFactors) in(w *world) *world {
	f.serve(w.Handler)
	w.Account.Notices = f
	return w
}
func asAnn(w *world) { w.Sessions = fakeSessions{s: annSession(account.OwnerLocal)} }
func checkOf(k mfa.Kind, view any) func(*world, *fakeFactors) {
	return func(_ *world, f *fakeFactors) { f.page = checkPageOf(k, view) }
}
func enrolOf(view any) func(*world, *fakeFactors) {
	return func(_ *world, f *fakeFactors) { f.enrol.View = view }
}

func checkPageOf(k mfa.Kind, view any) signin.FactorPage {
	return signin.FactorPage{Kind: k, Info: mfa.Info{Kind: k, Name: "It"}, View: view, Who: "ann@partner.example", CanRemember: true, Remember: 30 * 24 * time.Hour,
		Others: []mfa.Info{{Kind: mfa.Recovery, Way: "Use a recovery code"}}, ReturnTo: "/deals"}
}

var qr = mfa.TOTPView{Secret: "ABCD EFGH", Address: "otpauth://totp/CRM:ann?secret=ABCDEFGH", QR: mfa.QR{Size: 33, Path: "M4 4h7v1h-7z"}}

// factorShows are the pages of second factors in all their states.
var factorShows = map[string]struct {
	method, target, body string
	change               func(*world, *fakeFactors)
	status               int
	problem              bool
}{
	"sign-in with passkeys":                {"GET", "/_gate/sign-in?return_to=/deals", "", nil, 200, false},
	"sign-in with passkeys, nothing typed": {"POST", "/_gate/sign-in", "identifier=", nil, 422, true},
	"check totp":                           {"GET", "/_gate/factor?step=T", "", checkOf(mfa.TOTP, mfa.TOTPView{}), 200, false},
	"check totp, wrong": {"POST", "/_gate/factor", "step=T&kind=totp&code=1", func(w *world, f *fakeFactors) {
		checkOf(mfa.TOTP, mfa.TOTPView{})(w, f)
		f.err = mfa.ErrWrong
	}, 401, true},
	"check totp, nothing typed": {"POST", "/_gate/factor", "step=T&kind=totp&code=+", checkOf(mfa.TOTP, mfa.TOTPView{}), 422, true},
	"check passkey":             {"GET", "/_gate/factor?step=T", "", checkOf(mfa.Passkey, mfa.PasskeyView{Options: `{"challenge":"<script>"}`}), 200, false},
	"check email, not sent":     {"GET", "/_gate/factor?step=T", "", checkOf(mfa.Email, mfa.SentView{To: "a…@partner.example"}), 200, false},
	"check email":               {"GET", "/_gate/factor?step=T", "", checkOf(mfa.Email, mfa.SentView{To: "a…@partner.example", Sent: true}), 200, false},
	"check sms": {"POST", "/_gate/factor", "step=T&kind=sms&code=1", func(w *world, f *fakeFactors) {
		checkOf(mfa.SMS, mfa.SentView{To: "+44 … 23", Sent: true})(w, f)
		f.err = fault.New(fault.TooMany, "That was wrong too often.").WithReason("factor_tries")
	}, 429, true},
	"check recovery": {"GET", "/_gate/factor?step=T&use=recovery", "", checkOf(mfa.Recovery, mfa.RecoveryView{}), 200, false},
	"step up": {"GET", "/_gate/factor?step=T", "", func(w *world, f *fakeFactors) {
		checkOf(mfa.TOTP, mfa.TOTPView{})(w, f)
		f.page.StepUp, f.page.CanRemember = true, false
	}, 200, false},
	"step over": {"GET", "/_gate/factor?step=T", "", nil, 410, false},
	"choose": {"GET", "/_gate/factor/enrol?step=T", "", func(_ *world, f *fakeFactors) {
		f.enrol = signin.EnrolPage{Ticket: "T", SignIn: true, Until: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Offer: []mfa.Info{
			{Kind: mfa.Passkey, Name: "Passkey", About: "Safe."}, {Kind: mfa.TOTP, Name: "App", About: "Codes."}, {Kind: mfa.SMS, Name: "Text", About: "Phone."}}}
	}, 200, false},
	"choose, everything there": {"GET", "/_gate/factor/enrol", "", nil, 200, false},
	"choose, bad number": {"POST", "/_gate/factor/enrol", "kind=sms&phone=12", func(_ *world, f *fakeFactors) {
		f.enrol.Offer = []mfa.Info{{Kind: mfa.SMS, Name: "Text", About: "Phone."}}
		f.err = fault.New(fault.Invalid, "With its country code.").WithReason("bad_number")
	}, 422, true},
	"enrol totp":       {"GET", "/_gate/factor/enrol/totp?step=T", "", enrolOf(qr), 200, false},
	"enrol totp, late": {"POST", "/_gate/factor/enrol/totp", "step=T&code=", enrolOf(qr), 422, true},
	"enrol email":      {"GET", "/_gate/factor/enrol/email?step=T", "", enrolOf(mfa.SentView{To: "a…@x", Sent: true}), 200, false},
	"enrol sms":        {"GET", "/_gate/factor/enrol/sms?step=T", "", enrolOf(mfa.SentView{To: "+44 … 23", Sent: true}), 200, false},
	"enrol passkey":    {"GET", "/_gate/factor/enrol/passkey?step=T", "", enrolOf(mfa.PasskeyView{Options: "{}"}), 200, false},
	"codes": {"POST", "/_gate/factor/enrol/totp", "step=T&code=123456", func(_ *world, f *fakeFactors) {
		f.next = signin.Step{Kind: signin.StepDone, URL: "/deals", Codes: []string{"aaaa-bbbb", "cccc-dddd"}}
	}, 200, false},
	"confirm by password": {"GET", "/_gate/factor/step-up?return_to=/_gate/account", "", func(_ *world, f *fakeFactors) {
		f.confirm = &signin.Confirm{Password: true, Who: "ann@partner.example", ReturnTo: "/_gate/account"}
	}, 200, false},
	"confirm, wrong": {"POST", "/_gate/factor/step-up", "return_to=/_gate/account&password=x", func(_ *world, f *fakeFactors) {
		f.confirm, f.err = &signin.Confirm{Password: true, Who: "ann@partner.example", ReturnTo: "/_gate/account"}, identity.ErrWrongPassword
	}, 401, true},
	"confirm at a provider": {"GET", "/_gate/factor/step-up", "", func(_ *world, f *fakeFactors) {
		f.confirm = &signin.Confirm{URL: "/_gate/sign-in/contoso?again=1", Provider: "Contoso", Who: "ann@contoso.com"}
	}, 200, false},
	"manage": {"GET", "/_gate/factor/manage", "", func(w *world, f *fakeFactors) {
		asAnn(w)
		at := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
		f.list = []mfa.Enrolment{{ID: "f1", Kind: mfa.TOTP, Name: "Phone", CreatedAt: at, UsedAt: at}, {ID: "f2", Kind: mfa.Passkey, Name: "<b>Key</b>", CreatedAt: at}, {ID: "f3", Kind: mfa.Recovery}}
		f.devices = []mfa.Device{{ID: "d1", Name: "Mozilla/5.0", Address: "192.0.2.1", UsedAt: at, ExpiresAt: at}}
	}, 200, false},
	"manage, none": {"GET", "/_gate/factor/manage", "", func(w *world, _ *fakeFactors) { asAnn(w) }, 200, false},
	"remove": {"GET", "/_gate/factor/remove?id=f1", "", func(w *world, f *fakeFactors) {
		asAnn(w)
		f.list = []mfa.Enrolment{{ID: "f1", Kind: mfa.TOTP, Name: "Phone"}}
	}, 200, false},
	"remove, gone": {"GET", "/_gate/factor/remove?id=f9", "", func(w *world, _ *fakeFactors) { asAnn(w) }, 404, false},
}

func TestFactorPages(t *testing.T) {
	for name, tc := range factorShows {
		t.Run(name, func(t *testing.T) {
			w, f := newWorld(t), &fakeFactors{}
			f.in(w)
			if tc.change != nil {
				tc.change(w, f)
			}
			rec := w.do(tc.method, tc.target, tc.body)
			if rec.Code != tc.status {
				t.Fatalf("status %d, want %d\n%s", rec.Code, tc.status, rec.Body)
			}
			if h := rec.Header(); h.Get("Cache-Control") != "no-store" || strings.Contains(h.Get("Content-Security-Policy"), "unsafe") {
				t.Errorf("headers %v", h)
			}
			checkPage(t, rec, tc.problem)
			if strings.Contains(rec.Body.String(), "<script>") || strings.Contains(rec.Body.String(), "<b>Key") {
				t.Error("what a person typed is in the page as it is")
			}
		})
	}
}

// Every page of second factors fits a telephone, and needs nothing that its policy forbids.
func TestFactorPagesFit(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/page/{name}", func(rw http.ResponseWriter, r *http.Request) {
		w, f := newWorld(t), &fakeFactors{}
		f.in(w)
		show := factorShows[r.PathValue("name")]
		if show.change != nil {
			show.change(w, f)
		}
		rec := w.do(show.method, show.target, show.body)
		for k, v := range rec.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(rec.Code)
		_, _ = rw.Write(rec.Body.Bytes())
	})
	routes := newWorld(t).Routes()
	mux.Handle("/_gate/", routes)
	srv := httptest.NewServer(mux)
	defer srv.Close()
	b := realtest.Open(t)
	b.Phone()
	b.Dark(true)
	axe := realtest.Axe(t)
	for name := range factorShows {
		b.Go(srv.URL + "/page/" + url.PathEscape(name))
		if got := b.Barriers(axe); len(got) > 0 {
			t.Errorf("%s: axe finds %q", name, got)
		}
		if got := b.Eval(misfits); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, e := range b.Errors() {
		if !strings.Contains(e, "the server responded with a status of") {
			t.Errorf("the browser complains: %s", e)
		}
	}
}

// What forms send, and where they lead.
func TestFactorForms(t *testing.T) {
	done := signin.Step{Kind: signin.StepDone, URL: "/deals?x=1"}
	for _, tt := range []struct {
		name, target, body string
		asked              []string
		location           string
	}{
		{"check", "/_gate/factor", "step=T&kind=totp&code=123456&remember_device=1", []string{"check T totp 123456 remember"}, "/deals?x=1"},
		{"send", "/_gate/factor/send", "step=T&kind=email", []string{"send T email"}, "/deals?x=1"},
		{"choose", "/_gate/factor/enrol", "kind=sms&phone=%2B44&return_to=/x", []string{"begin  /x sms +44"}, "/deals?x=1"},
		{"confirm", "/_gate/factor/enrol/totp", "step=T&code=123456", []string{"confirm T totp 123456"}, "/deals?x=1"},
		{"put off", "/_gate/factor/skip", "step=T", []string{"skip T"}, "/deals?x=1"},
		{"password", "/_gate/factor/step-up", "return_to=/x&password=p", []string{"password /x p"}, "/deals?x=1"},
		{"passkey", "/_gate/factor/passkey", "challenge=C&credential=%7B%7D&return_to=/x", []string{"passkey C /x {}"}, "/deals?x=1"},
		{"rename", "/_gate/factor/rename", "id=f1&name=N", []string{"rename acc-1 f1 N"}, "/_gate/factor/manage"},
		{"remove", "/_gate/factor/remove", "id=f1", []string{"remove acc-1 f1", "mail acc-1 A second step was removed: Phone. "}, "/_gate/factor/manage"},
		{"forget", "/_gate/factor/forget", "id=d1", []string{"forget acc-1 d1"}, "/_gate/factor/manage"},
		{"forget all", "/_gate/factor/forget", "all=1", []string{"forget acc-1 "}, "/_gate/factor/manage"},
		{"codes", "/_gate/factor/recovery", "x=1", []string{"codes acc-1", "mail acc-1 New recovery codes were made. The old ones work no more. "}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, f := newWorld(t), &fakeFactors{next: done}
			f.in(w)
			asAnn(w)
			rec := w.do("POST", tt.target, tt.body)
			if d := cmp.Diff(tt.asked, f.asked); d != "" {
				t.Errorf("asked (-want +got):\n%s", d)
			}
			if got := rec.Header().Get("Location"); got != tt.location {
				t.Errorf("%d to %q, want %q", rec.Code, got, tt.location)
			}
			if slices.Contains([]string{"rename", "remove", "forget", "codes"}, tt.name) {
				changesNeedProof(t, tt.target, tt.body)
			}
		})
	}
}

// changesNeedProof: nobody, and nobody who has not proven themselves lately, changes anything; an address changes nothing.
func changesNeedProof(t *testing.T, target, body string) {
	t.Helper()
	w, f := newWorld(t), &fakeFactors{}
	f.in(w)
	if rec := w.do("POST", target, body); rec.Code != 303 || !strings.HasPrefix(rec.Header().Get("Location"), "/_gate/sign-in?") || len(f.asked) > 0 {
		t.Errorf("nobody: %d, %v", rec.Code, f.asked)
	}
	asAnn(w)
	f.stale = true
	if rec := w.do("POST", target, body); rec.Header().Get("Location") != "/_gate/factor/step-up?return_to=%2F_gate%2Ffactor%2Fmanage" || len(f.asked) > 0 {
		t.Errorf("not lately: %d, %v", rec.Code, f.asked)
	}
	f.stale = false
	if rec := w.do("GET", target+"?"+body, ""); len(f.asked) > 0 {
		t.Errorf("by opening an address: %d, %v", rec.Code, f.asked)
	}
	f.err = errors.New("store is down")
	if rec := w.do("POST", target, body); rec.Code != 500 {
		t.Errorf("store is down: %d", rec.Code)
	}
}

// Without second factors there are no pages of them.
func TestNoFactors(t *testing.T) {
	for _, target := range []string{"/_gate/factor", "/_gate/factor/manage", "/_gate/factor/passkey", "/_gate/factor/enrol/totp"} {
		if rec := newWorld(t).do("GET", target, ""); rec.Code != 404 {
			t.Errorf("%s: %d", target, rec.Code)
		}
	}
	if strings.Contains(newWorld(t).do("GET", "/_gate/sign-in", "").Body.String(), "passkey") {
		t.Error("the sign-in page offers passkeys")
	}
}

// Whoever mistypes an address is offered passkeys as before.
func TestPasskeysAreOfferedAgain(t *testing.T) {
	for name, step := range map[string]signin.StepKind{"nothing typed": 0, "no way in": signin.StepUnknown} {
		w := newWorld(t)
		f := &fakeFactors{}
		f.serve(w.Handler)
		w.flow.step.Kind = step
		body := "identifier=a@b.example"
		if step == 0 {
			body = "identifier="
		}
		rec := w.do("POST", "/_gate/sign-in", body)
		page := parse(t, rec.Body.String())
		page.one(t, "form[data-passkey=sign-in] input[name=challenge]")
		if got := page.one(t, "input[name=identifier]").attr["autocomplete"]; rec.Code != 422 || got != "username webauthn" {
			t.Errorf("%s: %d, autocomplete %q", name, rec.Code, got)
		}
	}
}

// A sheet of recovery codes says whose they are, where they are used and when they were made: there may be several in one drawer.
func TestPrintedRecoveryCodes(t *testing.T) {
	w := newWorld(t)
	(&own{}).in(w, "local")
	got := parse(t, w.do("POST", "/_gate/factor/recovery", "x=1").Body.String()).one(t, "p[class=print-only]").words()
	for _, want := range []string{"ann@", "Example CRM", "https://crm.example.com/_gate/sign-in", "22 Nov 2026"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}
