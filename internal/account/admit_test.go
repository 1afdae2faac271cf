package account

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// eve is somebody at a provider.
func eve(provider string) identity.Identity {
	return identity.Identity{Provider: provider, Issuer: "https://" + provider + ".test", Subject: "sub-1", Email: "Eve@Example.test", EmailVerified: true,
		Name: "Eve Adams", Username: "eadams", Groups: []string{"crm-admins"}}
}

func TestAdmit(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(*testing.T, *bench)
		change  func(*identity.Identity)
		from    string // provider; contoso unless set
		want    Account
		refused string // reason
		next    string // what a refusal offers; help unless set
		events  []string
		mails   []string
		ended   []string
	}{
		{name: "first sign-in", want: Account{Owner: "contoso", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_created sign_up ID"}},
		{name: "no account, no sign-up", from: "fabrikam", refused: "no_account", events: []string{"sign_in_refused no_account eve@example.test"}},
		{name: "no subject", change: func(id *identity.Identity) { id.Subject = "" }, refused: "no_subject",
			events: []string{"sign_in_refused no_subject eve@example.test"}},
		{name: "no issuer", change: func(id *identity.Identity) { id.Issuer = "" }, refused: "no_subject",
			events: []string{"sign_in_refused no_subject eve@example.test"}},
		{name: "unknown provider", from: "gone", refused: "unknown_provider", events: []string{"sign_in_refused unknown_provider eve@example.test"}},
		{name: "again, unchanged", prepare: linked(Account{Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active}),
			want: Account{ID: "eve", Owner: "contoso", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active}},
		{name: "again, profile has changed", prepare: linked(Account{Email: "old@example.test", Name: "Eve Old", State: Active}),
			want:   Account{ID: "eve", Owner: "contoso", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_updated profile eve"}},
		{name: "again, provider says nothing", prepare: linked(Account{Email: "old@example.test", Username: "old", Name: "Old", State: Active}),
			change: func(id *identity.Identity) { id.Email, id.Name, id.Username = "", "", "" },
			want:   Account{ID: "eve", Owner: "contoso", Email: "old@example.test", Username: "old", Name: "Old", State: Active}},
		{name: "disabled stays out", prepare: linked(Account{Email: "eve@example.test", State: Disabled}), refused: "disabled",
			events: []string{"sign_in_refused disabled eve"}},
		{name: "provisioned and never seen", prepare: linked(Account{Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Invited}),
			want:   Account{ID: "eve", Owner: "contoso", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_updated profile eve"}},
		{name: "an address is no key", prepare: func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "other", Owner: "fabrikam", Email: "eve@example.test", State: Active})
			b.add(t, Account{ID: "local", Owner: OwnerLocal, Email: "eve@example.test", State: Active})
		}, want: Account{Owner: "contoso", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_created sign_up ID", "account_updated two_accounts local"}, mails: []string{"account_beside eve@example.test"}},
		{name: "same subject at another provider", prepare: func(t *testing.T, b *bench) {
			if _, err := b.Admit(t.Context(), eve("linker")); err != nil {
				t.Fatal(err)
			}
			b.reasons()
		}, want: Account{Owner: "contoso", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_created sign_up ID"}},
		{name: "malformed address is left out", change: func(id *identity.Identity) { id.Email = "a@evil.test@corp.test" },
			want: Account{Owner: "contoso", Username: "eadams", Name: "Eve Adams", State: Active}, events: []string{"account_created sign_up ID"}},
		{name: "names are tidied", change: func(id *identity.Identity) {
			id.Name, id.Username, id.Email = " Eve\r\nBcc:\x00 Adams ", "E\tAdams", "x"+strings.Repeat("y", 300)+"@example.test"
		},
			want: Account{Owner: "contoso", Username: "e adams", Name: "Eve Bcc: Adams", State: Active}, events: []string{"account_created sign_up ID"}},

		{name: "claims the local account", from: "linker", prepare: localEve(Active),
			want:   Account{ID: "local", Owner: "linker", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_updated adopted local", "account_updated profile local"}, mails: []string{"account_adopted eve@example.test"},
			ended: []string{"local", "local"}},
		{name: "claims an invited one", from: "linker", prepare: localEve(Invited),
			want:   Account{ID: "local", Owner: "linker", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_updated adopted local", "account_updated profile local"}, mails: []string{"account_adopted eve@example.test"},
			ended: []string{"local", "local"}},
		{name: "does not claim a disabled one", from: "linker", prepare: localEve(Disabled), refused: "disabled",
			events: []string{"sign_in_refused disabled local"}},
		{name: "does not claim without verification", from: "linker", prepare: localEve(Active), change: func(id *identity.Identity) { id.EmailVerified = false },
			refused: "link_unverified", events: []string{"sign_in_refused link_unverified local"}},
		{name: "does not claim a foreign domain", from: "linker", prepare: func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "local", Owner: OwnerLocal, Email: "eve@sub.example.test", State: Active})
		}, change: func(id *identity.Identity) { id.Email = "eve@sub.example.test" },
			refused: "link_foreign_domain", events: []string{"sign_in_refused link_foreign_domain local"}},
		{name: "does not claim where it is not allowed", from: "contoso", prepare: localEve(Active),
			want:   Account{Owner: "contoso", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_created sign_up ID", "account_updated two_accounts local"}, mails: []string{"account_beside eve@example.test"}},
		{name: "a disabled one beside it is told to nobody but the trail", from: "contoso", prepare: localEve(Disabled),
			want:   Account{Owner: "contoso", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active},
			events: []string{"account_created sign_up ID", "account_updated two_accounts local"}},
		{name: "does not claim another provider's", from: "linker", prepare: func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "other", Owner: "contoso", Email: "eve@example.test", State: Active})
		}, refused: "link_other_owner", next: "/sign-in?switch=1", events: []string{"sign_in_refused link_other_owner other"}},
		{name: "does not choose among several", from: "linker", prepare: func(t *testing.T, b *bench) {
			localEve(Active)(t, b)
			b.add(t, Account{ID: "other", Owner: "contoso", Email: "eve@example.test", State: Active})
		}, refused: "link_several", events: []string{"sign_in_refused link_several local"}},
		{name: "does not choose between two of other providers", from: "linker", prepare: func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "c", Owner: "contoso", Email: "eve@example.test", State: Active})
			b.add(t, Account{ID: "f", Owner: "fabrikam", Email: "eve@example.test", State: Active})
		}, refused: "link_several", events: []string{"sign_in_refused link_several c"}},
		{name: "an address given away again is somebody new", from: "linker", prepare: func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "former", Owner: "linker", Email: "eve@example.test", State: Active})
		}, want: Account{Owner: "linker", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active}, events: []string{"account_created sign_up ID"}},
		{name: "does not claim by a username that looks like an address", from: "linker", prepare: func(t *testing.T, b *bench) {
			b.add(t, Account{ID: "local", Owner: OwnerLocal, Email: "bob@example.test", Username: "eve@example.test", State: Active})
		}, want: Account{Owner: "linker", Email: "eve@example.test", Username: "eadams", Name: "Eve Adams", State: Active}, events: []string{"account_created sign_up ID"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			if tt.prepare != nil {
				tt.prepare(t, b)
			}
			b.now = b.now.Add(time.Hour)
			id := eve(or(tt.from, "contoso"))
			if tt.change != nil {
				tt.change(&id)
			}
			a, err := b.Admit(from(t), id)
			if tt.refused != "" {
				if e := wantFault(t, err, fault.Forbidden); e.Reason != tt.refused || e.Next.Path != or(tt.next, fault.NextHelp.Path) || a != nil {
					t.Errorf("account %+v, reason %s, next %v", a, e.Reason, e.Next)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			events := b.reasons()
			if a != nil {
				if tt.want.ID == "" {
					tt.want.ID = a.ID
					for i, e := range events {
						events[i] = strings.ReplaceAll(e, a.ID, "ID")
					}
				}
				tt.want.Groups, tt.want.CreatedAt, tt.want.UpdatedAt, tt.want.LastSignIn = id.Groups, a.CreatedAt, a.UpdatedAt, a.LastSignIn
				if diff := cmp.Diff(tt.want, *a); diff != "" {
					t.Errorf("account (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(b.get(t, a.ID), a); diff != "" {
					t.Errorf("stored is another (-stored +got):\n%s", diff)
				}
			}
			for what, d := range map[string]string{"events": cmp.Diff(tt.events, events), "mails": cmp.Diff(tt.mails, b.posted()), "ended": cmp.Diff(tt.ended, b.ended)} {
				if d != "" {
					t.Errorf("%s (-want +got):\n%s", what, d)
				}
			}
		})
	}
}

// linked prepares contoso's account for eve.
func linked(a Account) func(*testing.T, *bench) {
	return func(t *testing.T, b *bench) {
		t.Helper()
		a.ID, a.Owner, a.Groups = "eve", "contoso", []string{}
		if err := b.store.CreateAccount(t.Context(), &a, &Link{"contoso", "https://contoso.test", "sub-1"}); err != nil {
			t.Fatal(err)
		}
	}
}

// localEve prepares a local account with eve's address.
func localEve(state State) func(*testing.T, *bench) {
	return func(t *testing.T, b *bench) {
		t.Helper()
		b.add(t, Account{ID: "local", Owner: OwnerLocal, Email: "eve@example.test", Groups: []string{"sales"}, State: state})
	}
}

func TestAdoptionTakesTheLocalPasswordAway(t *testing.T) {
	b := newBench(t)
	a := b.local(t, "eve@example.test")
	link, err := b.IssueReset(t.Context(), a.ID, "cli")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Admit(from(t), eve("linker")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.CheckPassword(from(t), a.Email, goodPassword); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("the local password still works: %v", err)
	}
	if _, err := b.RedeemToken(from(t), ForReset, secretIn(t, link), otherPassword); !fault.Is(err, fault.Expired) {
		t.Errorf("an old reset link still works: %v", err)
	}
	if _, err := b.IssueReset(t.Context(), a.ID, "cli"); !fault.Is(err, fault.Conflict) {
		t.Errorf("a new reset link was made: %v", err)
	}
	again, err := b.Admit(from(t), eve("linker"))
	if err != nil || again.ID != a.ID {
		t.Errorf("second sign-in: %+v, %v", again, err)
	}
}

func TestFirstSignInsAtOnceMakeOneAccount(t *testing.T) {
	for _, provider := range []string{"contoso", "linker"} {
		t.Run(provider, func(t *testing.T) {
			b := newBench(t)
			if provider == "linker" {
				localEve(Active)(t, b)
			}
			var mu sync.Mutex
			ids := map[string]bool{}
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					a, err := b.Admit(t.Context(), eve(provider))
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					ids[a.ID] = true
					mu.Unlock()
				})
			}
			wg.Wait()
			if len(ids) != 1 || len(b.store.accounts) != 1 {
				t.Errorf("%d accounts were let in, %d are stored; want 1", len(ids), len(b.store.accounts))
			}
		})
	}
}

func TestDisabledBetweenLookAndStep(t *testing.T) {
	b := newBench(t)
	linked(Account{Email: "eve@example.test", State: Active})(t, b)
	b.store.before = func(call string) {
		if call == "UpdateAccount" {
			a := b.store.accounts["eve"]
			a.State = Disabled
			b.store.accounts["eve"] = a
		}
	}
	if _, err := b.Admit(from(t), eve("contoso")); !fault.Is(err, fault.Forbidden) {
		t.Errorf("error %v", err)
	}
	if got := b.store.accounts["eve"].State; got != Disabled {
		t.Errorf("the sign-in enabled the account: %s", got)
	}
}

func TestAdoptionFailsClosed(t *testing.T) {
	b := newBench(t)
	localEve(Active)(t, b)
	b.endFail = errors.New("session store gone")
	if a, err := b.Admit(from(t), eve("linker")); a != nil || !errors.Is(err, b.endFail) {
		t.Errorf("account %+v, error %v", a, err)
	}
	if got := b.store.accounts["local"].Owner; got != OwnerLocal {
		t.Errorf("adopted by %s although the sessions could not be ended", got)
	}
}

func TestAdmitWhenTheStoreFails(t *testing.T) {
	for _, failing := range []string{"FindByLink", "ListAccounts", "CreateAccount", "AdoptAccount", "UpdateAccount"} {
		b := newBench(t)
		if failing != "CreateAccount" {
			localEve(Active)(t, b)
		}
		b.store.before = func(call string) {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			b.store.fail = nil
			if call == failing {
				b.store.fail = errors.New("disk gone")
			}
		}
		if a, err := b.Admit(from(t), eve("linker")); a != nil || err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s fails: account %+v, error %v", failing, a, err)
		}
	}
}
