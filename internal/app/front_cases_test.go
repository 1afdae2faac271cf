package app_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestFrontProxies runs the examples of proxies that keep the CRM's traffic and ask crmgate about each request, with the real programs:
// none lets through what crmgate would not, and none passes on what a client says about itself.
func TestFrontProxies(t *testing.T) {
	for _, name := range []string{"nginx", "caddy", "haproxy"} {
		t.Run(name, func(t *testing.T) {
			f := openFront(t, name)
			for _, part := range []struct {
				name string
				test func(*front, *testing.T)
			}{
				{"nobody", (*front).nobody},
				{"signing in", (*front).signsIn},
				{"identity", (*front).identity},
				{"forged headers", (*front).forged},
				{"decisions", (*front).decisions},
				{"paths", (*front).paths},
				{"naming another request", (*front).names},
				{"asking", (*front).asks},
				{"upload", (*front).upload},
				{"WebSocket", (*front).webSocket},
				{"credentials", (*front).credentials},
				{"signing out", (*front).signsOut},
			} {
				if !t.Run(part.name, func(t *testing.T) { f.t = t; f.crm.take(); part.test(f, t) }) && part.name == "signing in" {
					t.FailNow()
				}
			}
			f.t = t
		})
	}
}

const (
	asksForPage = "Accept: text/html"
	asksForData = "Accept: application/json"
	// deepLink has what is easily lost on the way.
	deepLink = "/contacts/%C3%A9?a=1;b=%2F&c=%25&d=%3Fe%26f&return_to=%2Fx"
)

func (f *front) nobody(t *testing.T) {
	res := f.ask("GET "+deepLink, "", asksForPage, "Sec-Fetch-Mode: navigate")
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil || res.StatusCode != http.StatusSeeOther || to.Path != "/_gate/sign-in" || to.Query().Get("return_to") != deepLink {
		t.Errorf("a navigation is answered %d to %q", res.StatusCode, res.Header.Get("Location"))
	}
	for _, headers := range [][]string{{asksForData}, {"Accept: */*", "Sec-Fetch-Mode: cors"}} {
		res = f.ask("GET /contacts", "", headers...)
		if res.StatusCode != http.StatusUnauthorized || !strings.Contains(res.body, `"sign_in_required"`) || !strings.Contains(res.body, f.gate+"/_gate/sign-in") ||
			!strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
			t.Errorf("a program is answered %d %q %s", res.StatusCode, res.Header.Get("Content-Type"), res.body)
		}
	}
	if res = f.ask("POST /contacts", "name=x", asksForPage, "Content-Type: application/x-www-form-urlencoded"); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a POST is answered %d", res.StatusCode)
	}
	if seen := f.crm.take(); len(seen) != 0 {
		t.Errorf("the CRM was asked: %v", seen)
	}
	if res = f.ask("GET /.well-known/change-password", "", asksForPage); res.StatusCode != http.StatusSeeOther {
		t.Errorf("change-password is answered %d", res.StatusCode)
	}
	if res = f.ask("GET /assets/logo.png", ""); res.StatusCode != http.StatusOK {
		t.Fatalf("a public page is answered %d", res.StatusCode)
	}
	f.unnamed(t, f.crm.one(t))
}

// unnamed demands that the CRM is told of nobody.
func (f *front) unnamed(t *testing.T, got crmRequest) {
	t.Helper()
	for name, values := range got.header {
		if told(name) || name == "Cookie" || name == "Authorization" {
			t.Errorf("the CRM is told %s: %q", name, values)
		}
	}
}

// told reports whether a CRM can take a header for one that says who asks, however it reads names.
func told(name string) bool {
	name = strings.Map(func(r rune) rune {
		if r == '_' || r == '.' {
			return '-'
		}
		return r
	}, strings.ToLower(name))
	switch name {
	case "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto":
		return false
	case "remote-user", "x-remote-user", "forwarded", "proxy", "x-real-ip", "x-rewrite-url":
		return true
	}
	return strings.HasPrefix(name, "x-forwarded") || strings.HasPrefix(name, "x-crmgate-") || strings.HasPrefix(name, "x-original-")
}

func (f *front) signsIn(t *testing.T) {
	b := newBrowser(t)
	b.client.Transport = &http.Transport{TLSClientConfig: f.trust.Clone(), ForceAttemptHTTP2: true}
	if err := b.open(f.gate + deepLink); err != nil {
		t.Fatal(err)
	}
	if err := b.click("/_gate/sign-in/contoso"); err != nil {
		t.Fatalf("%v: %d %s", err, b.status, b.body)
	}
	if b.url.String() != f.gate+deepLink || b.body != "CRM "+deepLink+" for ann@contoso.com" {
		t.Fatalf("the sign-in ends at %s: %d %s", b.url, b.status, b.body)
	}
	var cookies []string
	for _, c := range b.client.Jar.Cookies(b.url) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	f.cookie = "Cookie: " + strings.Join(append([]string{"crm=1"}, append(cookies, "lang=de")...), "; ")
}

// identity is what the CRM is told about Ann, and about nothing else of hers.
func (f *front) identity(t *testing.T) {
	if res := f.ask("GET /contacts", "", f.cookie); res.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", res.StatusCode, res.body)
	}
	got := f.crm.one(t)
	for name, want := range map[string]string{
		"X-Forwarded-Email": "ann@contoso.com", "X-Forwarded-Name": "Änn Archer", "X-Forwarded-Groups": "sales", "X-Crmgate-Provider": "contoso",
		"X-Forwarded-Proto": "https", "X-Forwarded-Host": strings.TrimPrefix(f.gate, "https://"), "X-Forwarded-For": "127.0.0.1", "Cookie": "crm=1; lang=de",
	} {
		if values := got.header[name]; len(values) != 1 || values[0] != want {
			t.Errorf("%s: %q, want %q", name, values, want)
		}
	}
	session := f.ask("GET /_gate/session", "", f.cookie, asksForData)
	if id := got.header.Get("X-Forwarded-User"); id == "" || !strings.Contains(session.body, `"id":"`+id+`"`) {
		t.Errorf("X-Forwarded-User: %q, session %s", id, session.body)
	}
	if strings.Count(got.header.Get("X-Crmgate-Assertion"), ".") != 2 {
		t.Errorf("X-Crmgate-Assertion: %q", got.header.Get("X-Crmgate-Assertion"))
	}
	if got.header["Authorization"] != nil {
		t.Errorf("Authorization: %q", got.header["Authorization"])
	}
	if got.host != strings.TrimPrefix(f.gate, "https://") {
		t.Errorf("Host: %q", got.host)
	}
}

// forged headers never reach the CRM, whoever sends them, over which protocol.
func (f *front) forged(t *testing.T) {
	var forged []string
	for _, name := range []string{
		"X-Forwarded-User", "x-forwarded-user", "X_Forwarded_User", "X-Forwarded_User", "X.Forwarded.User", "X-Forwarded-Email", "X_FORWARDED_EMAIL",
		"X-Forwarded-Name", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups", "X_Forwarded_Groups", "X-Crmgate-Provider", "X-Crmgate-Assertion",
		"X_Crmgate_Assertion", "X-Crmgate-Forward-Secret", "Remote-User", "Remote_User", "X-Remote-User", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
		"X-Forwarded-Port", "X-Forwarded-Prefix", "X-Original-Url", "X-Rewrite-Url", "X-Real-Ip", "Forwarded", "Proxy",
	} {
		forged = append(forged, name+": forged")
	}
	check := func(what string, person bool) {
		t.Helper()
		got := f.crm.one(t)
		for name, values := range got.header {
			if strings.Contains(strings.Join(values, ""), "forged") {
				t.Errorf("%s: the CRM got %s: %q", what, name, values)
			}
			if strings.ContainsAny(name, "_.") {
				t.Errorf("%s: the CRM got the name %s", what, name)
			}
		}
		if !person {
			f.unnamed(t, got)
		} else if got.header.Get("X-Forwarded-Email") != "ann@contoso.com" || len(got.header["X-Forwarded-User"]) != 1 {
			t.Errorf("%s: %v", what, got.header)
		}
	}
	for _, h := range forged {
		f.ask("GET /contacts", "", f.cookie, h)
		check(h+", signed in", true)
	}
	f.ask("GET /contacts", "", append(forged, f.cookie)...)
	check("all of them, signed in", true)
	f.ask("GET /assets/x", "", forged...)
	check("all of them, nobody, public", false)
	f.ask("GET /contacts", "", f.cookie, "Connection: x-forwarded-user, X-Crmgate-Assertion, cookie")
	f.crm.take() // served or not, never as somebody else; what follows shows that the connection is not spoiled
	req, err := http.NewRequest(http.MethodGet, f.gate+"/contacts", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range append(forged, f.cookie) {
		name, value, _ := strings.Cut(h, ": ")
		req.Header[name] = append(req.Header[name], value)
	}
	client := &http.Transport{TLSClientConfig: f.trust.Clone(), ForceAttemptHTTP2: true}
	defer client.CloseIdleConnections()
	res, err := client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.ProtoMajor == 2 {
		check("HTTP/2", true)
	} else {
		t.Errorf("spoke %s", res.Proto)
	}
}

func (f *front) decisions(t *testing.T) {
	for _, tc := range []struct {
		name, line string
		headers    []string
		status     int
	}{
		{"a rule refuses", "GET /admin/users", []string{f.cookie}, 403},
		{"a rule refuses, a page is wanted", "GET /admin/users", []string{f.cookie, asksForPage}, 403},
		{"nobody there", "GET /admin/users", []string{asksForData}, 401},
		{"public, but for this method", "POST /assets/x", []string{asksForData}, 401},
		{"public, HEAD", "HEAD /assets/x", nil, 200},
		{"a method in disguise", "GET /assets/x", []string{"X-HTTP-Method-Override: DELETE", asksForData}, 403},
		{"DELETE, signed in", "DELETE /contacts/1", []string{f.cookie}, 200},
		{"a cookie of nobody's", "GET /contacts", []string{"Cookie: __Host-crmgate_session=x", asksForData}, 401},
	} {
		f.crm.take()
		res := f.ask(tc.line, "", tc.headers...)
		if res.StatusCode == 400 {
			res.StatusCode = 403 // crmgate's own word for what is doubtful, where the proxy lets it answer
		}
		if res.StatusCode != tc.status || (len(f.crm.take()) == 1) != (tc.status == 200) {
			t.Errorf("%s: %d %s", tc.name, res.StatusCode, res.body)
		}
		if tc.name == "a rule refuses, a page is wanted" && (!strings.Contains(res.body, "administration") || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html")) {
			t.Errorf("the page of a refusal does not say why: %s", res.body)
		}
	}
}

// paths that end somewhere else than they seem to never bring Ann to the administration, nor anybody past the public pages; what the
// CRM gets is what was asked.
func (f *front) paths(t *testing.T) {
	for _, to := range []string{"/admin/users", "/admin"} {
		for _, form := range []string{"%s", "/%s", "//%s", "/assets/..%s", "/assets/%%2e%%2e%s", "/assets/.%%2E%s", "/assets/..;%s", "/assets/..;x=1%s", "/assets/x/../..%s", "/./%s",
			"/assets%%2f..%s", "/assets/..%%2f%s", "/assets\\..%s", "/assets/..%%5c%s", "/assets/%%252e%%252e%s", "/assets/..%%c0%%af%s", "http://other.test%s", "/assets/%%00/..%s", "/assets/..?x=%s#/../..%s"} {
			target := strings.ReplaceAll(strings.ReplaceAll(form, "%s", to), "%%", "%")
			f.crm.take()
			res := f.ask("GET "+target, "", f.cookie, asksForData)
			seen := f.crm.take()
			if len(seen) > 0 || res.StatusCode < 400 && res.body != "" { // Caddy has 200 and nothing for hosts it does not know
				t.Errorf("%s: %d, the CRM got %v", target, res.StatusCode, seen)
			}
		}
	}
	for _, target := range []string{"/%61dmin/users", "/admin%2fusers", "/adm%69n", "/admin;x/users", "/ADMIN%2f..%2fadmin/users", "/_gate/..%2fadmin/users", "/_gate/../admin/users", "/%5fgate%2f..%2fadmin"} {
		f.crm.take()
		if res := f.ask("GET "+target, "", f.cookie, asksForData); res.StatusCode < 400 {
			t.Errorf("%s: %d", target, res.StatusCode)
		}
		if seen := f.crm.take(); len(seen) > 0 {
			t.Errorf("%s: the CRM got %v", target, seen)
		}
	}
	for _, target := range []string{deepLink, "/", "/?", "/a%20b", "/a+b?c+d", "/~ann/(1)", "/a?b=/../../admin", "/a%3Bb?%zz=%", "/x/%E2%82%AC", "/a?next=//evil.test/%2f"} {
		f.crm.take()
		if res := f.ask("GET "+target, "", f.cookie); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", target, res.StatusCode)
			continue
		}
		if got := f.crm.one(t); got.uri != target {
			t.Errorf("of %s the CRM got %s", target, got.uri)
		}
	}
}

// names sends the headers by which the proxy names the request in question: they change nothing.
func (f *front) names(t *testing.T) {
	for _, tc := range []struct {
		line, uri string
		status    int
	}{{"GET /admin/users", "/assets/x", 403}, {"GET /contacts", "/admin/users", 200}, {"DELETE /assets/x", "/assets/x", 200}} {
		for _, pair := range [][2]string{{"X-Forwarded-Method", "X-Forwarded-Uri"}, {"X-Original-Method", "X-Original-Uri"}, {"X-Original-Method", "X-Original-Url"}, {"X_Forwarded_Method", "X_Forwarded_Uri"}, {"X-Http-Method", "X-Rewrite-Url"}} {
			uri := tc.uri
			if pair[1] == "X-Original-Url" {
				uri = f.gate + uri
			}
			if pair[0] == "X-Http-Method" && tc.line[0] == 'D' {
				continue // a disguise of the method: refused
			}
			f.crm.take()
			if res := f.ask(tc.line, "", f.cookie, pair[0]+": GET", pair[1]+": "+uri); res.StatusCode != tc.status || (len(f.crm.take()) == 1) != (tc.status == 200) {
				t.Errorf("%s with %v %s: %d", tc.line, pair, uri, res.StatusCode)
			}
		}
	}
}

// asks is what a page of the CRM could try: to ask crmgate itself, through the proxy that is trusted.
func (f *front) asks(t *testing.T) {
	named := []string{f.cookie, asksForData, "X-Forwarded-Method: GET", "X-Forwarded-Uri: /contacts", "X-Original-Method: GET", "X-Original-Uri: /contacts"}
	for _, target := range []string{"/_gate/auth", "/_gate/auth?x", "/_gate/auth/", "/_gate/auth/contacts", "/_gate/%61uth", "//_gate/auth", "/_gate//auth", "/%5fgate/auth", "/_GATE/auth", "/_gate/./auth"} {
		for _, secret := range []string{"", "X-Crmgate-Forward-Secret: x", "X-Crmgate-Forward-Secret: CRMGATE_FORWARD_SECRET"} {
			f.crm.take()
			res := f.ask("GET "+target, "", append(named, secret)...)
			if res.Header.Get("X-Crmgate-Assertion") != "" || res.Header.Get("X-Forwarded-User") != "" || res.Header.Get("Cookie") != "" {
				t.Errorf("%s %s: %d %v", target, secret, res.StatusCode, res.Header)
			}
			if target == "/_GATE/auth" {
				continue // an address of the CRM's, like any other
			}
			if seen := f.crm.take(); res.StatusCode < 400 || len(seen) > 0 {
				t.Errorf("%s %s: %d, the CRM got %v", target, secret, res.StatusCode, seen)
			}
		}
	}
}

func (f *front) upload(t *testing.T) {
	body := strings.Repeat("0123456789abcdef", 2<<20/16)
	res := f.ask("POST /upload?x=1", body, f.cookie, "Content-Type: application/octet-stream", "Expect: ")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s", res.StatusCode, res.body)
	}
	if got := f.crm.one(t); got.method != "POST" || got.sum != fmt.Sprintf("%x", sha256.Sum256([]byte(body))) {
		t.Errorf("the CRM got %s %s with another body", got.method, got.uri)
	}
	if res := f.ask("POST /upload", "name=x", f.cookie, "Content-Type: application/x-www-form-urlencoded"); res.StatusCode != http.StatusOK {
		t.Errorf("a form: %d", res.StatusCode)
	}
}
