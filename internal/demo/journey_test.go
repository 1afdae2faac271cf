package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/demo"
	"crmgate/internal/realtest"
)

// output is a buffer that may be read while the demo writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// startDemo runs the demo as the command does and returns the gateway's address.
func startDemo(t *testing.T) string {
	t.Helper()
	return startDemoWith(t, demo.Options{Listen: "127.0.0.1:0"})
}

func startDemoWith(t *testing.T, o demo.Options) string {
	t.Helper()
	var out output
	o.Out, o.Log = &out, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- demo.Run(ctx, o)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("demo ended with %v", err)
		}
	})
	address := regexp.MustCompile(`behind the gateway\s+(http://[\d.:]+)/`)
	for range 2400 {
		if m := address.FindStringSubmatch(out.String()); m != nil {
			return m[1]
		}
		select {
		case err := <-done:
			done <- err
			t.Fatalf("demo ended at once: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("the demo did not say where it is:\n%s", out.String())
	return ""
}

// looks keeps a picture of the page on a phone and on a desktop, light and dark.
func looks(b *realtest.Browser, name string) {
	for _, dark := range []bool{false, true} {
		b.Dark(dark)
		mode := map[bool]string{false: "light", true: "dark"}[dark]
		b.Phone()
		b.Screenshot("demo-" + name + "-phone-" + mode)
		b.Desktop()
		b.Screenshot("demo-" + name + "-desktop-" + mode)
	}
	b.Dark(false)
}

// TestEmployeeJourney walks through the demo in a real browser as its tour says.
func TestEmployeeJourney(t *testing.T) {
	b := realtest.Open(t)
	gate := startDemo(t)
	at := func(t *testing.T, want string) {
		t.Helper()
		if got := b.In(t).URL(); !strings.HasPrefix(got, want) {
			t.Fatalf("at %s, want %s", got, want)
		}
	}
	t.Run("a corporate employee follows a deep link", func(t *testing.T) {
		b := b.In(t)
		b.Go(gate + "/deals?stage=won")
		at(t, gate+"/_gate/sign-in")
		looks(b, "sign-in")
		b.Fill("#identifier", "ann@contoso.example")
		b.Click("button[type=submit]")
		b.Wait("input[type=password]")
		if strings.HasPrefix(b.URL(), gate) {
			t.Fatalf("the company's password is asked for at %s", b.URL())
		}
		b.Screenshot("demo-company")
		b.Fill("input[type=password]", "contoso")
		b.Click("button[type=submit]")
		at(t, gate+"/deals?stage=won")
		b.Screenshot("demo-deals")
		b.Go(gate + "/whoami")
		if text := b.Text("main"); !strings.Contains(text, "ann@contoso.example") || !strings.Contains(text, "contoso") {
			t.Errorf("who am I: %s", text)
		}
		b.Screenshot("demo-whoami")
		b.Go(gate + "/admin/reports")
		at(t, gate+"/admin/reports")
		if text := b.Text("main"); !strings.Contains(text, "Report") {
			t.Errorf("reports: %s", text)
		}
		b.Go(gate + "/_gate/account")
		looks(b, "account")
	})
	t.Run("signing out ends in a page of our own", func(t *testing.T) {
		b := b.In(t)
		b.Go(gate + "/_gate/sign-out")
		b.Click("button[type=submit]")
		for range 1200 { // the company's page says goodbye for a second
			if strings.HasPrefix(b.URL(), gate) {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		at(t, gate+"/_gate/signed-out")
		looks(b, "signed-out")
		b.Go(gate + "/deals")
		at(t, gate+"/_gate/sign-in")
	})
	t.Run("a partner signs in with a local password", func(t *testing.T) {
		b := b.In(t)
		signInLocally(b, gate, "violet otter sings twice", func() { looks(b, "password") })
		at(t, gate+"/deals")
		b.Go(gate + "/admin/reports")
		if text := b.Text("body"); !strings.Contains(text, "Reference") || !strings.Contains(text, "help@lantern.example") {
			t.Errorf("the page that refuses says: %s", text)
		}
		looks(b, "forbidden")
		b.Go(gate + "/_gate/sign-out")
		b.Click("button[type=submit]")
		at(t, gate+"/_gate/signed-out")
	})
	t.Run("forgotten: the company's password", func(t *testing.T) {
		b := b.In(t)
		ask(b, gate, "ann@contoso.example")
		if text := b.Text("main"); !strings.Contains(text, "Contoso") || !strings.Contains(text, "extension 4357") {
			t.Errorf("the page says: %s", text)
		}
		looks(b, "reset-provider")
	})
	t.Run("forgotten: three that look the same", func(t *testing.T) {
		b := b.In(t)
		var pages []string
		for _, who := range []string{"nobody@nowhere.example", "kim@fabrikam.example", "pat@partner.example"} {
			ask(b, gate, who)
			pages = append(pages, strings.ReplaceAll(b.Text("main"), who, "WHO"))
		}
		if pages[0] != pages[1] || pages[1] != pages[2] {
			t.Errorf("the pages differ:\n%s", strings.Join(pages, "\n---\n"))
		}
		looks(b, "reset-sent")
	})
	t.Run("the mailed link sets a new password", func(t *testing.T) {
		b := b.In(t)
		b.Go(mailedLink(t, gate, "pat@partner.example"))
		at(t, gate+"/_gate/reset/set")
		looks(b, "new-password")
		b.Fill("#password", "brave lantern under snow")
		b.Fill("#password_confirm", "brave lantern under snow")
		b.Click("button[type=submit]")
		looks(b, "reset-done")
		signInLocally(b, gate, "brave lantern under snow", func() {})
		at(t, gate+"/deals")
	})
	t.Run("help", func(t *testing.T) {
		b := b.In(t)
		b.Go(gate + "/_gate/help")
		if !strings.Contains(b.HTML(), "/forgot") {
			t.Error("the help page does not link the company's reset")
		}
		looks(b, "help")
		b.Go(gate + "/mail")
		b.Screenshot("demo-mail")
	})
	if errs := b.Errors(); len(errs) > 0 {
		t.Errorf("the browser complained: %v", errs)
	}
}

func signInLocally(b *realtest.Browser, gate, password string, look func()) {
	b.Go(gate + "/deals")
	b.Fill("#identifier", "pat@partner.example")
	b.Click("button[type=submit]")
	b.Wait("#password")
	look()
	b.Fill("#password", password)
	b.Click("main button[type=submit]")
}

func ask(b *realtest.Browser, gate, who string) {
	b.Go(gate + "/_gate/reset")
	b.Fill("#identifier", who)
	b.Click("button[type=submit]")
}

// mailedLink waits for the mail with a reset link and returns the link.
func mailedLink(t *testing.T, gate, to string) string {
	t.Helper()
	link := regexp.MustCompile(regexp.QuoteMeta(gate) + `/_gate/reset/[\w-]{43}`)
	for range 1200 {
		for _, m := range mails(t, gate) {
			if found := link.FindString(m.Text); found != "" && strings.Contains(strings.Join(m.To, " "), to) {
				return found
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("no mail with a link for %s", to)
	return ""
}

type mailLine struct {
	To   []string `json:"recipients"`
	Text string   `json:"text"`
}

func mails(t *testing.T, gate string) []mailLine {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, gate+"/mail", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list []mailLine
	if err := json.Unmarshal(body, &list); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return list
}
