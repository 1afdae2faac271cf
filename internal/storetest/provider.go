package storetest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/session"
	"crmgate/internal/token"
)

// sessionProviders ends sessions by the provider's names for them. Each case starts from the same seven.
func sessionProviders(t *testing.T, s session.Store) {
	for _, tt := range []struct {
		name                           string
		provider, issuer, subject, sid string
		ended                          []string
	}{
		{"one of its sessions", "p", "i", "", "s1", []string{"ann1"}},
		{"a session in two browsers", "p", "i", "", "s2", []string{"ann2", "ann2b"}},
		{"the session counts, not whose it is", "p", "i", "somebody", "s1", []string{"ann1"}},
		{"any issuer", "p", "", "", "s3", []string{"bob", "bob elsewhere"}},
		{"one issuer", "p", "i", "", "s3", []string{"bob"}},
		{"a session of another provider", "q", "i", "", "s2", nil},
		{"a session that nobody has", "p", "i", "", "s9", nil},
		{"all of a person", "p", "i", "ann", "", []string{"ann1", "ann2", "ann2b"}},
		{"a person at another issuer", "p", "j", "ann", "", nil},
		{"a person at another provider", "q", "i", "ann", "", []string{"ann at q"}},
		{"a stranger", "p", "i", "eve", "", nil},
		{"nobody", "p", "i", "", "", nil},
		{"nobody of the local ones", "local", "", "", "", nil},
		{"parts that run into each other", "pann", "i", "", "", nil},
		{"hostile names", "p*", "i|", "*|?\x00\r\n", "", nil},
		{"a hostile session", "p", "", "", "|s1|\x00{}", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mark := token.NewID() // other cases may run on the same store
			names, all := map[string]string{}, map[string]*session.Session{}
			add := func(name, provider, issuer, subject, sid string) {
				one := newSession(name+"|"+mark, now())
				one.Provider, one.Issuer, one.Subject, one.ProviderSession = provider+mark, issuer, subject, sid
				ok(t, s.CreateSession(t.Context(), one))
				names[one.ID], all[name] = name, one
			}
			add("ann1", "p", "i", "ann", "s1")
			add("ann2", "p", "i", "ann", "s2")
			add("ann2b", "p", "i", "ann", "s2")
			add("bob", "p", "i", "bob", "s3")
			add("bob elsewhere", "p", "j", "bob", "s3")
			add("ann at q", "q", "i", "ann", "s1")
			add("pat", "local", "", "", "")
			// What changes later is found as what it was.
			_, err := s.UpdateSession(t.Context(), all["ann1"].ID, func(one *session.Session) error { one.Groups = nil; return nil })
			ok(t, err)
			ended, err := s.DeleteProviderSessions(t.Context(), tt.provider+mark, tt.issuer, tt.subject, tt.sid)
			ok(t, err)
			var got []string
			for _, e := range ended {
				got = append(got, names[e.ID])
				if want := names[e.ID] + "|" + mark; e.AccountID != want {
					t.Errorf("ended a session of %q, want %q", e.AccountID, want)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.ended, got); diff != "" {
				t.Errorf("ended (-want +got):\n%s", diff)
			}
			var left, want []string
			for name, one := range all {
				if !slices.Contains(tt.ended, name) {
					want = append(want, name)
				}
				if _, err := s.GetSession(t.Context(), one.ID); err == nil {
					left = append(left, name)
				}
				_, err := s.DeleteAccountSessions(t.Context(), one.AccountID, "")
				ok(t, err)
			}
			slices.Sort(left)
			slices.Sort(want)
			if diff := cmp.Diff(want, left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			again, err := s.DeleteProviderSessions(t.Context(), tt.provider+mark, tt.issuer, tt.subject, tt.sid)
			if err != nil || len(again) != 0 {
				t.Errorf("the second time %v, %v; want nothing", again, err)
			}
		})
	}
}
