package signin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/token"
)

// TestAnswers is about what one answer means for session and account.
func TestAnswers(t *testing.T) {
	says := func(change func(*identity.Identity)) func(*bench) {
		return func(b *bench) { change(&b.idp.says) }
	}
	for _, tt := range []struct {
		name    string
		prepare func(*bench)
		// then is "email doubtful name groups" of the session, "" where it has ended.
		then, outcome, reason string
	}{
		{"a new name", says(func(id *identity.Identity) { id.Name = "Ann Baker" }), "ann@contoso.test false Ann Baker new", "confirmed", ""},
		{"what is left out stays", says(func(id *identity.Identity) { id.Name, id.Email = "", "" }), "ann@contoso.test false Ann new", "confirmed", ""},
		{"groups that are left out are gone", says(func(id *identity.Identity) { id.Groups = nil }), "ann@contoso.test false Ann Archer ", "confirmed", ""},
		{"a new address of its own", says(func(id *identity.Identity) { id.Email = "A.Baker@Contoso.test" }),
			"a.baker@contoso.test false Ann Archer new", "confirmed", ""},
		{"an address of another provider's", says(func(id *identity.Identity) { id.Email = "boss@fabrikam.test" }), " true Ann Archer new", "confirmed", ""},
		{"a doubtful address of nobody's", says(func(id *identity.Identity) { id.Email, id.EmailDoubtful = "ann@mail.test", true }),
			"ann@mail.test true Ann Archer new", "confirmed", ""},
		{"somebody else", says(func(id *identity.Identity) { id.Subject = "bob" }), "", "refused", "revalidate_subject_changed"},
		{"another issuer", says(func(id *identity.Identity) { id.Issuer = "j" }), "", "refused", "revalidate_subject_changed"},
		{"disabled here", func(b *bench) { b.accounts.a.State = account.Disabled }, "", "refused", "revalidate_disabled"},
		{"handed to somebody else", func(b *bench) { b.accounts.a.Owner = account.OwnerLocal }, "", "refused", "revalidate_owner_mismatch"},
		{"the link leads elsewhere", func(b *bench) { b.accounts.a.ID = "2" }, "", "refused", "revalidate_unlinked"},
		{"the link is gone", func(b *bench) { b.accounts.err = fault.New(fault.NotFound, "No link.") }, "", "refused", "revalidate_unlinked"},
		{"the accounts cannot be asked", func(b *bench) { b.accounts.err = errors.New("down") }, "ann@contoso.test false  old", "failed", ""},
		{"refused with a reason", func(b *bench) { b.idp.err = fault.New(fault.Forbidden, "No.").WithReason("groups_overage") },
			"", "refused", "revalidate_groups_overage"},
		{"refused without one", func(b *bench) { b.idp.err = fault.New(fault.Unauthenticated, "No.") }, "", "refused", "revalidate_refused"},
		{"an error that nobody knows", func(b *bench) { b.idp.err = errors.New("boom") }, "ann@contoso.test false  old", "unanswered", ""},
		{"a token that is not ours", func(b *bench) {
			s := b.record()
			s.Grant = s.Grant[:len(s.Grant)-4] + "AAAA"
			b.store.put(s)
		}, "", "refused", "revalidate_grant_unreadable"},
		{"another person's token", func(b *bench) {
			s := b.record()
			other := s
			other.Subject = "bob"
			s.Grant = sealGrant(b.checks[0].Sealer, &other, "token-1")
			b.store.put(s)
		}, "", "refused", "revalidate_grant_unreadable"},
	} {
		inBubble(tt.name, t, func(t *testing.T) {
			b := newBench(t, newIDP(), stub{ID: "fabrikam", Redirects: true, Domains: []string{"fabrikam.test"}})
			tt.prepare(b)
			time.Sleep(61 * time.Second)
			b.get(0)
			synctest.Wait()
			time.Sleep(time.Second)
			b.get(0)
			synctest.Wait()
			got := ""
			if s := b.record(); s.ID != "" {
				got = fmt.Sprint(s.Email, " ", s.EmailDoubtful, " ", s.Name, " ", strings.Join(s.Groups, ","))
			}
			if got != tt.then {
				t.Errorf("session %q, want %q", got, tt.then)
			}
			if b.outcomes[tt.outcome] == 0 {
				t.Errorf("outcomes %v, want %s", b.outcomes, tt.outcome)
			}
			reason := ""
			for _, e := range b.audit.events {
				if e.Kind == "session_revoked" {
					reason = e.Reason
				}
			}
			if reason != tt.reason {
				t.Errorf("recorded %q, want %q", reason, tt.reason)
			}
		})
	}
}

func TestNothingToAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.err = identity.ErrNothingToAsk
		time.Sleep(61 * time.Second)
		b.get(0)
		synctest.Wait()
		b.use(10*time.Minute, "old")
		b.want(map[string]int{"nothing_to_ask": 1})
		if n := strings.Count(b.log.String(), "nothing to ask"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}

// directory is a provider that is asked by name.
type directory struct {
	info identity.Info
	got  chan identity.Grant
}

func (d directory) Info() identity.Info { return d.info }

func (d directory) Revalidate(_ context.Context, g identity.Grant) (identity.Identity, error) {
	d.got <- g
	return identity.Identity{Groups: []string{"new"}}, nil
}

func TestRevalidateDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newIDP())
		d := directory{b.idp.info, make(chan identity.Grant, 9)}
		b.checks[0].Realms = identity.NewRealms(d)
		s := b.record()
		s.Grant = ""
		b.store.put(s)
		time.Sleep(61 * time.Second)
		b.get(0)
		synctest.Wait()
		time.Sleep(time.Second)
		if got := b.get(0); got != "new" {
			t.Errorf("groups %q", got)
		}
		if diff := cmp.Diff(identity.Grant{Issuer: "i", Subject: "ann"}, <-d.got); diff != "" {
			t.Errorf("asked with (-want +got):\n%s", diff)
		}
	})
}

// TestRecovery: when a provider that was down for many sessions answers again, they do not come all at once, and while it is down few ask.
func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newIDP())
		b.idp.err = fault.New(fault.Unavailable, "Down.")
		one := b.record()
		for range 500 {
			s := one
			s.ID = token.NewID()
			b.store.put(s)
		}
		time.Sleep(61 * time.Second)
		for range 60 {
			b.store.mu.Lock()
			all := make([]string, 0, len(b.store.sessions))
			for id := range b.store.sessions {
				all = append(all, id)
			}
			b.store.mu.Unlock()
			for _, id := range all {
				if alive, err := b.replicas[0].Alive(t.Context(), id); err != nil || !alive {
					t.Fatalf("Alive = %v, %v", alive, err)
				}
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if b.idp.asked > 30*doorWidth {
			t.Errorf("500 sessions asked a provider that is down %d times in a minute", b.idp.asked)
		}
	})
}

func TestSealedAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, newIDP())
		s := b.record()
		if strings.Contains(fmt.Sprintf("%+v", s), "token-1") || s.Grant == "" || s.IDToken == "" {
			t.Errorf("stored %+v", s)
		}
		if got := openIDToken(b.checks[0].Sealer, &s); got != "id-token-1" {
			t.Errorf("ID token = %q", got)
		}
		s.AccountID = "2"
		if got := openIDToken(b.checks[0].Sealer, &s); got != "" {
			t.Errorf("in another account's session it opens as %q", got)
		}
		if g, err := openGrant(b.checks[0].Sealer, &s); err == nil {
			t.Errorf("in another account's session the grant opens as %v", g)
		}
	})
}
