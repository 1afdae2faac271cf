package app_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdSend asks as a program does, without cookies: `send METHOD PATH STATUS [TEXT | NAME:=VALUE]...` with texts to see in body or headers, and
// headers to send.
func (w *world) cmdSend(ts *testscript.TestScript, args []string) error {
	req, err := http.NewRequest(args[0], ts.Getenv("GATE")+args[1], nil)
	if err != nil {
		return err
	}
	for _, h := range args[3:] {
		if name, value, ok := strings.Cut(h, ":="); ok {
			req.Header.Add(name, value)
		}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var all strings.Builder
	if err := resp.Header.Write(&all); err != nil {
		return err
	}
	all.Write(body)
	if got := fmt.Sprint(resp.StatusCode); got != args[2] {
		return fmt.Errorf("status %s, want %s\n%s", got, args[2], all.String())
	}
	for _, want := range args[3:] {
		if !strings.Contains(want, ":=") && !strings.Contains(all.String(), want) {
			return fmt.Errorf("no %q in %s", want, all.String())
		}
	}
	return nil
}

// cmdCapture keeps a piece of what is there: `capture VARIABLE stdout|page REGEXP`, whose first group is the piece.
func (w *world) cmdCapture(ts *testscript.TestScript, args []string) error {
	text := w.b.body
	if args[1] == "stdout" {
		text = ts.ReadFile("stdout")
	}
	found := regexp.MustCompile(args[2]).FindStringSubmatch(text)
	if len(found) < 2 {
		return fmt.Errorf("no %q in\n%s", args[2], text)
	}
	ts.Setenv(args[0], found[1])
	return nil
}

// cmdIDPToken has the corporate provider issue an access token: `idp-token VARIABLE SUBJECT AUDIENCE`.
func (w *world) cmdIDPToken(ts *testscript.TestScript, args []string) error {
	raw, err := w.idp.AccessToken("crm", args[1], args[2], nil)
	ts.Setenv(args[0], raw)
	return err
}

// cmdAssertion checks that the CRM's last request carried an assertion signed with a key: `assertion KID`.
func (w *world) cmdAssertion(_ *testscript.TestScript, args []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.seen) == 0 {
		return errors.New("nothing reached the CRM")
	}
	head, _, _ := strings.Cut(w.seen[len(w.seen)-1].Get("X-Crmgate-Assertion"), ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || !strings.Contains(string(text), args[0]) {
		return fmt.Errorf("the assertion's header is %q, want key %s in it (%v)", text, args[0], err)
	}
	return nil
}
