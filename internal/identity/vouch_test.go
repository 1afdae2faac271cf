package identity_test

import (
	"testing"

	"crmgate/internal/identity"
)

type vouching identity.Info

func (v vouching) Info() identity.Info { return identity.Info(v) }

func TestVouched(t *testing.T) {
	r := identity.NewRealms(vouching{ID: "contoso", Domains: []string{"contoso.com"}, Emails: []string{"boss@free.test"}}, vouching{ID: "rest", Domains: []string{"*"}})
	for _, tc := range []struct {
		name, provider, email string
		doubtful              bool
		want                  string
		wantDoubtful          bool
	}{
		{"its own domain", "contoso", "ann@contoso.com", true, "ann@contoso.com", false},
		{"its own address", "contoso", "boss@free.test", true, "boss@free.test", false},
		{"another provider's domain", "rest", "ann@contoso.com", false, "", true},
		{"another provider's address", "rest", "boss@free.test", false, "", true},
		{"nobody's, vouched for", "rest", "x@else.test", false, "x@else.test", false},
		{"nobody's, doubtful", "rest", "x@else.test", true, "x@else.test", true},
	} {
		if got, doubtful := r.Vouched(tc.provider, tc.email, tc.doubtful); got != tc.want || doubtful != tc.wantDoubtful {
			t.Errorf("%s: %q %v", tc.name, got, doubtful)
		}
	}
}
