package web_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/signin"
	"crmgate/internal/throttle"
)

func TestSignInSteps(t *testing.T) {
	away := signin.Step{Kind: signin.StepRedirect, URL: "https://id.contoso.com/authorize?state=x"}
	done := signin.Step{Kind: signin.StepDone, URL: "/deals?page=2"}
	for name, tc := range map[string]struct {
		method, target, body string
		step                 signin.Step
		err                  error
		status               int
		location             string
		asked                signin.Request
	}{
		"to the provider":       {"POST", "/_gate/sign-in", "identifier=+ann@contoso.com+&return_to=/deals", away, nil, 303, away.URL, signin.Request{Identifier: "ann@contoso.com", ReturnTo: "/deals"}},
		"other account":         {"POST", "/_gate/sign-in", "identifier=ann@contoso.com&switch=1", away, nil, 303, away.URL, signin.Request{Identifier: "ann@contoso.com", SelectAccount: true}},
		"to the password":       {"POST", "/_gate/sign-in", "identifier=ann&return_to=/deals", signin.Step{Kind: signin.StepPassword}, nil, 200, "", signin.Request{Identifier: "ann", ReturnTo: "/deals"}},
		"nobody's domain":       {"POST", "/_gate/sign-in", "identifier=ann@b.example", signin.Step{Kind: signin.StepUnknown}, nil, 422, "", signin.Request{Identifier: "ann@b.example"}},
		"provider is down":      {"POST", "/_gate/sign-in", "identifier=ann@contoso.com", signin.Step{}, fault.New(fault.Unavailable, "Contoso does not answer."), 503, "", signin.Request{Identifier: "ann@contoso.com"}},
		"a step nobody knows":   {"POST", "/_gate/sign-in", "identifier=ann", signin.Step{Kind: 99}, nil, 500, "", signin.Request{Identifier: "ann"}},
		"provider directly":     {"GET", "/_gate/sign-in/contoso?return_to=%2Fdeals%3Fa%3D1", "", away, nil, 303, away.URL, signin.Request{Provider: "contoso", ReturnTo: "/deals?a=1"}},
		"provider, other":       {"GET", "/_gate/sign-in/contoso?switch=1", "", away, nil, 303, away.URL, signin.Request{Provider: "contoso", SelectAccount: true}},
		"no such provider":      {"GET", "/_gate/sign-in/nobody", "", signin.Step{}, fault.New(fault.NotFound, "No such provider."), 404, "", signin.Request{Provider: "nobody"}},
		"right password":        {"POST", "/_gate/sign-in/password", "identifier=ann&password=+secret+&remember=1&return_to=/deals", done, nil, 303, done.URL, signin.Request{Identifier: "ann", Password: " secret ", Remember: true, ReturnTo: "/deals"}},
		"password at directory": {"POST", "/_gate/sign-in/password", "identifier=ann&password=x&provider=directory", done, nil, 303, done.URL, signin.Request{Identifier: "ann", Password: "x", Provider: "directory"}},
		"password goes away":    {"POST", "/_gate/sign-in/password", "identifier=ann@contoso.com&password=x", away, nil, 303, away.URL, signin.Request{Identifier: "ann@contoso.com", Password: "x"}},
		"wrong password":        {"POST", "/_gate/sign-in/password", "identifier=ann&password=x", signin.Step{}, identity.ErrWrongPassword, 401, "", signin.Request{Identifier: "ann", Password: "x"}},
		"expired password":      {"POST", "/_gate/sign-in/password", "identifier=ann&password=x", signin.Step{}, fault.New(fault.Forbidden, "Your company password has expired."), 403, "", signin.Request{Identifier: "ann", Password: "x"}},
		"long return address":   {"GET", "/_gate/sign-in/contoso?return_to=/" + strings.Repeat("x", 5000), "", away, nil, 303, away.URL, signin.Request{Provider: "contoso"}},
		"reloaded password":     {"GET", "/_gate/sign-in/password?return_to=/deals", "", signin.Step{}, nil, 303, "/_gate/sign-in?return_to=%2Fdeals", signin.Request{}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flow.step, w.flow.err = tc.step, tc.err
			rec := w.do(tc.method, tc.target, tc.body)
			if rec.Code != tc.status || rec.Header().Get("Location") != tc.location {
				t.Errorf("%d to %q, want %d to %q", rec.Code, rec.Header().Get("Location"), tc.status, tc.location)
			}
			if diff := cmp.Diff(tc.asked, w.flow.last()); diff != "" {
				t.Errorf("asked of the flow (-want +got):\n%s", diff)
			}
			if strings.Contains(w.log.String(), "secret") {
				t.Errorf("the password is in the log: %s", w.log)
			}
		})
	}
}

func TestSignInRefusesJunk(t *testing.T) {
	for name, tc := range map[string]struct {
		body   string
		status int
	}{
		"nothing":              {"identifier=", 422},
		"only space":           {"identifier=%20%09", 422},
		"too long":             {"identifier=" + strings.Repeat("a", 255), 422},
		"just short enough":    {"identifier=" + strings.Repeat("a", 254), 200},
		"line break":           {"identifier=a%0d%0ab", 422},
		"no text":              {"identifier=%ff%fe", 422},
		"twice":                {"identifier=a&identifier=b", 400},
		"broken escape":        {"identifier=%zz", 400},
		"more than 64 KB":      {"identifier=a&x=" + strings.Repeat("x", 64<<10), 400},
		"fields nobody knows":  {"identifier=a&colour=red", 200},
		"markup":               {"identifier=%22%3E%3Csvg+onload%3Dx%3E", 200},
		"markup in the return": {"identifier=a&return_to=%22%3E%3Csvg+onload%3Dx%3E", 200},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, asks)
			rec := w.do("POST", "/_gate/sign-in", tc.body)
			if rec.Code != tc.status {
				t.Errorf("status %d, want %d", rec.Code, tc.status)
			}
			if strings.Contains(rec.Body.String(), "<svg onload") {
				t.Error("markup came back as markup")
			}
			if (rec.Code == 200) != (len(w.flow.requests) == 1) {
				t.Errorf("the flow was asked %d times", len(w.flow.requests))
			}
		})
	}
}

func TestSignInIgnoresOtherBodies(t *testing.T) {
	w := newWorld(t, asks)
	rec := w.do("POST", "/_gate/sign-in?identifier=ann", `{"identifier":"ann"}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
	if rec.Code != 422 || len(w.flow.requests) > 0 {
		t.Errorf("status %d, flow asked %d times: an address or JSON counted as the form", rec.Code, len(w.flow.requests))
	}
}

func TestSignInPage(t *testing.T) {
	w := newWorld(t)
	page := parse(t, w.do("GET", "/_gate/sign-in?return_to=%2Fdeals%3Fa%3D1%26b%3D2", "").Body.String())
	var ways []string
	for _, a := range page.all(t, "ul a") {
		ways = append(ways, a.words()+" "+a.attr["href"])
	}
	want := []string{
		"CContinue with Contoso /_gate/sign-in/contoso?return_to=%2Fdeals%3Fa%3D1%26b%3D2",
		"FContinue with Fabrikam /_gate/sign-in/fabrikam?return_to=%2Fdeals%3Fa%3D1%26b%3D2",
	}
	if diff := cmp.Diff(want, ways); diff != "" {
		t.Errorf("ways (-want +got):\n%s", diff)
	}
	if got := page.one(t, "input[name=return_to]").attr["value"]; got != "/deals?a=1&b=2" {
		t.Errorf("return_to %q", got)
	}
	page.one(t, "a[href=/_gate/help]")

	t.Run("a return address of another origin", func(t *testing.T) {
		for _, to := range []string{"//evil.example/", "https://evil.example/", "%2F%5Cevil.example", "%2F%2Fevil.example", "javascript:evil"} {
			if body := w.do("GET", "/_gate/sign-in?return_to="+to, "").Body.String(); strings.Contains(body, "evil") {
				t.Errorf("%s is passed on", to)
			}
		}
	})
	t.Run("switch", func(t *testing.T) {
		page := parse(t, w.do("GET", "/_gate/sign-in?switch=1", "").Body.String())
		page.one(t, "a[href=/_gate/sign-in/contoso?switch=1]")
		page.one(t, "input[type=hidden][name=switch]")
	})
	t.Run("return_to survives a mistake", func(t *testing.T) {
		page := parse(t, w.do("POST", "/_gate/sign-in", "identifier=&return_to=/deals&switch=1").Body.String())
		page.one(t, "input[name=return_to][value=/deals]")
		page.one(t, "a[href=/_gate/sign-in/contoso?return_to=%2Fdeals&switch=1]")
	})
	t.Run("signed in already", func(t *testing.T) {
		w.Sessions = fakeSessions{s: annSession("contoso")}
		page := parse(t, w.do("GET", "/_gate/sign-in", "").Body.String())
		if !strings.Contains(page.words(), "You are signed in as ann@contoso.com") {
			t.Error("the page does not say so")
		}
	})
	t.Run("store is down", func(t *testing.T) {
		w.Sessions = fakeSessions{err: errors.New("down")}
		if rec := w.do("GET", "/_gate/sign-in", ""); rec.Code != 200 {
			t.Errorf("status %d", rec.Code)
		}
	})
}

func TestSignInStraightOn(t *testing.T) {
	w := newWorld(t)
	w.Direct = "contoso"
	const provider = "https://idp.contoso.test/authorize?state=1"
	w.flow.step = signin.Step{Kind: signin.StepRedirect, URL: provider}
	for target, want := range map[string]signin.Request{
		"/_gate/sign-in":                           {Provider: "contoso"},
		"/_gate/sign-in?return_to=/deals":          {Provider: "contoso", ReturnTo: "/deals"},
		"/_gate/sign-in?return_to=/deals&switch=1": {Provider: "contoso", ReturnTo: "/deals", SelectAccount: true},
	} {
		rec := w.do("GET", target, "")
		if rec.Code != http.StatusSeeOther || rec.Header().Get("Location") != provider {
			t.Errorf("%s: %d to %q, want %q", target, rec.Code, rec.Header().Get("Location"), provider)
		}
		if diff := cmp.Diff(want, w.flow.last()); diff != "" {
			t.Errorf("%s: request (-want +got):\n%s", target, diff)
		}
	}
}

// A right and a wrong guess about who exists must look the same.
func TestPasswordPageTellsNothing(t *testing.T) {
	show := func(identifier string) string {
		w := newWorld(t)
		w.flow.err = identity.ErrWrongPassword
		body := w.do("POST", "/_gate/sign-in/password", "password=x&identifier="+url.QueryEscape(identifier)).Body.String()
		return strings.ReplaceAll(body, identifier, "WHO")
	}
	if diff := cmp.Diff(show("ann@partner.example"), show("nobody@partner.example")); diff != "" {
		t.Errorf("the pages differ:\n%s", diff)
	}
}

func TestCallback(t *testing.T) {
	for name, tc := range map[string]struct {
		method, target, body string
		err                  error
		status               int
		params               url.Values
	}{
		"by GET":          {"GET", "/_gate/callback/contoso?code=c&state=s&iss=https%3A%2F%2Fid", "", nil, 303, url.Values{"code": {"c"}, "state": {"s"}, "iss": {"https://id"}}},
		"by POST":         {"POST", "/_gate/callback/contoso", "code=c&state=s", nil, 303, url.Values{"code": {"c"}, "state": {"s"}}},
		"address at POST": {"POST", "/_gate/callback/contoso?code=evil", "state=s", nil, 303, url.Values{"state": {"s"}}},
		"repeated":        {"GET", "/_gate/callback/contoso?code=a&code=b&state=s", "", nil, 303, url.Values{"code": {"a", "b"}, "state": {"s"}}},
		"repeated, POST":  {"POST", "/_gate/callback/contoso", "code=a&code=b", nil, 303, url.Values{"code": {"a", "b"}}},
		"nothing":         {"GET", "/_gate/callback/contoso", "", nil, 303, url.Values{}},
		"unreadable":      {"GET", "/_gate/callback/contoso?code=%zz&state=s", "", nil, 400, nil},
		"semicolons":      {"GET", "/_gate/callback/contoso?code=a;state=s", "", nil, 400, nil},
		"huge":            {"POST", "/_gate/callback/contoso", "code=" + strings.Repeat("x", 70<<10), nil, 400, nil},
		"refused":         {"GET", "/_gate/callback/contoso?error=access_denied&error_description=%3Cb%3Eevil%3C/b%3E", "", fault.New(fault.Unauthenticated, "Contoso did not sign you in."), 401, url.Values{"error": {"access_denied"}, "error_description": {"<b>evil</b>"}}},
		"broken":          {"GET", "/_gate/callback/contoso?code=c", "", errors.New("token endpoint: 500"), 500, url.Values{"code": {"c"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.flow.step, w.flow.err = signin.Step{Kind: signin.StepDone, URL: "/deals"}, tc.err
			// As a client sends it that says nothing about itself.
			rec := w.do(tc.method, tc.target, tc.body, func(r *http.Request) { r.Header.Del("Accept"); r.Header.Del("Sec-Fetch-Mode") })
			if rec.Code != tc.status {
				t.Errorf("status %d, want %d", rec.Code, tc.status)
			}
			if diff := cmp.Diff(tc.params, w.flow.params); diff != "" {
				t.Errorf("params (-want +got):\n%s", diff)
			}
			if tc.status >= 400 {
				if rec.Header().Get("Location") != "" || rec.Header().Get("Content-Type") != "text/html; charset=utf-8" {
					t.Errorf("a failure is a page of our own: %v", rec.Header())
				}
				if strings.Contains(rec.Body.String(), "evil") || strings.Contains(rec.Body.String(), "endpoint") {
					t.Errorf("the page repeats what it was sent:\n%s", rec.Body)
				}
			}
		})
	}
}

func TestLimits(t *testing.T) {
	// How a limiter counts is package throttle's; here only which requests it is asked about.
	for name, tc := range map[string]struct {
		set    func(*world, *throttle.Limiter)
		method string
		target string
		body   string
	}{
		"sign-in starts":     {func(w *world, l *throttle.Limiter) { w.Limits.Starts = l }, "POST", "/_gate/sign-in", "identifier=ann"},
		"provider starts":    {func(w *world, l *throttle.Limiter) { w.Limits.Starts = l }, "GET", "/_gate/sign-in/contoso", ""},
		"failed callbacks":   {func(w *world, l *throttle.Limiter) { w.Limits.Callbacks = l; w.flow.err = errors.New("x") }, "GET", "/_gate/callback/contoso", ""},
		"passwords":          {func(w *world, l *throttle.Limiter) { w.Limits.Passwords = l }, "POST", "/_gate/sign-in/password", "identifier=a&password=b"},
		"requests for reset": {func(w *world, l *throttle.Limiter) { w.Limits.Resets = l }, "POST", "/_gate/reset", "identifier=a"},
		"links opened":       {func(w *world, l *throttle.Limiter) { w.Limits.Links = l }, "GET", "/_gate/reset/" + goodLink, ""},
		"links looked at":    {func(w *world, l *throttle.Limiter) { w.Limits.Links = l }, "GET", "/_gate/reset/set", ""},
		"links used":         {func(w *world, l *throttle.Limiter) { w.Limits.Links = l }, "POST", "/_gate/reset/set", "password=a&password_confirm=a"},
	} {
		t.Run(name, func(t *testing.T) {
			l := &throttle.Limiter{PerMinute: 2}
			w := newWorld(t, func(w *world) { tc.set(w, l) })
			var codes []int
			for range 3 {
				codes = append(codes, w.do(tc.method, tc.target, tc.body, withLink).Code)
			}
			if codes[0] == 429 || codes[1] == 429 || codes[2] != 429 {
				t.Errorf("statuses %v", codes)
			}
		})
	}
}

// Successful callbacks are not counted: an office behind one address may sign in as often as it likes.
func TestSuccessIsNotCounted(t *testing.T) {
	w := newWorld(t)
	w.Limits.Callbacks = &throttle.Limiter{PerMinute: 1}
	w.flow.step = signin.Step{Kind: signin.StepDone, URL: "/"}
	for i := range 5 {
		if rec := w.do("GET", "/_gate/callback/contoso?code=c", ""); rec.Code != 303 {
			t.Fatalf("callback %d: %d", i, rec.Code)
		}
	}
}

// The page that names a directory asks that directory, also after a mistake.
func TestPasswordPageKeepsItsDirectory(t *testing.T) {
	w := newWorld(t)
	d := directory
	w.flow.step = signin.Step{Kind: signin.StepPassword, Provider: &d}
	page := parse(t, w.do("POST", "/_gate/sign-in", "identifier=ann").Body.String())
	page.one(t, "input[type=hidden][name=provider][value=directory]")
	if !strings.Contains(page.words(), "Use your Corporate directory password") {
		t.Errorf("the page does not name the directory: %s", page.words())
	}
	w.flow.err = identity.ErrWrongPassword
	page = parse(t, w.do("POST", "/_gate/sign-in/password", "identifier=ann&password=x&provider=directory").Body.String())
	if page.one(t, "input[name=provider]").attr["value"] != "directory" || !strings.Contains(page.words(), "Use your Corporate directory password") {
		t.Errorf("after a wrong password the page is another: %s", page.words())
	}
}
