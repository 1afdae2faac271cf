package provider_test

import (
	"context"
	"errors"
	"testing"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
	"crmgate/internal/realtest"
)

// changed describes the outcome of a change in a word.
func changed(err error) string {
	if got := refusal(err); got != "signed in" {
		return got
	}
	return "changed"
}

func TestDirectoryPasswordChange(t *testing.T) {
	d := realtest.Slapd(t)
	c := directoryConfig(d)
	c.PasswordChange, c.BindDN = true, d.ChangerDN
	p := openDirectory(t, c, nil).(identity.PasswordChanger)
	if !p.Info().Password.ChangeHere {
		t.Error("Info does not say that passwords are changed here")
	}
	const fresh = "a-new-password-9"
	tests := []struct{ name, login, current, fresh, want string }{
		{"wrong current password", "bob", "wrong", fresh, "wrong password"},
		{"nobody", "nobody", "wrong", fresh, "wrong password"},
		{"no current password", "bob", "", fresh, "wrong password"},
		{"locked", "locked", "locked-pw-1", fresh, "wrong password"},
		{"no new password", "bob", "bob-pw-1", "", "invalid: password_refused"},
		{"the same again", "bob", "bob-pw-1", "bob-pw-1", "invalid: password_same"},
		{"too short", "bob", "bob-pw-1", "x", "invalid: password_short"},
		{"good", "bob", "bob-pw-1", fresh, "changed"},
		{"used before", "bob", fresh, "bob-pw-1", "invalid: password_used"},
		{"by address", "alice@example.test", "alice-pw-1", fresh, "changed"},
		{"a DN that needs escaping", realtest.OddUID, "odd-pw-11", fresh, "changed"},
		{"must change", "mustchange", "mustchange-pw-1", fresh, "changed"},
		{"must change, too short", "mustchange", fresh, "x", "invalid: password_short"},
		{"expired, sign-ins left", "grace", "grace-pw-1", fresh, "changed"},
		{"expired, wrong current password", "expired", "wrong", fresh, "wrong password"},
		{"expired, too short", "expired", "expired-pw-1", "x", "invalid: password_short"},
		{"expired", "expired", "expired-pw-1", fresh, "changed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := p.ChangePassword(context.Background(), tt.login, tt.current, tt.fresh)
			if got := changed(err); got != tt.want {
				t.Fatalf("ChangePassword: %s, want %s (%v)", got, tt.want, err)
			}
			var f *fault.Error
			if errors.As(err, &f) {
				wantPlain(t, err, "constraint", "0000", tt.current, "ou=")
			}
			if tt.want == "changed" {
				if _, err := p.CheckPassword(context.Background(), tt.login, tt.fresh); err != nil {
					t.Errorf("sign-in with the new password: %v", err)
				}
				if _, err := p.CheckPassword(context.Background(), tt.login, tt.current); !errors.Is(err, identity.ErrWrongPassword) {
					t.Errorf("sign-in with the old password: %v", err)
				}
			}
		})
	}
}

func TestDirectoryPasswordChangeRefused(t *testing.T) {
	d := realtest.Slapd(t)
	tests := []struct {
		name, login, current string
		change               func(*provider.Config)
		want                 string
	}{
		{"switched off", "bob", "bob-pw-1", func(c *provider.Config) { c.PasswordChange = false }, "forbidden: password_change_off"},
		{"expired, and the service account may not", "expired", "expired-pw-1", func(*provider.Config) {}, "forbidden: password_not_allowed"},
		{"nothing listens", "bob", "bob-pw-1", func(c *provider.Config) { c.URLs = []string{"ldaps://127.0.0.1:1"} }, "unavailable: provider_unreachable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := directoryConfig(d)
			c.PasswordChange = true
			tt.change(&c)
			err := openDirectory(t, c, nil).(identity.PasswordChanger).ChangePassword(context.Background(), tt.login, tt.current, "a-new-password-9")
			if got := changed(err); got != tt.want {
				t.Errorf("ChangePassword: %s, want %s (%v)", got, tt.want, err)
			}
		})
	}
}

// What CheckPassword says leads to the page that changes the password, or to the provider's links.
func TestDirectoryMustChange(t *testing.T) {
	d := realtest.Slapd(t)
	for _, here := range []bool{false, true} {
		c := directoryConfig(d)
		c.PasswordChange = here
		p := openDirectory(t, c, nil)
		for login, expired := range map[string]bool{"expired": true, "mustchange": false} {
			_, err := p.CheckPassword(context.Background(), login, login+"-pw-1")
			var must *identity.MustChange
			if !errors.As(err, &must) || must.Here != here || must.Expired != expired || !fault.Is(err, fault.Forbidden) {
				t.Errorf("%s, password_change %v: %#v", login, here, err)
			}
			_, err = p.CheckPassword(context.Background(), login, "wrong")
			if errors.As(err, &must) && !errors.Is(err, identity.ErrWrongPassword) {
				t.Errorf("%s: a wrong password is told %v", login, err)
			}
		}
	}
}
