package account

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfigValidate(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
		want   []string // paths, with "?" after that of a warning
	}{
		{name: "defaults", change: func(*Config) {}},
		{name: "no minimum", change: func(c *Config) { c.Password.MinLength = 0 }, want: []string{"password.min_length"}},
		{name: "seven", change: func(c *Config) { c.Password.MinLength = 7 }, want: []string{"password.min_length"}},
		{name: "eight is weak alone", change: func(c *Config) { c.Password.MinLength = 8 }, want: []string{"password.min_length?"}},
		{name: "most", change: func(c *Config) { c.Password.MinLength = 64 }},
		{name: "more than that", change: func(c *Config) { c.Password.MinLength = 65 }, want: []string{"password.min_length"}},
		{name: "negative history", change: func(c *Config) { c.Password.History = -1 }, want: []string{"password.history"}},
		{name: "endless history", change: func(c *Config) { c.Password.History = 25 }, want: []string{"password.history"}},
		{name: "seven with a factor", change: func(c *Config) { c.Password.MinLengthWithFactor = 7 }, want: []string{"password.min_length_with_factor"}},
		{name: "longer with a factor", change: func(c *Config) { c.Password.MinLengthWithFactor = 16 }, want: []string{"password.min_length_with_factor"}},
		{name: "ninety days", change: func(c *Config) { c.Password.MaxAge = 90 * day }},
		{name: "an hour", change: func(c *Config) { c.Password.MaxAge = time.Hour }, want: []string{"password.max_age"}},
		{name: "no filter", change: func(c *Config) { c.Password.BreachCheck = filepath.Join(t.TempDir(), "none") }, want: []string{"password.breach_check"}},
		{name: "range API in the clear", change: func(c *Config) { c.Password.BreachCheck = "http://api.example.test/range" }, want: []string{"password.breach_check"}},
		{name: "no list", change: func(c *Config) { c.Password.BlocklistFile = filepath.Join(t.TempDir(), "none") }, want: []string{"password.blocklist_file"}},
		{name: "link that never worked", change: func(c *Config) { c.Reset.LinkLifetime = 0 }, want: []string{"reset.link_lifetime"}},
		{name: "link for ever", change: func(c *Config) { c.Reset.LinkLifetime = 25 * time.Hour }, want: []string{"reset.link_lifetime"}},
		{name: "invitation that never worked", change: func(c *Config) { c.InvitationLifetime = -time.Hour }, want: []string{"invitation_lifetime"}},
		{name: "invitation for ever", change: func(c *Config) { c.InvitationLifetime = 1000 * time.Hour }, want: []string{"invitation_lifetime"}},
		{name: "lockout", change: func(c *Config) { c.Lockout.Failures = 0 }, want: []string{"lockout.failures"}},
		{name: "all at once", change: func(c *Config) { *c = Config{} }, want: []string{"password.min_length", "password.min_length_with_factor", "reset.link_lifetime", "invitation_lifetime",
			"lockout.failures", "lockout.window", "lockout.duration", "lockout.total"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Config{}.Default()
			tt.change(&c)
			var got []string
			for _, p := range c.Validate() {
				if p.Hint == "" || p.Message == "" {
					t.Errorf("problem without message or hint: %+v", p)
				}
				if p.Warning {
					p.Path += "?"
				}
				got = append(got, p.Path)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLifetimeInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		30 * time.Minute: "30 minutes", time.Minute: "1 minute", time.Hour: "1 hour", 72 * time.Hour: "3 days", 24 * time.Hour: "24 hours",
		36 * time.Hour: "36 hours", 90 * time.Minute: "90 minutes", 45 * time.Second: "45 seconds",
	} {
		if got := Lifetime(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
	if got := clockTime(time.Date(2026, 3, 1, 1, 5, 0, 0, time.FixedZone("", 5*3600))); got != "28 February 2026, 20:05 UTC" {
		t.Errorf("moment %q", got)
	}
}
