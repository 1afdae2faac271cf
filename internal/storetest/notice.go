package storetest

import (
	"fmt"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/bearer"
	"crmgate/internal/fault"
	"crmgate/internal/mfa"
	"crmgate/internal/token"
)

// NoticeStore is what keeps notices and places, beside all that a locked account loses.
type NoticeStore interface {
	AccountStore
	account.NoticeStore
	account.PlaceStore
	mfa.Store
	mfa.DeviceStore
	bearer.Store
}

func newNotice(accountID string) account.Notice {
	at := now()
	return account.Notice{Digest: token.Digest(token.NewSecret()), AccountID: accountID, About: "new_device", CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
}

// Notices is the contract of account.NoticeStore and account.PlaceStore.
func Notices(t *testing.T, s NoticeStore) {
	t.Run("notice round trip", func(t *testing.T) { noticeRoundTrip(t, s) })
	t.Run("one of many locks", func(t *testing.T) { noticeRace(t, s) })
	t.Run("locking takes all away", func(t *testing.T) { closing(t, s) })
	t.Run("a provider's account", func(t *testing.T) {
		a := create(t, s, "contoso")
		n := newNotice(a.ID)
		ok(t, s.CreateNotice(t.Context(), n, 5))
		got, about, err := s.CloseAccount(t.Context(), account.Closing{Digest: n.Digest, Hash: "h", Now: now()})
		ok(t, err)
		same(t, "closed", []any{a.ID, account.Disabled, "new_device"}, []any{got.ID, got.State, about})
	})
	t.Run("places", func(t *testing.T) { places(t, s) })
	t.Run("of many first sign-ins one is the first", func(t *testing.T) { firstArrival(t, s) })
	t.Run("as many places as are kept", func(t *testing.T) { keptPlaces(t, s) })
}

func noticeRoundTrip(t *testing.T, s NoticeStore) {
	a := create(t, s, account.OwnerLocal)
	want := newNotice(a.ID)
	ok(t, s.CreateNotice(t.Context(), want, 2))
	got, err := s.GetNotice(t.Context(), want.Digest, now())
	ok(t, err)
	same(t, "GetNotice", want, got)
	_, err = s.GetNotice(t.Context(), want.Digest, want.ExpiresAt)
	wantKind(t, "GetNotice at its end", err, fault.NotFound)
	wantKind(t, "the same digest again", s.CreateNotice(t.Context(), want, 2), fault.Conflict)
	wantKind(t, "for nobody", s.CreateNotice(t.Context(), newNotice(token.NewID()), 2), fault.NotFound)
	for i := range 2 {
		newer := newNotice(a.ID)
		newer.CreatedAt = want.CreatedAt.Add(time.Duration(i+1) * time.Second)
		ok(t, s.CreateNotice(t.Context(), newer, 2))
	}
	_, err = s.GetNotice(t.Context(), want.Digest, now())
	wantKind(t, "GetNotice of one too many", err, fault.NotFound)
	dead := newNotice(a.ID)
	dead.ExpiresAt = now().Add(time.Second)
	ok(t, s.CreateNotice(t.Context(), dead, 9))
	if n, err := s.SweepNotices(t.Context(), now().Add(time.Minute)); err != nil || n < 1 {
		t.Errorf("SweepNotices: %d, %v", n, err)
	}
	_, err = s.GetNotice(t.Context(), dead.Digest, dead.CreatedAt)
	wantKind(t, "GetNotice of the swept", err, fault.NotFound)
	_, err = s.UpdateAccount(t.Context(), a.ID, func(b *account.Account) error { b.State = account.Disabled; return nil })
	ok(t, err)
	wantKind(t, "for a disabled account", s.CreateNotice(t.Context(), newNotice(a.ID), 2), fault.Forbidden)
}

func noticeRace(t *testing.T, s NoticeStore) {
	for range 3 {
		a := create(t, s, account.OwnerLocal)
		one, other := newNotice(a.ID), newNotice(a.ID)
		ok(t, s.CreateNotice(t.Context(), one, 5))
		ok(t, s.CreateNotice(t.Context(), other, 5))
		oneWins(t, "CloseAccount", fault.NotFound, together(50, func(i int) error {
			_, _, err := s.CloseAccount(t.Context(), account.Closing{Digest: one.Digest, Hash: fmt.Sprint("h", i), Now: now()})
			return err
		}))
		_, _, err := s.CloseAccount(t.Context(), account.Closing{Digest: other.Digest, Hash: "h", Now: now()})
		wantKind(t, "the link of another mail afterwards", err, fault.NotFound)
	}
	_, _, err := s.CloseAccount(t.Context(), account.Closing{Digest: token.Digest("never"), Now: now()})
	wantKind(t, "a link that never was", err, fault.NotFound)
	_, _, err = s.CloseAccount(t.Context(), account.Closing{AccountID: token.NewID(), Now: now()})
	wantKind(t, "an account that never was", err, fault.NotFound)
	late := create(t, s, account.OwnerLocal)
	n := newNotice(late.ID)
	ok(t, s.CreateNotice(t.Context(), n, 5))
	_, _, err = s.CloseAccount(t.Context(), account.Closing{Digest: n.Digest, Now: n.ExpiresAt})
	wantKind(t, "at its end", err, fault.NotFound)
}

// closing gives an account all that opens it, and looks what is left.
func closing(t *testing.T, s NoticeStore) {
	a := create(t, s, account.OwnerLocal)
	l, ctx := mustLocal(a), t.Context()
	ok(t, s.SetPassword(ctx, l, "known to somebody", 5, now()))
	reset, notice, device := newToken(account.ForReset), newNotice(a.ID), newDevice(a.ID, now())
	ok(t, s.CreateToken(ctx, l, reset))
	ok(t, s.CreateNotice(ctx, notice, 5))
	ok(t, s.CreateDevice(ctx, device, 5))
	at := now()
	ok(t, s.CreateAccessToken(ctx, bearer.Token{ID: token.NewID(), AccountID: a.ID, Name: "n", Paths: []string{"/**"}, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}, token.Digest(token.NewSecret()), 5))
	place := account.Place{Fresh: token.Digest(token.NewSecret()), Network: "192.0.2.0/24"}
	_, err := s.NotePlace(ctx, a.ID, place, at, 5)
	ok(t, err)

	got, about, err := s.CloseAccount(ctx, account.Closing{AccountID: a.ID, Hash: "known to nobody", History: 5, Now: now()})
	ok(t, err)
	same(t, "closed", []any{account.Disabled, ""}, []any{got.State, about})
	p, err := s.GetPassword(ctx, l)
	ok(t, err)
	same(t, "password", []any{"known to nobody", "known to somebody"}, []any{p.Hash, p.Previous[0]})
	_, err = s.GetToken(ctx, reset.Digest, reset.Purpose, now())
	wantKind(t, "reset", err, fault.NotFound)
	_, err = s.GetNotice(ctx, notice.Digest, now())
	wantKind(t, "notice", err, fault.NotFound)
	devices, err := s.ListDevices(ctx, a.ID, now())
	ok(t, err)
	tokens, err := s.ListAccessTokens(ctx, a.ID)
	ok(t, err)
	same(t, "devices and access tokens", []int{0, 0}, []int{len(devices), len(tokens)})

	_, err = s.UpdateAccount(ctx, a.ID, func(b *account.Account) error { b.State = account.Active; return nil })
	ok(t, err)
	_, err = s.GetNotice(ctx, notice.Digest, now())
	wantKind(t, "notice after it was enabled again", err, fault.NotFound)
	known, err := s.NotePlace(ctx, a.ID, account.Place{Browsers: []string{place.Fresh}, Fresh: token.Digest("x"), Network: place.Network}, now(), 5)
	ok(t, err)
	same(t, "what is known afterwards", account.Known{}, known)
}

func places(t *testing.T, s NoticeStore) {
	a, ctx, at := create(t, s, "contoso"), t.Context(), now()
	browser, second, third := token.Digest(token.NewSecret()), token.Digest(token.NewSecret()), token.Digest(token.NewSecret())
	steps := []struct {
		name  string
		place account.Place
		want  account.Known
	}{
		{"the first ever", account.Place{Fresh: browser, Network: "192.0.2.0/24"}, account.Known{First: true}},
		{"the same again", account.Place{Browsers: []string{second, browser}, Fresh: third, Network: "192.0.2.0/24"}, account.Known{Browser: browser, Network: true}},
		{"what was not needed is not known", account.Place{Browsers: []string{third}, Fresh: second, Network: "192.0.2.0/24"}, account.Known{Network: true}},
		{"another network", account.Place{Browsers: []string{browser}, Fresh: third, Network: "2001:db8::/64"}, account.Known{Browser: browser}},
		{"no network", account.Place{Browsers: []string{second}, Fresh: third}, account.Known{Browser: second, Network: true}},
		{"no cookie", account.Place{Fresh: third, Network: "2001:db8::/64"}, account.Known{Network: true}},
	}
	for i, step := range steps {
		known, err := s.NotePlace(ctx, a.ID, step.place, at.Add(time.Duration(i)*time.Minute), 10)
		ok(t, err)
		same(t, step.name, step.want, known)
	}
	last, err := s.LastArrival(ctx, a.ID)
	ok(t, err)
	same(t, "LastArrival", at.Add(5*time.Minute), last)
	other := create(t, s, "contoso")
	known, err := s.NotePlace(ctx, other.ID, account.Place{Browsers: []string{browser}, Fresh: token.Digest(token.NewSecret()), Network: "192.0.2.0/24"}, at, 10)
	ok(t, err)
	same(t, "another account with the browser's cookie", account.Known{First: true}, known)
	_, err = s.NotePlace(ctx, token.NewID(), account.Place{Fresh: browser}, at, 10)
	wantKind(t, "nobody", err, fault.NotFound)
	last, err = s.LastArrival(ctx, token.NewID())
	ok(t, err)
	same(t, "LastArrival of nobody", time.Time{}, last)

	n, err := s.SweepPlaces(ctx, at.Add(24*time.Hour))
	ok(t, err)
	if n < 4 {
		t.Errorf("swept %d places", n)
	}
	known, err = s.NotePlace(ctx, a.ID, account.Place{Browsers: []string{browser}, Fresh: third, Network: "192.0.2.0/24"}, at, 10)
	ok(t, err)
	same(t, "after the sweep", account.Known{}, known)
}

func firstArrival(t *testing.T, s NoticeStore) {
	a, first := create(t, s, "contoso"), make([]bool, 50)
	for _, err := range together(50, func(i int) error {
		known, err := s.NotePlace(t.Context(), a.ID, account.Place{Fresh: token.Digest(fmt.Sprint(a.ID, i)), Network: "192.0.2.0/24"}, now(), 100)
		first[i] = known.First
		return err
	}) {
		ok(t, err)
	}
	n := 0
	for _, is := range first {
		if is {
			n++
		}
	}
	same(t, "first sign-ins", 1, n)
}

func keptPlaces(t *testing.T, s NoticeStore) {
	a, at := create(t, s, "contoso"), now()
	digest := func(i int) string { return token.Digest(fmt.Sprint(a.ID, i)) }
	for i := range 5 {
		_, err := s.NotePlace(t.Context(), a.ID, account.Place{Fresh: digest(i)}, at.Add(time.Duration(i)*time.Second), 3)
		ok(t, err)
	}
	known, err := s.NotePlace(t.Context(), a.ID, account.Place{Browsers: []string{digest(2)}, Fresh: digest(10)}, at, 3)
	ok(t, err)
	same(t, "the third newest", digest(2), known.Browser)
	known, err = s.NotePlace(t.Context(), a.ID, account.Place{Browsers: []string{digest(1)}, Fresh: digest(11)}, at, 3)
	ok(t, err)
	same(t, "the fourth newest", "", known.Browser)
}
