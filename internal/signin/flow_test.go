package signin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// stub is a provider that only says who it is.
type stub identity.Info

func (s stub) Info() identity.Info { return identity.Info(s) }

func TestRoute(t *testing.T) {
	corporate := stub{ID: "corporate", Redirects: true, Domains: []string{"contoso.test"}, Emails: []string{"kim@fabrikam.test"}}
	directory := stub{ID: "directory", Domains: []string{"corp.test"}}
	open := stub{ID: "open"}
	for _, tt := range []struct {
		name       string
		providers  []identity.Provider
		local      bool
		identifier string
		want       string // provider id, "local", or both
	}{
		{"its domain", []identity.Provider{corporate}, true, " Ann@CONTOSO.test ", "corporate"},
		{"a single address", []identity.Provider{corporate}, true, "kim@fabrikam.test", "corporate"},
		{"nobody's domain", []identity.Provider{corporate}, true, "pat@partner.test", "local"},
		{"a bare name, no directory", []identity.Provider{corporate}, true, "pat", "local"},
		{"a bare name may be either", []identity.Provider{corporate, directory}, true, "alice", "directory+local"},
		{"a bare name, local off", []identity.Provider{corporate, directory}, false, "alice", "directory"},
		{"a directory with domains does not know others", []identity.Provider{directory}, true, "pat@partner.test", "local"},
		{"a directory without domains may", []identity.Provider{open}, true, "pat@partner.test", "open+local"},
		{"two at signs belong to nobody", []identity.Provider{corporate}, true, "x@evil.test@contoso.test", "local"},
		{"nothing typed", []identity.Provider{corporate, open}, true, "  ", ""},
		{"no way in", []identity.Provider{corporate}, false, "pat@partner.test", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &Flow{Realms: identity.NewRealms(tt.providers...), LocalEnabled: tt.local}
			p, local := f.route(tt.identifier)
			got := ""
			if p != nil {
				got = p.Info().ID
			}
			if local && p != nil {
				got += "+"
			}
			if local {
				got += "local"
			}
			if got != tt.want {
				t.Errorf("route(%q) = %s, want %s", tt.identifier, got, tt.want)
			}
		})
	}
}

// oneAccount is a store of one account and its password.
type oneAccount struct {
	account.Store
	account.PasswordStore
	a         *account.Account
	changedAt time.Time
}

func (s oneAccount) GetAccount(context.Context, string) (*account.Account, error) {
	if s.a == nil {
		return nil, fault.New(fault.NotFound, "There is no such account.")
	}
	return s.a, nil
}

func (s oneAccount) UpdateAccount(ctx context.Context, id string, change func(*account.Account) error) (*account.Account, error) {
	a, err := s.GetAccount(ctx, id)
	if err != nil {
		return nil, err
	}
	b := *a
	return &b, change(&b)
}

func (s oneAccount) GetPassword(context.Context, account.Local) (account.Password, error) {
	return account.Password{ChangedAt: s.changedAt}, nil
}

// TestRecheck is about what may have happened to an account between the proof and the session.
func TestRecheck(t *testing.T) {
	set := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	local := func(s account.State) *account.Account {
		return &account.Account{ID: "1", Owner: account.OwnerLocal, State: s}
	}
	for _, tt := range []struct {
		name string
		via  string
		now  oneAccount
		ok   bool
	}{
		{"nothing", account.OwnerLocal, oneAccount{a: local(account.Active), changedAt: set}, true},
		{"disabled", account.OwnerLocal, oneAccount{a: local(account.Disabled), changedAt: set}, false},
		{"deleted", account.OwnerLocal, oneAccount{}, false},
		{"a reset, even by a clock that is behind", account.OwnerLocal, oneAccount{a: local(account.Active), changedAt: set.Add(-time.Hour)}, false},
		{"handed to a provider", account.OwnerLocal, oneAccount{a: &account.Account{ID: "1", Owner: "contoso", State: account.Active}}, false},
		{"corporate, nothing", "contoso", oneAccount{a: &account.Account{ID: "1", Owner: "contoso", State: account.Active}}, true},
		{"corporate, disabled", "contoso", oneAccount{a: &account.Account{ID: "1", Owner: "contoso", State: account.Disabled}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := &Flow{Accounts: &account.Service{Store: tt.now, Passwords: tt.now}}
			err := f.recheck(t.Context(), progress{via: tt.via, account: &account.Account{ID: "1", PasswordChangedAt: set}})
			if (err == nil) != tt.ok {
				t.Errorf("recheck: %v, want ok %v", err, tt.ok)
			}
		})
	}
}

type recorder struct{ events []audit.Event }

func (r *recorder) Record(_ context.Context, e audit.Event) { r.events = append(r.events, e) }

func TestRefusalsAreRecorded(t *testing.T) {
	r := &recorder{}
	f := &Flow{Audit: r}
	p := progress{identifier: "ann@contoso.test", via: "contoso"}
	f.refused(t.Context(), p, identity.ErrWrongPassword)
	f.refused(t.Context(), p, fault.New(fault.Forbidden, "No.").WithReason("expired_password"))
	f.refused(t.Context(), p, fault.New(fault.Unavailable, "Down."))
	f.refused(t.Context(), p, errors.New("something with a secret in it"))
	var got []string
	for _, e := range r.events {
		got = append(got, string(e.Kind)+" "+e.Provider+" "+e.Identifier+" "+e.Reason)
	}
	want := []string{
		"sign_in_refused contoso ann@contoso.test wrong_password", "sign_in_refused contoso ann@contoso.test expired_password",
		"sign_in_refused contoso ann@contoso.test unavailable", "sign_in_refused contoso ann@contoso.test error",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}
