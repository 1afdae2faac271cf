package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/mail"
	"crmgate/internal/token"
)

// diary keeps notices and places in memory. The promises of a real one are those of storetest.Notices.
type diary struct {
	m       *memory
	mu      sync.Mutex
	notices map[string]Notice
	places  map[[2]string]bool
	last    map[string]time.Time
	fail    error
}

func (d *diary) CreateNotice(_ context.Context, n Notice, _ int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.m.accounts[n.AccountID].State == Disabled {
		return errDisabled
	}
	d.notices[n.Digest] = n
	return d.fail
}

func (d *diary) GetNotice(_ context.Context, digest string, now time.Time) (Notice, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.notices[digest]
	if !ok || !now.Before(n.ExpiresAt) {
		return Notice{}, errMissing
	}
	return n, d.fail
}

func (d *diary) CloseAccount(_ context.Context, c Closing) (*Account, string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.notices[c.Digest]
	if c.Digest != "" && !ok {
		return nil, "", errMissing
	}
	delete(d.notices, c.Digest)
	id := c.AccountID
	if ok {
		id = n.AccountID
	}
	a, ok := d.m.accounts[id]
	if !ok {
		return nil, "", errMissing
	}
	a.State = Disabled
	d.m.accounts[id] = a
	d.m.passwords[id] = Password{Hash: c.Hash, ChangedAt: c.Now}
	return a.copy(), n.About, d.fail
}

func (d *diary) SweepNotices(context.Context, time.Time) (int, error) { return 2, d.fail }
func (d *diary) SweepPlaces(context.Context, time.Time) (int, error)  { return 3, nil }

func (d *diary) LastArrival(_ context.Context, id string) (time.Time, error) {
	return d.last[id], d.fail
}

func (d *diary) NotePlace(_ context.Context, id string, p Place, now time.Time, _ int) (Known, error) {
	if d.fail != nil {
		return Known{}, d.fail
	}
	k := Known{First: d.last[id].IsZero(), Network: p.Network == "" || d.places[[2]string{id, p.Network}]}
	d.last[id] = now
	if i := slices.IndexFunc(p.Browsers, func(b string) bool { return d.places[[2]string{id, b}] }); i >= 0 {
		k.Browser = p.Browsers[i]
	} else {
		d.places[[2]string{id, p.Fresh}] = true
	}
	d.places[[2]string{id, p.Network}] = true
	return k, nil
}

func newNoticeBench(t *testing.T) (*bench, *diary) {
	b := newBench(t)
	d := &diary{m: b.store, notices: map[string]Notice{}, places: map[[2]string]bool{}, last: map[string]time.Time{}}
	b.NoticeLinks, b.Places, b.Notices, b.SupportEmail = d, d, NoticeConfig{}.Default(), "help@example.test"
	return b, d
}

func cameFrom(ctx context.Context, address string) context.Context {
	return audit.WithOrigin(ctx, audit.Origin{Address: address, UserAgent: "Mozilla/5.0 (Windows NT 10.0) Firefox/140.0"})
}

// mailed returns the templates of the mails sent since it was last asked.
func (b *bench) mailed(t *testing.T) []string {
	t.Helper()
	b.work(t)
	var out []string
	for _, m := range b.mails {
		out = append(out, m.Template+" "+m.To)
	}
	b.mails = nil
	return out
}

// arrive is a sign-in that is noted and told, and returns the secret of the browser.
func (b *bench) arrive(ctx context.Context, a *Account, secrets []string) string {
	here := b.Arrived(ctx, a, secrets)
	b.Tell(ctx, here)
	return here.Secret
}

func TestArrived(t *testing.T) {
	tests := []struct {
		name    string
		address string
		// cookie is whether the browser shows the secret that it got at the first sign-in.
		cookie bool
		off    NoticeConfig
		want   []string
		event  string
	}{
		{name: "the same browser and network", address: "192.0.2.99", cookie: true},
		{name: "the same in IPv6 spelling", address: "::ffff:192.0.2.1", cookie: true},
		{name: "another browser", address: "192.0.2.1", want: []string{"new_device ann@example.test"}, event: "browser"},
		{name: "another network", address: "192.0.3.1", cookie: true, want: []string{"new_device ann@example.test"}, event: "network"},
		{name: "both", address: "2001:db8::1", want: []string{"new_device ann@example.test"}, event: "browser_and_network"},
		{name: "no address", address: "", cookie: true},
		{name: "networks are not told", address: "192.0.3.1", cookie: true, off: NoticeConfig{NewDevice: true}, event: "network"},
		{name: "browsers are not told", address: "192.0.2.1", off: NoticeConfig{NewNetwork: true}, event: "browser"},
		{name: "nothing is told", address: "192.0.3.1", off: NoticeConfig{LinkLifetime: time.Hour}, event: "browser_and_network"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, _ := newNoticeBench(t)
			if tt.off != (NoticeConfig{}) {
				b.Notices = tt.off
			}
			a := b.local(t, "ann@example.test")
			secret := b.arrive(cameFrom(t.Context(), "192.0.2.1"), a, nil)
			if got := b.mailed(t); !token.WellFormed(secret) || got != nil {
				t.Fatalf("first sign-in: secret %q, mails %v", secret, got)
			}
			b.events = nil
			var cookie []string
			if tt.cookie {
				cookie = []string{token.NewSecret(), secret}
			}
			got := b.arrive(cameFrom(t.Context(), tt.address), a, cookie)
			if (got == secret) != tt.cookie || !token.WellFormed(got) {
				t.Errorf("secret kept is %v, want %v", got == secret, tt.cookie)
			}
			event := ""
			for _, e := range b.events {
				event += e.Reason
			}
			if diff := cmp.Diff(tt.event, event); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, b.mailed(t)); diff != "" {
				t.Errorf("mails (-want +got):\n%s", diff)
			}
		})
	}
}

func TestArrivedSaysWhatIsNew(t *testing.T) {
	b, d := newNoticeBench(t)
	a := b.add(t, Account{ID: "kim", Owner: "contoso", Email: "kim@contoso.test", Name: "Kim", State: Active})
	b.arrive(cameFrom(t.Context(), "192.0.2.1"), a, nil)
	b.arrive(cameFrom(t.Context(), "192.0.2.77"), a, nil)
	b.work(t)
	got := b.mails[0].Data.(NewDeviceMail)
	if !got.Device || got.Network || got.How != "Contoso" || got.Address != "192.0.2.77" || got.Browser != "Firefox on Windows" || got.NotMeLifetime != "3 days" {
		t.Errorf("mail %+v", got)
	}
	secret, ok := strings.CutPrefix(got.NotMeLink, "https://crm.example.test/_gate/not-me/")
	n, kept := d.notices[token.Digest(secret)]
	if !ok || !kept || n.AccountID != "kim" || n.About != "new_device" || !n.ExpiresAt.Equal(b.now.Add(72*time.Hour)) {
		t.Errorf("link %q is kept as %+v", got.NotMeLink, n)
	}
}

func TestArrivedNeverStopsASignIn(t *testing.T) {
	b, d := newNoticeBench(t)
	a := b.local(t, "ann@example.test")
	d.fail = fmt.Errorf("the database is on fire")
	if got := b.arrive(t.Context(), a, nil); got != "" || !b.LastArrival(t.Context(), a.ID).IsZero() || !strings.Contains(b.logged.String(), "on fire") {
		t.Errorf("secret %q, log %s", got, b.logged.String())
	}
	b.Places = nil
	if got := b.arrive(t.Context(), a, nil); got != "" {
		t.Errorf("without a store: %q", got)
	}
}

// Whoever signs in without cookies all day is not mailed all day.
func TestNoticesHaveAnEnd(t *testing.T) {
	b, _ := newNoticeBench(t)
	a := b.local(t, "ann@example.test")
	for range 30 {
		b.arrive(t.Context(), a, nil)
	}
	if got := len(b.mailed(t)); got != noticeLimit {
		t.Errorf("%d mails, want %d", got, noticeLimit)
	}
}

func TestNetworkOf(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "": "", "nonsense": "",
	} {
		if got := networkOf(in); got != want {
			t.Errorf("networkOf(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNotMe(t *testing.T) {
	for _, byLink := range []bool{true, false} {
		t.Run(fmt.Sprint("by link: ", byLink), func(t *testing.T) {
			b, _ := newNoticeBench(t)
			a := b.local(t, "ann@example.test")
			b.FactorChanged(t.Context(), a.ID, "An app was added.", "")
			link := b.mails[0].Data.(FactorChangedMail).NotMeLink
			secret := link[strings.LastIndexByte(link, '/')+1:]
			b.mails, b.events = nil, nil
			if got, n, err := b.PeekNotice(t.Context(), secret); err != nil || got.ID != a.ID || n.About != "factor_changed" {
				t.Fatalf("peek: %+v, %+v, %v", got, n, err)
			}
			var err error
			if byLink {
				_, err = b.NotMeByLink(cameFrom(t.Context(), "192.0.2.1"), secret)
			} else {
				_, err = b.NotMe(cameFrom(t.Context(), "192.0.2.1"), a.ID)
			}
			if err != nil || b.get(t, a.ID).State != Disabled || !slices.Equal(b.ended, []string{a.ID}) {
				t.Fatalf("%v, %+v, ended %v", err, b.get(t, a.ID), b.ended)
			}
			if diff := cmp.Diff([]audit.Kind{audit.NotMe, audit.AccountDisabled}, []audit.Kind{b.events[0].Kind, b.events[1].Kind}); diff != "" {
				t.Error(diff)
			}
			report := b.mails[1].Data.(NotMeReport)
			cause := map[bool]string{true: "changed second steps"}[byLink]
			if report.AccountID != a.ID || report.Cause != cause || report.WhoEmail != a.Email || report.Email != "help@example.test" || !report.Local {
				t.Errorf("report %+v", report)
			}
			if diff := cmp.Diff([]string{"not_me ann@example.test", "not_me_report help@example.test"}, b.mailed(t)); diff != "" {
				t.Error(diff)
			}
			// Enabled again, the password that was known opens nothing, and no empty one does either.
			if err := b.Enable(t.Context(), a.ID, "cli"); err != nil {
				t.Fatal(err)
			}
			for _, password := range []string{goodPassword, "", " "} {
				if _, err := b.CheckPassword(t.Context(), a.Email, password); err == nil {
					t.Errorf("password %q opens the account", password)
				}
			}
		})
	}
}

func TestNotMeByLinkOnce(t *testing.T) {
	b, _ := newNoticeBench(t)
	a := b.local(t, "ann@example.test")
	b.FactorChanged(t.Context(), a.ID, "An app was added.", "")
	link := b.mails[0].Data.(FactorChangedMail).NotMeLink
	secret := link[strings.LastIndexByte(link, '/')+1:]
	b.mails = nil
	var wg sync.WaitGroup
	won := make([]bool, 50)
	for i := range won {
		wg.Go(func() {
			_, err := b.NotMeByLink(t.Context(), secret)
			if won[i] = err == nil; err != nil && !fault.Is(err, fault.Expired) {
				t.Errorf("a loser got %v", err)
			}
		})
	}
	wg.Wait()
	winners := 0
	for _, w := range won {
		if w {
			winners++
		}
	}
	if winners != 1 || len(b.mails) != 2 {
		t.Errorf("%d won, %d mails", winners, len(b.mails))
	}
	for _, junk := range []string{"", "junk", token.NewSecret(), strings.Repeat("a", 1000)} {
		if _, err := b.NotMeByLink(t.Context(), junk); !fault.Is(err, fault.Expired) {
			t.Errorf("%q: %v", junk, err)
		}
		if _, _, err := b.PeekNotice(t.Context(), junk); !fault.Is(err, fault.Expired) {
			t.Errorf("peek %q: %v", junk, err)
		}
	}
}

func TestNotMeWhenThingsFail(t *testing.T) {
	b, d := newNoticeBench(t)
	a := b.local(t, "ann@example.test")
	b.endFail = fmt.Errorf("redis is away")
	_, err := b.NotMe(t.Context(), a.ID)
	if !fault.Is(err, fault.Unavailable) || b.get(t, a.ID).State != Disabled || len(b.mailed(t)) != 2 {
		t.Errorf("sessions that cannot be ended: %v, %s", err, b.get(t, a.ID).State)
	}
	b.endFail, b.SupportEmail = nil, ""
	other := b.local(t, "bob@example.test")
	if _, err := b.NotMe(t.Context(), other.ID); err != nil || !strings.Contains(b.logged.String(), "no support address") {
		t.Errorf("no support: %v, %s", err, b.logged.String())
	}
	d.fail = fmt.Errorf("the database is on fire")
	third := b.local(t, "cy@example.test")
	if _, err := b.NotMe(t.Context(), third.ID); err == nil || fault.Is(err, fault.Expired) {
		t.Errorf("a store that fails: %v", err)
	}
	// A mail goes out without its link rather than not at all.
	b.mails = nil
	b.FactorChanged(t.Context(), third.ID, "An app was added.", "")
	if got := b.mails[0].Data.(FactorChangedMail); got.NotMeLink != "" {
		t.Errorf("link %q", got.NotMeLink)
	}
	if n, err := b.SweepNotices(t.Context(), b.now); n != 5 || err == nil {
		t.Errorf("sweep: %d, %v", n, err)
	}
}

// The mails about an account each carry a link of their own.
func TestMailsThatLock(t *testing.T) {
	b, d := newNoticeBench(t)
	a := b.local(t, "ann@example.test")
	b.FactorChanged(t.Context(), a.ID, "An app was added.", "")
	b.FactorLocked(t.Context(), a)
	if err := b.ChangePassword(t.Context(), a.Email, goodPassword, otherPassword, nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _ = b.CheckPassword(t.Context(), a.Email, "wrong")
	}
	b.work(t)
	links := map[string]string{}
	for _, m := range b.mails {
		links[m.Template] = linkOf(m)
	}
	seen := map[string]bool{}
	for _, name := range []string{"factor_changed", "factor_locked", "password_changed", "locked"} {
		secret, ok := strings.CutPrefix(links[name], "https://crm.example.test/_gate/not-me/")
		if n := d.notices[token.Digest(secret)]; !ok || n.About != name || seen[secret] {
			t.Errorf("%s: link %q, kept %+v", name, links[name], n)
		}
		seen[secret] = true
	}
}

func linkOf(m mail.Message) string {
	switch d := m.Data.(type) {
	case FactorChangedMail:
		return d.NotMeLink
	case FactorLockedMail:
		return d.NotMeLink
	case PasswordChangedMail:
		return d.NotMeLink
	case LockedMail:
		return d.NotMeLink
	}
	return ""
}

func TestRename(t *testing.T) {
	b, _ := newNoticeBench(t)
	ann := b.local(t, "ann@example.test")
	kim := b.add(t, Account{ID: "kim", Owner: "contoso", Email: "kim@contoso.test", Name: "Kim", State: Active})
	for name, tc := range map[string]struct {
		id, name, want string
		kind           fault.Kind
	}{
		"tidied":          {id: ann.ID, name: "  Ann \t Ärcher\n", want: "Ann Ärcher"},
		"empty":           {id: ann.ID, name: " \u00a0 ", kind: fault.Invalid},
		"control":         {id: ann.ID, name: "Ann\x00", kind: fault.Invalid},
		"direction":       {id: ann.ID, name: "Ann\u202eboss", kind: fault.Invalid},
		"broken":          {id: ann.ID, name: "Ann\xff", kind: fault.Invalid},
		"long":            {id: ann.ID, name: strings.Repeat("ü", maxName+1), kind: fault.Invalid},
		"just not long":   {id: ann.ID, name: strings.Repeat("ü", maxName), want: strings.Repeat("ü", maxName)},
		"of the provider": {id: kim.ID, name: "Kim Kane", kind: fault.Conflict},
		"nobody":          {id: "nobody", name: "x", kind: fault.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := b.Rename(t.Context(), tc.id, tc.name)
			if tc.want == "" {
				if !fault.Is(err, tc.kind) {
					t.Errorf("error %v, want %v", err, tc.kind)
				}
				return
			}
			if err != nil || a.Name != tc.want || b.get(t, tc.id).Name != tc.want {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	if got := b.get(t, kim.ID).Name; got != "Kim" {
		t.Errorf("the provider's person is called %q", got)
	}
}

func TestNoticeConfig(t *testing.T) {
	if p := (NoticeConfig{}).Default().Validate(); len(p) > 0 {
		t.Errorf("defaults: %v", p)
	}
	for _, d := range []time.Duration{0, time.Second, 32 * 24 * time.Hour, -time.Hour} {
		if p := (NoticeConfig{LinkLifetime: d}).Validate(); len(p) != 1 || p[0].Path != "link_lifetime" {
			t.Errorf("%s: %v", d, p)
		}
	}
}
