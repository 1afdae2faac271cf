package demo_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/demo"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func newCRM(t *testing.T) *demo.CRM {
	t.Helper()
	c, err := demo.NewCRM(func() time.Time { return noon })
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ann is what the gateway sends for an administrator.
func ann() http.Header {
	h := http.Header{}
	h.Set("X-Forwarded-User", "id-of-ann")
	h.Set("X-Forwarded-Email", "ann@contoso.example")
	h.Set("X-Forwarded-Name", "Ann Lindqvist")
	h.Set("X-Forwarded-Groups", `sales,crm-admins,Ham%2C Eggs`)
	h.Set("X-Crmgate-Provider", "contoso")
	return h
}

func get(h http.Handler, path string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func post(h http.Handler, path, kind string, body io.Reader, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, body)
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("Content-Type", kind)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPages(t *testing.T) {
	c := newCRM(t)
	for _, tt := range []struct {
		path   string
		status int
		want   []string
	}{
		{"/", 200, []string{"Good afternoon, Ann", "€390,050", "Framework contract"}},
		{"/contacts", 200, []string{"14 people", "Mara Hoffmann", "mara.hoffmann@nordlichtoptik.example"}},
		{"/contacts?q=HAMBURG", 200, []string{"1 of 14", "Mara Hoffmann"}},
		{"/contacts?q=%3Cb%3E", 200, []string{"0 of 14", "&lt;b&gt;", "Nobody matches"}},
		{"/contacts/4", 200, []string{"Teodora Ilieva", "Monitoring for four sites", "277.5 kB"}},
		{"/contacts/99", 404, []string{"Nothing is here"}},
		{"/contacts/x", 404, []string{"Nothing is here"}},
		{"/contacts/new", 200, []string{`enctype="multipart/form-data"`, `type="file"`}},
		{"/deals", 200, []string{"Lead", "Qualified", "Proposal", "Won", `value="won"`}},
		{"/whoami", 200, []string{"You are Ann Lindqvist"}},
		{"/admin/reports", 200, []string{"<strong>crm-admins</strong>", "November", "€674,600"}},
		{"/elsewhere", 404, []string{"Nothing is here"}},
	} {
		t.Run(tt.path, func(t *testing.T) {
			w := get(c, tt.path, ann())
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			for _, want := range append(tt.want, "Ann Lindqvist", `href="/_gate/account"`, `href="/_gate/sign-out"`) {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("no %q in %s", want, w.Body)
				}
			}
			whole(t, w.Body.String())
		})
	}
}

var (
	reference = regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
	inline    = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script>`)
)

// whole checks that a page asks nobody else for anything and has nothing that its policy forbids.
func whole(t *testing.T, page string) {
	t.Helper()
	for _, m := range reference.FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "/") && !strings.HasPrefix(m[1], "#") && !strings.HasPrefix(m[1], "mailto:") {
			t.Errorf("the page refers to %s", m[1])
		}
	}
	if m := inline.FindString(page); m != "" {
		t.Errorf("the page has %q inline", m)
	}
}

func TestNobody(t *testing.T) {
	w := get(newCRM(t), "/", nil)
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "No identity headers") || strings.Contains(w.Body.String(), "/_gate/sign-out") {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestHostileIdentity(t *testing.T) {
	h := ann()
	h.Set("X-Forwarded-Name", `<script>alert(1)</script> "x`)
	h.Set("X-Forwarded-Groups", `<i>,\,,`)
	w := get(newCRM(t), "/whoami", h)
	if strings.Contains(w.Body.String(), "<script>alert") || strings.Contains(w.Body.String(), "<i>") {
		t.Errorf("not escaped: %s", w.Body)
	}
}

func TestProductAndPrefix(t *testing.T) {
	c := newCRM(t)
	c.Product, c.Prefix = "Other", "/auth"
	if b := get(c, "/", ann()).Body.String(); !strings.Contains(b, "<title>Home · Other</title>") || !strings.Contains(b, `href="/auth/sign-out"`) {
		t.Errorf("body %s", b)
	}
}

func TestWhoami(t *testing.T) {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	jwt := func(claims string) string { return part(`{"alg":"ES256"}`) + "." + part(claims) + ".c2ln" }
	for _, tt := range []struct {
		name   string
		change func(h http.Header)
		want   []string
	}{
		{"as sent", func(http.Header) {}, []string{"id-of-ann", `sales,crm-admins,Ham%2C Eggs`, ">Ham, Eggs<", "because “contoso” vouches", "No X-Crmgate-Assertion came along", "none; the gateway keeps"}},
		{"local", func(h http.Header) { h.Set("X-Crmgate-Provider", "local") }, []string{"from a local account"}},
		{"twice", func(h http.Header) { h.Add("X-Forwarded-User", "forged") }, []string{"forged", "came 2 times"}},
		{"cookies", func(h http.Header) { h.Set("Cookie", "crm_session=secret-value") }, []string{"<code>crm_session</code>"}},
		{"assertion", func(h http.Header) {
			h.Set("X-Crmgate-Assertion", jwt(fmt.Sprintf(`{"sub":"id-of-ann","exp":%d}`, noon.Unix()+42)))
		}, []string{`"sub": "id-of-ann"`, "good for 42s more", "not verified", "/_gate/jwks.json"}},
		{"expired assertion", func(h http.Header) {
			h.Set("X-Crmgate-Assertion", jwt(fmt.Sprintf(`{"exp":%d}`, noon.Unix()-1)))
		}, []string{"It has expired"}},
		{"broken assertion", func(h http.Header) { h.Set("X-Crmgate-Assertion", "a.b.c") }, []string{"it is not a JWT"}},
		{"assertion of two parts", func(h http.Header) { h.Set("X-Crmgate-Assertion", part(`{}`)+"."+part(`{}`)) }, []string{"it is not a JWT"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := ann()
			tt.change(h)
			body := html.UnescapeString(get(newCRM(t), "/whoami", h).Body.String())
			for _, want := range tt.want {
				if !strings.Contains(body, want) {
					t.Errorf("no %q in %s", want, body)
				}
			}
			if strings.Contains(body, "secret-value") {
				t.Error("the value of a cookie is shown")
			}
		})
	}
}

// form makes a multipart body; a document of size < 0 is none.
func form(t *testing.T, fields map[string]string, size int) (string, io.Reader) {
	t.Helper()
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	for k, v := range fields {
		if err := mw.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	name := "plan.pdf"
	if size < 0 {
		name, size = "", 0
	}
	part, err := mw.CreateFormFile("document", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := mw.Close(); err != nil {
		t.Fatal(err)
	}
	return mw.FormDataContentType(), &b
}

func TestNewContact(t *testing.T) {
	c := newCRM(t)
	kind, body := form(t, map[string]string{"name": " Zoë <Quist> ", "company": "Quist & Co", "notes": "first\nsecond"}, 3<<20)
	w := post(c, "/contacts", kind, body, ann())
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/contacts/15?new" {
		t.Fatalf("status %d, Location %q: %s", w.Code, w.Header().Get("Location"), w.Body)
	}
	page := get(c, "/contacts/15?new", ann()).Body.String()
	for _, want := range []string{"Zoë &lt;Quist&gt;", "Quist &amp; Co", "“plan.pdf” arrived whole: 3.0 MB", "Ann Lindqvist", "just now"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	if list := get(c, "/contacts", ann()).Body.String(); !strings.Contains(list, "15 people") {
		t.Errorf("the list: %s", list)
	}

	for _, tt := range []struct {
		name   string
		fields map[string]string
		status int
		want   string
	}{
		{"without name", map[string]string{"company": "Kept"}, 422, "Enter a name."},
		{"bad e-mail", map[string]string{"name": "X", "email": "x"}, 422, "has an @ in it"},
		{"without file", map[string]string{"name": "X"}, 303, ""},
		{"unknown field", map[string]string{"name": "X", "owner": "Mallory"}, 303, ""},
		{"endless field", map[string]string{"name": strings.Repeat("x", 9000)}, 303, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kind, body := form(t, tt.fields, -1)
			w := post(c, "/contacts", kind, body, ann())
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
			if kept := tt.fields["company"]; kept != "" && !strings.Contains(w.Body.String(), `value="`+kept+`"`) {
				t.Error("what was typed is gone")
			}
			if at := w.Header().Get("Location"); at != "" {
				if page := get(c, at, ann()).Body.String(); strings.Contains(page, "Mallory") || strings.Contains(page, strings.Repeat("x", 5000)) || strings.Contains(page, "arrived whole") {
					t.Errorf("the contact: %s", page)
				}
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		w := post(c, "/contacts", "multipart/form-data; boundary=x", strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nhalf"), ann())
		if w.Code != http.StatusBadRequest {
			t.Errorf("status %d", w.Code)
		}
	})
	t.Run("not a form", func(t *testing.T) {
		if w := post(c, "/contacts", "text/plain", strings.NewReader("x"), ann()); w.Code != http.StatusBadRequest {
			t.Errorf("status %d", w.Code)
		}
	})
	t.Run("from another site", func(t *testing.T) {
		h := ann()
		h.Set("Sec-Fetch-Site", "cross-site")
		kind, body := form(t, map[string]string{"name": "X"}, -1)
		if w := post(c, "/contacts", kind, body, h); w.Code != http.StatusForbidden {
			t.Errorf("status %d", w.Code)
		}
	})
}

func TestContactsAreBounded(t *testing.T) {
	c := newCRM(t)
	for range 520 {
		kind, body := form(t, map[string]string{"name": "X"}, -1)
		post(c, "/contacts", kind, body, ann())
	}
	if list := get(c, "/contacts?q=nobody-at-all", ann()).Body.String(); !strings.Contains(list, "0 of 500") {
		t.Errorf("the list: %s", list)
	}
}

func TestMoveDeal(t *testing.T) {
	for _, tt := range []struct {
		name, path, stage string
		status            int
		column            string
	}{
		{"on", "/deals/7/move", "won", 303, "won"},
		{"back", "/deals/7/move", "lead", 303, "lead"},
		{"nowhere", "/deals/7/move", "lost", 404, "proposal"},
		{"no stage", "/deals/7/move", "", 404, "proposal"},
		{"no such deal", "/deals/99/move", "won", 404, "proposal"},
		{"no number", "/deals/x/move", "won", 404, "proposal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCRM(t)
			w := post(c, tt.path, "application/x-www-form-urlencoded", strings.NewReader(url.Values{"stage": {tt.stage}}.Encode()), ann())
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			_, column, _ := strings.Cut(get(c, "/deals", ann()).Body.String(), `class="col `+tt.column+`"`)
			column, _, _ = strings.Cut(column, "</section>")
			if !strings.Contains(column, `id="deal-7"`) {
				t.Errorf("deal 7 is not in %s", tt.column)
			}
		})
	}
}

func TestClockStreams(t *testing.T) {
	c := newCRM(t)
	c.Tick = time.Millisecond
	srv := httptest.NewServer(c)
	defer srv.Close() // waits for the handler: it must notice that the client left
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/clock", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		t.Errorf("Content-Type %q", kind)
	}
	lines := bufio.NewScanner(res.Body)
	for range 3 {
		lines.Scan()
		if lines.Text() != "data: 12:00:00" {
			t.Fatalf("line %q, %v", lines.Text(), lines.Err())
		}
		lines.Scan()
	}
	cancel()
}

func TestAssets(t *testing.T) {
	c := newCRM(t)
	for path, kind := range map[string]string{"/static/demo.css": "text/css", "/static/clock.js": "text/javascript", "/static/lantern.svg": "image/svg+xml"} {
		w := get(c, path, nil)
		if w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Body.Len() < 100 {
			t.Errorf("%s: status %d, %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		if strings.Contains(w.Body.String(), "url(") || strings.Contains(w.Body.String(), "@import") {
			t.Errorf("%s loads something", path)
		}
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	c := newCRM(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			kind, body := form(t, map[string]string{"name": "X"}, 10)
			post(c, "/contacts", kind, body, ann())
			post(c, "/deals/7/move", "application/x-www-form-urlencoded", strings.NewReader("stage=won"), ann())
			for _, path := range []string{"/", "/contacts", "/contacts/1", "/deals", "/admin/reports"} {
				if w := get(c, path, ann()); w.Code != http.StatusOK {
					t.Errorf("%s: status %d", path, w.Code)
				}
			}
		})
	}
	wg.Wait()
}
