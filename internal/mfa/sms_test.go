package mfa_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/templates"
)

var templatesFS = templates.FS

func TestSMSFill(t *testing.T) {
	for _, tt := range []struct{ name, template, contentType, want string }{
		{"JSON", `{"to":"{{to}}","text":"{{code}}"}`, "application/json; charset=utf-8", `{"to":"+4\"9","text":"042917"}`},
		{"JSON by its look", ` {"to":"{{to}}"}`, "", ` {"to":"+4\"9"}`},
		{"a form", "To={{to}}&Body={{code}}", "application/x-www-form-urlencoded", "To=%2B4%229&Body=042917"},
		{"a form by default", "To={{to}}", "", "To=%2B4%229"},
		{"XML", "<to>{{to}}</to>", "text/xml", "<to>+4&quot;9</to>"},
		{"plain", "{{to}} {{code}}", "text/plain", `+4"9 042917`},
		{"no template in a template", "{{to}}{{ code }}{{x}}", "text/plain", `+4"9{{ code }}{{x}}`},
	} {
		if got := mfa.Fill(tt.template, tt.contentType, `+4"9`, "042917"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestPhoneNumber(t *testing.T) {
	for typed, want := range map[string]string{
		"+44 7700 900-123": "+447700900123", "0044 (7700) 900123": "+447700900123", "+1.555.010.0200": "+15550100200",
		"07700 900123": "", "": "", "+": "", "+0123456789": "", "+44 7700 900123 ext 4": "", "+1234567": "+1234567", "+12345678901234567": "",
		"+44\r\nX: y": "", "+４４7700900123": "",
	} {
		got, ok := mfa.PhoneNumber(typed)
		if got != want || ok != (want != "") {
			t.Errorf("PhoneNumber(%q) = %q, %v", typed, got, ok)
		}
	}
}

func TestSMS(t *testing.T) {
	var body, key string
	status := http.StatusOK
	elsewhere := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/elsewhere" {
			elsewhere = true
		}
		body, key = r.URL.RawQuery+" "+string(b), r.Header.Get("X-Key")
		if status == http.StatusTemporaryRedirect {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	w := newWorld(t, func(c *mfa.Config) {
		c.SMS = mfa.SMSConfig{URL: srv.URL + "/send?code={{code}}", Method: "POST", Body: `{"to":"{{to}}"}`, Headers: []mfa.HeaderConfig{{Name: "X-Key", Value: "key {{to}}"}}}
	})
	who := w.person(t)
	if _, err := w.Enrol(t.Context(), who, mfa.SMS, url.Values{"phone": {"12"}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a bad number: %v", err)
	}
	state, err := w.Enrol(t.Context(), who, mfa.SMS, url.Values{"phone": {"+44 7700 900123"}})
	if err != nil {
		t.Fatal(err)
	}
	sent, rest, _ := strings.Cut(strings.TrimPrefix(body, "code="), " ")
	if rest != `{"to":"+447700900123"}` || key != "key +447700900123" || len(sent) != 6 {
		t.Errorf("the gateway got %q, key %q", body, key)
	}
	w.confirm(t, who, mfa.SMS, state, code(sent))
	if got := must2(w.List(t.Context(), who.ID))[0].Name; got != "+44 … 23" {
		t.Errorf("name %q shows the number", got)
	}
	for _, bad := range []int{http.StatusInternalServerError, http.StatusTemporaryRedirect} {
		status = bad
		_, err := w.Begin(t.Context(), who, mfa.SMS)
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("gateway answers %d: %v", bad, err)
		}
	}
	srv.Close()
	_, err = w.Begin(t.Context(), who, mfa.SMS)
	var f *fault.Error
	if !errors.As(err, &f) || strings.Contains(err.Error(), "code=") {
		t.Errorf("gateway is gone: %v", err)
	}
	if elsewhere {
		t.Error("a code followed a redirect")
	}
}
