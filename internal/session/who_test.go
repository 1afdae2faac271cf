package session_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crmgate/internal/policy"
	"crmgate/internal/session"
)

func TestWho(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name string
		s    *session.Session
		want policy.Subject
	}{
		{"nobody", nil, policy.Subject{}},
		{"somebody", &session.Session{Email: "a@b.test", Groups: []string{"x"}, Provider: "contoso", AMR: []string{"pwd"}, AuthTime: at},
			policy.Subject{SignedIn: true, Email: "a@b.test", Groups: []string{"x"}, Provider: "contoso"}},
		{"an address that the provider does not vouch for", &session.Session{Email: "a@b.test", EmailDoubtful: true}, policy.Subject{SignedIn: true}},
		{"our factor", &session.Session{FactorAt: at}, policy.Subject{SignedIn: true, FactorAt: at}},
		{"the provider's factor", &session.Session{AMR: []string{"pwd", "mfa"}, AuthTime: at}, policy.Subject{SignedIn: true, FactorAt: at}},
		{"ours is the later one", &session.Session{AMR: []string{"mfa"}, AuthTime: at, FactorAt: at.Add(time.Hour)}, policy.Subject{SignedIn: true, FactorAt: at.Add(time.Hour)}},
	} {
		if diff := cmp.Diff(tc.want, tc.s.Who(), cmpopts.IgnoreUnexported(policy.Subject{})); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}
