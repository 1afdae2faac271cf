package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// AccountStore is what keeps accounts and their credentials.
type AccountStore interface {
	account.Store
	account.PasswordStore
	account.TokenStore
	account.RemovedStore
}

// Accounts is the contract of account.Store, account.PasswordStore, account.TokenStore and account.RemovedStore, which share promises.
func Accounts(t *testing.T, s AccountStore) {
	t.Run("round trip", func(t *testing.T) { accountRoundTrip(t, s) })
	t.Run("names are unique among local accounts", func(t *testing.T) { accountNames(t, s) })
	t.Run("links are unique", func(t *testing.T) { accountLinks(t, s) })
	t.Run("list", func(t *testing.T) { accountList(t, s) })
	t.Run("update", func(t *testing.T) { accountUpdate(t, s) })
	t.Run("update under contention", func(t *testing.T) { accountUpdateRace(t, s) })
	t.Run("delete", func(t *testing.T) { accountDelete(t, s) })
	t.Run("hostile text", func(t *testing.T) { accountHostile(t, s) })
	t.Run("created once", func(t *testing.T) {
		email := token.NewID() + "@example.com"
		oneWins(t, "CreateAccount", fault.Conflict, together(20, func(int) error {
			a := newAccount(account.OwnerLocal)
			a.Email = email
			return s.CreateAccount(t.Context(), a, nil)
		}))
		link := newLink()
		oneWins(t, "CreateAccount with a link", fault.Conflict, together(20, func(int) error {
			return s.CreateAccount(t.Context(), newAccount(link.Provider), &link)
		}))
	})
	passwords(t, s)
	tokens(t, s)
	removed(t, s)
	ownership(t, s)
}

func newAccount(owner string) *account.Account {
	id := token.NewID()
	return &account.Account{ID: id, Owner: owner, Email: id + "@example.com", Username: "u" + id, Name: "Änn O'Neil", Groups: []string{"sales", "a,b"},
		State: account.Active, CreatedAt: now(), UpdatedAt: now()}
}

func newLink() account.Link {
	return account.Link{Provider: "contoso", Issuer: "https://id.example.com/", Subject: token.NewID()}
}

// create stores a new account.
func create(t *testing.T, s account.Store, owner string) *account.Account {
	t.Helper()
	a := newAccount(owner)
	var link *account.Link
	if owner != account.OwnerLocal {
		l := newLink()
		l.Provider = owner
		link = &l
	}
	ok(t, s.CreateAccount(t.Context(), a, link))
	return a
}

func accountRoundTrip(t *testing.T, s account.Store) {
	link := newLink()
	local, corporate, bare := newAccount(account.OwnerLocal), newAccount("contoso"), newAccount("fabrikam")
	corporate.LastSignIn = now()
	bare.Username, bare.Groups, bare.Name, bare.State = "", nil, "", account.Invited
	ok(t, s.CreateAccount(t.Context(), local, nil))
	ok(t, s.CreateAccount(t.Context(), corporate, &link))
	ok(t, s.CreateAccount(t.Context(), bare, nil))
	for _, want := range []*account.Account{local, corporate, bare} {
		got, err := s.GetAccount(t.Context(), want.ID)
		ok(t, err)
		same(t, "GetAccount", want, got)
	}
	for _, identifier := range []string{local.Email, local.Username} {
		got, err := s.FindLocal(t.Context(), identifier)
		ok(t, err)
		same(t, "FindLocal", local, got)
	}
	got, err := s.FindByLink(t.Context(), link)
	ok(t, err)
	same(t, "FindByLink", corporate, got)

	_, err = s.GetAccount(t.Context(), token.NewID())
	wantKind(t, "GetAccount of an unknown id", err, fault.NotFound)
	for _, identifier := range []string{corporate.Email, corporate.Username, "", token.NewID(), local.Email + " ", "%"} {
		_, err = s.FindLocal(t.Context(), identifier)
		wantKind(t, fmt.Sprintf("FindLocal(%q)", identifier), err, fault.NotFound)
	}
	for _, l := range []account.Link{{}, {Provider: "fabrikam", Issuer: link.Issuer, Subject: link.Subject},
		{Provider: link.Provider, Issuer: "https://id.example.com", Subject: link.Subject}, {Provider: link.Provider, Issuer: link.Issuer, Subject: link.Subject + "x"}} {
		_, err = s.FindByLink(t.Context(), l)
		wantKind(t, fmt.Sprintf("FindByLink(%v)", l), err, fault.NotFound)
	}
}

func accountNames(t *testing.T, s account.Store) {
	first := create(t, s, account.OwnerLocal)
	tests := []struct {
		name   string
		owner  string
		change func(*account.Account)
		want   bool // a conflict
	}{
		{"same address", account.OwnerLocal, func(a *account.Account) { a.Email = first.Email }, true},
		{"same user name", account.OwnerLocal, func(a *account.Account) { a.Username = first.Username }, true},
		{"user name is another's address", account.OwnerLocal, func(a *account.Account) { a.Username = first.Email }, true},
		{"address is another's user name", account.OwnerLocal, func(a *account.Account) { a.Email = first.Username }, true},
		{"same id", account.OwnerLocal, func(a *account.Account) { a.ID = first.ID }, true},
		{"same id at a provider", "contoso", func(a *account.Account) { a.ID = first.ID }, true},
		{"same names at a provider", "contoso", func(a *account.Account) { a.Email, a.Username = first.Email, first.Username }, false},
		{"again at a provider", "fabrikam", func(a *account.Account) { a.Email, a.Username = first.Email, first.Username }, false},
		{"no user name", account.OwnerLocal, func(a *account.Account) { a.Username = "" }, false},
		{"no user name either", account.OwnerLocal, func(a *account.Account) { a.Username = "" }, false},
		{"user name is the own address", account.OwnerLocal, func(a *account.Account) { a.Username = a.Email }, false},
	}
	for _, tt := range tests {
		a := newAccount(tt.owner)
		tt.change(a)
		err := s.CreateAccount(t.Context(), a, nil)
		if tt.want {
			wantKind(t, tt.name, err, fault.Conflict)
			if a.ID != first.ID {
				_, err = s.GetAccount(t.Context(), a.ID)
				wantKind(t, tt.name+": half an account", err, fault.NotFound)
			}
		} else if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	got, err := s.FindLocal(t.Context(), first.Email)
	ok(t, err)
	same(t, "FindLocal after the conflicts", first, got)

	other := create(t, s, account.OwnerLocal)
	_, err = s.UpdateAccount(t.Context(), other.ID, func(a *account.Account) error { a.Username = first.Email; return nil })
	wantKind(t, "UpdateAccount to a name that is taken", err, fault.Conflict)
	got, err = s.GetAccount(t.Context(), other.ID)
	ok(t, err)
	same(t, "after the refused update", other, got)
}

func accountLinks(t *testing.T, s account.Store) {
	link := newLink()
	ok(t, s.CreateAccount(t.Context(), newAccount(link.Provider), &link))
	second := newAccount(link.Provider)
	wantKind(t, "CreateAccount with a link that is taken", s.CreateAccount(t.Context(), second, &link), fault.Conflict)
	_, err := s.GetAccount(t.Context(), second.ID)
	wantKind(t, "the account of the refused link", err, fault.NotFound)
	for _, l := range []account.Link{{Provider: "fabrikam", Issuer: link.Issuer, Subject: link.Subject},
		{Provider: link.Provider, Issuer: link.Issuer + "x", Subject: link.Subject}} {
		if err := s.CreateAccount(t.Context(), newAccount(l.Provider), &l); err != nil {
			t.Errorf("the same subject at another provider or issuer: %v", err)
		}
	}
}

func accountList(t *testing.T, s account.Store) {
	email, owner := token.NewID()+"@example.com", "p-"+token.NewID()
	var want []*account.Account
	for _, change := range []func(*account.Account){
		func(a *account.Account) { a.Email = "a" + email },
		func(a *account.Account) { a.Email = "b" + email; a.State = account.Disabled },
		func(a *account.Account) { a.Email = "c" + email },
	} {
		a := newAccount(owner)
		change(a)
		ok(t, s.CreateAccount(t.Context(), a, nil))
		want = append(want, a)
	}
	tests := []struct {
		name   string
		filter account.Filter
		want   []*account.Account
	}{
		{"owner, by address", account.Filter{Owner: owner}, want},
		{"address", account.Filter{Email: "b" + email}, want[1:2]},
		{"state", account.Filter{Owner: owner, State: account.Disabled}, want[1:2]},
		{"everything at once", account.Filter{Owner: owner, State: account.Active, Email: "c" + email}, want[2:]},
		{"nobody", account.Filter{Owner: owner, State: account.Invited}, nil},
		{"no wildcard", account.Filter{Email: "%" + email}, nil},
		{"hostile", account.Filter{Email: "\x00"}, nil},
	}
	for _, tt := range tests {
		got, err := s.ListAccounts(t.Context(), tt.filter)
		ok(t, err)
		same(t, tt.name, tt.want, got)
	}
	everybody, err := s.ListAccounts(t.Context(), account.Filter{})
	ok(t, err)
	if len(everybody) < 3 {
		t.Errorf("%d accounts listed, want at least 3", len(everybody))
	}
}

func accountUpdate(t *testing.T, s account.Store) {
	a := create(t, s, account.OwnerLocal)
	want := *a
	want.Email, want.Username, want.Name, want.Groups = "new-"+a.Email, "new-"+a.Username, "Bob", []string{"x"}
	want.State, want.UpdatedAt, want.LastSignIn = account.Disabled, now().Add(time.Hour), now()
	got, err := s.UpdateAccount(t.Context(), a.ID, func(b *account.Account) error {
		same(t, "what change sees", a, b)
		*b = want
		b.ID, b.Owner, b.CreatedAt = token.NewID(), "contoso", time.Time{}
		return nil
	})
	ok(t, err)
	same(t, "UpdateAccount", &want, got)
	got, err = s.GetAccount(t.Context(), a.ID)
	ok(t, err)
	same(t, "GetAccount after UpdateAccount", &want, got)
	for _, identifier := range []string{a.Email, a.Username} {
		_, err = s.FindLocal(t.Context(), identifier)
		wantKind(t, "FindLocal by a former name", err, fault.NotFound)
	}
	got, err = s.FindLocal(t.Context(), want.Username)
	ok(t, err)
	same(t, "FindLocal by the new name", &want, got)
	// The former names are free for others.
	again := newAccount(account.OwnerLocal)
	again.Email, again.Username = a.Email, a.Username
	ok(t, s.CreateAccount(t.Context(), again, nil))

	refused := errors.New("no")
	_, err = s.UpdateAccount(t.Context(), a.ID, func(b *account.Account) error { b.Name = "lost"; return refused })
	if !errors.Is(err, refused) || fault.KindOf(err) != fault.Internal {
		t.Errorf("UpdateAccount with a change that refuses = %v, want what it said", err)
	}
	got, err = s.GetAccount(t.Context(), a.ID)
	ok(t, err)
	same(t, "after the refusal", &want, got)
	_, err = s.UpdateAccount(t.Context(), token.NewID(), func(*account.Account) error { t.Error("change was called"); return nil })
	wantKind(t, "UpdateAccount of an unknown id", err, fault.NotFound)
}

func accountUpdateRace(t *testing.T, s account.Store) {
	a := create(t, s, account.OwnerLocal)
	for _, err := range together(30, func(i int) error {
		_, err := s.UpdateAccount(t.Context(), a.ID, func(b *account.Account) error {
			b.Groups = append(b.Groups, fmt.Sprint(i))
			return nil
		})
		return err
	}) {
		ok(t, err)
	}
	got, err := s.GetAccount(t.Context(), a.ID)
	ok(t, err)
	if want := len(a.Groups) + 30; len(got.Groups) != want {
		t.Errorf("after 30 updates at once there are %d groups, want %d: updates were lost", len(got.Groups), want)
	}
}

func accountDelete(t *testing.T, s AccountStore) {
	link := newLink()
	corporate := newAccount(link.Provider)
	ok(t, s.CreateAccount(t.Context(), corporate, &link))
	local := create(t, s, account.OwnerLocal)
	l, _ := local.Local()
	ok(t, s.SetPassword(t.Context(), l, "hash", 5, now()))
	one := newToken(account.ForReset)
	ok(t, s.CreateToken(t.Context(), l, one))
	for _, a := range []*account.Account{local, corporate} {
		ok(t, s.DeleteAccount(t.Context(), a.ID))
		_, err := s.GetAccount(t.Context(), a.ID)
		wantKind(t, "GetAccount after DeleteAccount", err, fault.NotFound)
		wantKind(t, "second DeleteAccount", s.DeleteAccount(t.Context(), a.ID), fault.NotFound)
		wantKind(t, "an id used again", s.CreateAccount(t.Context(), a, nil), fault.Conflict)
	}
	_, err := s.FindByLink(t.Context(), link)
	wantKind(t, "FindByLink after DeleteAccount", err, fault.NotFound)
	_, err = s.GetToken(t.Context(), one.Digest, one.Purpose, now())
	wantKind(t, "GetToken after DeleteAccount", err, fault.NotFound)
	wantKind(t, "SetPassword after DeleteAccount", s.SetPassword(t.Context(), l, "hash", 5, now()), fault.NotFound)
	// Names and link are free again, for another id.
	next := newAccount(account.OwnerLocal)
	next.Email, next.Username = local.Email, local.Username
	ok(t, s.CreateAccount(t.Context(), next, nil))
	ok(t, s.CreateAccount(t.Context(), newAccount(link.Provider), &link))
	nl, _ := next.Local()
	p, err := s.GetPassword(t.Context(), nl)
	ok(t, err)
	same(t, "password of the next account with that address", account.Password{}, p)
}

func accountHostile(t *testing.T, s account.Store) {
	for _, bad := range []string{"ann\x00@example.com", "ann\xff@example.com"} {
		_, err := s.FindLocal(t.Context(), bad)
		wantKind(t, fmt.Sprintf("FindLocal(%q)", bad), err, fault.NotFound)
		_, err = s.FindByLink(t.Context(), account.Link{Provider: "contoso", Issuer: "x", Subject: bad})
		wantKind(t, fmt.Sprintf("FindByLink of subject %q", bad), err, fault.NotFound)
		_, err = s.GetAccount(t.Context(), bad)
		wantKind(t, fmt.Sprintf("GetAccount(%q)", bad), err, fault.NotFound)
		_, err = s.UpdateAccount(t.Context(), bad, func(*account.Account) error { return nil })
		wantKind(t, fmt.Sprintf("UpdateAccount(%q)", bad), err, fault.NotFound)
		wantKind(t, fmt.Sprintf("DeleteAccount(%q)", bad), s.DeleteAccount(t.Context(), bad), fault.NotFound)
		a := newAccount(account.OwnerLocal)
		a.Email = bad
		wantKind(t, fmt.Sprintf("CreateAccount with address %q", bad), s.CreateAccount(t.Context(), a, nil), fault.Invalid)
		l := newLink()
		l.Subject = bad
		wantKind(t, fmt.Sprintf("CreateAccount with subject %q", bad), s.CreateAccount(t.Context(), newAccount(l.Provider), &l), fault.Invalid)
	}
	a := newAccount(account.OwnerLocal)
	a.Name, a.Groups = "'; DROP TABLE accounts; --\x00\xff", []string{"\x00", "\xff", `"]`}
	ok(t, s.CreateAccount(t.Context(), a, nil))
	got, err := s.GetAccount(t.Context(), a.ID)
	ok(t, err)
	if len(got.Groups) != 3 || len(got.Name) < 20 {
		t.Errorf("hostile name and groups came back as %q, %q", got.Name, got.Groups)
	}
}
