package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
	"crmgate/internal/proxy"
	"crmgate/internal/session"
)

// stickyCRM is a CRM like Dolibarr: the first identity that a browser brings stays in its own session, whatever headers come later. It
// answers with who that is and with the cookies it was sent.
func stickyCRM(t *testing.T, attributes string) string {
	owners := map[string]string{}
	return "http://" + listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who := r.Header.Get("X-Forwarded-User")
		c, err := r.Cookie("CRMSID")
		if err != nil || owners[c.Value] == "" {
			id := fmt.Sprint("sid", len(owners))
			owners[id] = who
			w.Header().Add("Set-Cookie", "CRMSID="+id+attributes)
			w.Header().Add("Set-Cookie", "XSRF=token-"+id+"; Path=/")
			c = &http.Cookie{Value: id}
		}
		if r.URL.Path == "/crm/read" {
			x, _ := r.Cookie("XSRF")
			if x == nil || r.Header.Get("X-Xsrf") != x.Value {
				w.WriteHeader(http.StatusForbidden)
			}
		}
		fmt.Fprintf(w, "%s|%s", owners[c.Value], r.Header.Get("Cookie"))
	}))
}

// person is a browser: a jar that the sessions of several people use one after another.
type person struct {
	g      *gate
	client *http.Client
	url    *url.URL
}

func (g *gate) browser() *person {
	jar, _ := cookiejar.New(nil)
	u, _ := url.Parse("http://" + g.addr + "/crm/page")
	return &person{g, &http.Client{Jar: jar}, u}
}

func (p *person) signIn(cookie, account, secret string) {
	s := annSession()
	s.ID, s.AccountID, s.SecretDigest = fmt.Sprintf("%032s", cookie), account, secret
	p.g.sessions.put(cookie, s)
	p.client.Jar.SetCookies(p.url, []*http.Cookie{{Name: "crmgate_session", Value: cookie, Path: "/"}})
}

// open returns whom the CRM takes the browser for, and the cookies that it got.
func (p *person) open(t *testing.T, path string, headers ...string) (who, cookies string) {
	t.Helper()
	r, _ := http.NewRequest("GET", "http://"+p.g.addr+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := p.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 {
		t.Fatalf("%s: status %d: %s", path, res.StatusCode, body)
	}
	who, cookies, _ = strings.Cut(string(body), "|")
	return who, cookies
}

func (p *person) cookie(name string) string {
	for _, c := range p.client.Jar.Cookies(p.url) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// TestTheCRMsSessionFollowsOurs lets two people use one browser one after the other, with every kind of cookie that a CRM may have.
func TestTheCRMsSessionFollowsOurs(t *testing.T) {
	for _, tc := range []struct {
		name, attributes string
		clear            []string
		bind, fast       bool
		second           string
	}{
		{"not bound: the CRM shows the first one's data", "; Path=/; HttpOnly", nil, false, true, "ann-id"},
		{"HttpOnly", "; Path=/; HttpOnly", nil, true, true, "bob-id"},
		{"HttpOnly, the standard way", "; Path=/; HttpOnly", nil, true, false, "bob-id"},
		{"readable by scripts", "; Path=/", nil, true, true, "bob-id"},
		{"readable by scripts, the standard way", "; Path=/", nil, true, false, "bob-id"},
		{"readable by scripts but declared", "; Path=/", []string{"CRM*"}, true, true, "bob-id"},
		{"default path", "", nil, true, true, "bob-id"},
		{"path of its own", "; Path=/crm; SameSite=Lax", nil, true, true, "bob-id"},
		{"long-lived", "; Path=/; Max-Age=10000000; Expires=Wed, 21 Oct 2065 07:28:00 GMT", nil, true, true, "bob-id"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := guard(t, stickyCRM(t, tc.attributes), func(s *setup) {
				s.upstreams[0].Cookies = proxy.CookiesConfig{Clear: tc.clear, Bind: tc.bind}
				s.upstreams[0].FastGet = tc.fast
			})
			b := g.browser()
			b.signIn("ann", "ann-id", "digest of ann's secret")
			b.open(t, "/crm/page")
			for range 2 {
				who, cookies := b.open(t, "/crm/page")
				if who != "ann-id" || !strings.Contains(cookies, "CRMSID=sid0") || strings.Contains(cookies, "crmgate") || strings.Contains(cookies, "~") {
					t.Fatalf("Ann's own session: %s with %q", who, cookies)
				}
			}
			// Scripts compare this one.
			if got := b.cookie("XSRF"); got != "token-sid0" {
				t.Errorf("a script reads %q", got)
			}
			b.open(t, "/crm/read", "X-Xsrf", b.cookie("XSRF"))
			b.client.Jar.SetCookies(b.url, []*http.Cookie{{Name: "theme", Value: "dark", Path: "/"}})

			b.signIn("bob", "bob-id", "digest of bob's secret")
			for i := range 3 {
				who, cookies := b.open(t, "/crm/page")
				if who != tc.second {
					t.Fatalf("visit %d: Bob is taken for %s, with %q", i, who, cookies)
				}
				if !strings.Contains(cookies, "theme=dark") {
					t.Errorf("what a script made is missing: %q", cookies)
				}
			}
			if tc.bind {
				if got := b.cookie("XSRF"); got != "token-sid1" {
					t.Errorf("a script reads %q", got)
				}
				// Nobody's requests do not carry it either.
				b.client.Jar.SetCookies(b.url, []*http.Cookie{{Name: "crmgate_session", MaxAge: -1, Path: "/"}})
				if who, cookies := b.open(t, "/public/crm"); who == "bob-id" || strings.Contains(cookies, "sid1") {
					t.Errorf("nobody is taken for %q, with %q", who, cookies)
				}
			}
		})
	}
}

// TestBoundCookiesOnTheWire looks at the lines themselves.
func TestBoundCookiesOnTheWire(t *testing.T) {
	up := record(t)
	answers := answering(t, map[string]string{"/a/b": "HTTP/1.1 200 OK\nContent-Length: 0\n" +
		"Set-Cookie: S=1; Path=/; HttpOnly\nSet-Cookie: T=\"x y\"; Domain=example.com; Secure; HTTPONLY\nSet-Cookie:  SID_a = 1\nSet-Cookie: R=2\nSet-Cookie: nothing\nSet-Cookie: =odd\n" +
		"Set-Cookie: crmgate_bound_S=evil\nSet-Cookie: crmgate_session=evil\n\n"})
	bind := func(s *setup) { s.upstreams[0].Cookies = proxy.CookiesConfig{Bind: true, Clear: []string{"SID*"}} }
	res := guard(t, answers, bind).get("GET /a/b", asAnn)
	lines := res.Header["Set-Cookie"]
	if len(lines) != 5 {
		t.Fatalf("%q", lines)
	}
	// sealed returns a cookie with its tag, of which the length is known.
	sealed := func(line, pair, attributes string) string {
		c, rest, _ := strings.Cut(line, ";")
		if !strings.HasPrefix(c, pair+"~crmgate.") || len(c) != len(pair)+len("~crmgate.")+16 || rest != attributes {
			t.Errorf("%q", line)
		}
		return c
	}
	s := sealed(lines[0], "S=1", " Path=/; HttpOnly")
	quoted := sealed(lines[1], `T="x y"`, " Domain=example.com; Secure; HTTPONLY")
	declared := strings.Replace(sealed(lines[2], "SID_a = 1", ""), " = ", "=", 1) // as a browser sends it back
	if lines[3] != "R=2" || !strings.HasPrefix(lines[4], "crmgate_bound_R=") || !strings.HasSuffix(lines[4], "; HttpOnly") {
		t.Errorf("%q", lines)
	}
	beside, _, _ := strings.Cut(lines[4], ";")
	side, _, _ := strings.Cut(strings.TrimPrefix(beside, "crmgate_bound_R="), ".")
	const others = "~crmgate.AAAAAAAAAAAAAAAA"
	tag := strings.TrimPrefix(s, "S=1")
	g := guard(t, up.url, bind)
	for _, tc := range []struct {
		name, cookie, want string
		expired            int
	}{
		{"tagged", s, "S=1", 0},
		{"of another session", "S=1" + others + "; x=1", "x=1", 0},
		{"another value with our own tag", "S=2" + tag + "; x=1", "x=1", 0},
		{"another cookie with our own tag", "Q=1" + tag + "; x=1", "x=1", 0},
		{"with the tag of one beside another", "S=2~crmgate." + side + "; x=1", "x=1", 0},
		{"declared and tagged", declared, "SID_a=1", 0},
		{"declared and not tagged", "SID_a=1; x=1", "x=1", 0},
		{"declared, in other letters", "sid_A=1; x=1", "x=1", 0},
		{"declared, as PHP reads it", "SID.a=1; SID_a[]=1; SID_a[x]=1; SID+a=1; SID a=1; x=1", "x=1", 0},
		{"declared and encoded", "%53ID_a=1; \"SID_a\"=1; SID_a%20=1; x=1", "x=1", 0},
		{"declared, behind a comma", "y=1,SID_a=1; z=1, sid_A = 1; x=1,2=3", "x=1,2=3", 0},
		{"declared, behind a space", "y=1 SID_a=1; z=\"1\tSID_a=1\"; x=1 2=3", "x=1 2=3", 0},
		{"declared, behind no name", "=SID_a=1; x=SID_a=1", "x=SID_a=1", 0},
		{"a script's own", "x=~crmgate.", "x=~crmgate.", 0},
		{"beside", "R=2; " + beside, "R=2", 0},
		{"overwritten by a script", "R=3; " + beside, "R=3", 0},
		{"beside, of another session", "R=2; y=1; " + strings.Replace(beside, side, others[9:], 1), "y=1", 2},
		{"beside, of another session, nonsense", "R=2; y=1; crmgate_bound_R=x", "y=1", 0},
		{"beside, that would write attributes", "R=2; y=1; crmgate_bound_R=x.IGEgLzsgTWF4LUFnZT05OTk", "y=1", 0},
		{"beside our own cookie", "crmgate_bound_crmgate_session=x." + strings.Split(beside, ".")[1] + "; y=1", "y=1", 0},
		{"quoted", quoted, `T="x y"`, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := g.get("GET /a/b", "Cookie: crmgate_session=ann; "+tc.cookie)
			if diff := cmp.Diff([]string{tc.want}, up.one(t).header["Cookie"]); diff != "" {
				t.Error(diff)
			}
			if n := len(res.Header["Set-Cookie"]); n != tc.expired {
				t.Errorf("%d lines: %q", n, res.Header["Set-Cookie"])
			}
			for _, line := range res.Header["Set-Cookie"] {
				if !strings.Contains(line, "R=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/a") {
					t.Errorf("%q", line)
				}
			}
		})
	}
	// The same on a WebSocket.
	g.raw("GET /ws HTTP/1.1\r\nHost: crm.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: crmgate_session=ann; " + s + "; SID_a=1; Q=1" + others + "\r\n\r\n")
	if diff := cmp.Diff([]string{"S=1"}, up.one(t).header["Cookie"]); diff != "" {
		t.Error(diff)
	}
}

func TestCookiesAreCleared(t *testing.T) {
	cfg := proxy.Config{}.Default()
	cfg.ID, cfg.URLs, cfg.Paths, cfg.Cookies.Clear = "crm", []string{"http://a"}, []string{"/", "/crm/"}, []string{"DOLSESSID_*", "fixed", "__Host-x", "crmgate_*"}
	elsewhere := cfg
	elsewhere.Hosts, elsewhere.Cookies.Clear = []string{"other.example.com"}, []string{"other"}
	cleaner := proxy.NewCleaner([]proxy.Config{cfg, elsewhere}, proxy.NewNames([]proxy.Config{cfg}, []string{"crmgate_session"}), true)
	m := session.Manager{Changed: cleaner.Clear}
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/_gate/sign-out", nil)
	r = r.WithContext(audit.WithOrigin(r.Context(), audit.Origin{Host: "crm.example.com:8443"}))
	r.Header.Set("Cookie", "DOLSESSID_1=a; crmgate_session=b; kept=1")
	m.Changed(w, r)
	const gone = "=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path="
	want := []string{"__Host-x" + gone + "/; Secure"}
	for _, name := range []string{"DOLSESSID_1", "fixed"} {
		for _, at := range []string{"/; Secure", "/crm; Secure", "/crm/; Secure", "/; Domain=crm.example.com; Secure", "/; Domain=example.com; Secure"} {
			want = append(want, name+gone+at)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, w.Header()["Set-Cookie"]); diff != "" {
		t.Error(diff)
	}
	if proxy.NewCleaner([]proxy.Config{{ID: "crm"}}, nil, true) != nil {
		t.Error("there is nothing to clear")
	}
}
