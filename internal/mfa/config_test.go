package mfa_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/mfa"
)

func TestConfigValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*mfa.Config)
		want   []string // paths
	}{
		{"the default", func(*mfa.Config) {}, nil},
		{"off", func(c *mfa.Config) { c.Policy, c.Allowed = "off", nil }, nil},
		{"no policy", func(c *mfa.Config) { c.Policy = "always" }, []string{"policy"}},
		{"an unknown factor", func(c *mfa.Config) { c.Allowed = []string{"totp", "fax"} }, []string{"allowed[1]"}},
		{"one twice", func(c *mfa.Config) { c.Allowed = []string{"totp", "totp"} }, []string{"allowed[1]"}},
		{"only what stands in", func(c *mfa.Config) { c.Allowed = []string{"recovery"} }, []string{"allowed"}},
		{"times", func(c *mfa.Config) { c.RememberDevice, c.EnrolmentGrace, c.Fresh = -1, 91*24*time.Hour, time.Second },
			[]string{"remember_device", "enrolment_grace", "fresh"}},
		{"a gateway", func(c *mfa.Config) {
			c.SMS = mfa.SMSConfig{URL: "https://sms.example.test/?to={{to}}&text={{code}}", Method: "GET"}
		}, nil},
		{"a gateway in the clear", func(c *mfa.Config) {
			c.SMS = mfa.SMSConfig{URL: "http://sms.example.test/", Method: "POST", Body: "{{to}} {{code}}"}
		}, []string{"sms.url"}},
		{"a gateway that learns nothing", func(c *mfa.Config) { c.SMS = mfa.SMSConfig{URL: "https://sms.example.test/", Method: "PATCH"} },
			[]string{"sms.method", "sms.body", "sms.body"}},
		{"a header that is two", func(c *mfa.Config) {
			c.SMS = mfa.SMSConfig{URL: "https://sms.example.test/", Method: "POST", Body: "{{to}} {{code}}", Headers: []mfa.HeaderConfig{{Name: "X", Value: "a\r\nY: b"}}}
		}, []string{"sms.headers[0]"}},
		{"a gateway without address", func(c *mfa.Config) { c.SMS.Body = "{{to}} {{code}}" }, []string{"sms.url"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := mfa.Config{}.Default()
			tt.change(&c)
			var got []string
			for _, p := range c.Validate() {
				got = append(got, p.Path)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("paths (-want +got):\n%s", d)
			}
		})
	}
}

// Adding a factor is one file, one template, one line.
func TestEveryFactorHasItsTemplate(t *testing.T) {
	for _, k := range (mfa.Config{}).Default().Allowed {
		if _, err := templatesFS.Open("pages/factor_" + k + ".html"); err != nil {
			t.Errorf("%s: %v", k, err)
		}
		w := newWorld(t, func(c *mfa.Config) {
			c.Allowed = []string{k}
			c.SMS = mfa.SMSConfig{URL: "https://sms.example.test/", Method: "POST", Body: "{{to}}{{code}}"}
		})
		info, err := w.Info(mfa.Kind(k))
		if err != nil || info.Name == "" || info.Way == "" || !strings.HasSuffix(info.About, ".") || string(info.Kind) != k {
			t.Errorf("%s: %+v, %v", k, info, err)
		}
	}
}
