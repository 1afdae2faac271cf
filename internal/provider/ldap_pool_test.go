package provider_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/identity"
	"crmgate/internal/realtest"
)

func signsIn(t *testing.T, p identity.PasswordChecker) {
	t.Helper()
	if _, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1"); err != nil {
		t.Fatal(err)
	}
}

// The service account's connection waits for the next sign-in; every person's is new.
func TestServiceConnectionsWait(t *testing.T) {
	d := realtest.Slapd(t)
	door := newTap(t, passOn(d.TLSURL))
	k := &clock{}
	c := directoryConfig(d)
	c.URLs = []string{"ldaps://" + door.url}
	p := openDirectory(t, c, k.now)
	for i, want := range []int64{2, 3, 4, 5} {
		signsIn(t, p)
		if n := door.count.Load(); n != want {
			t.Errorf("after sign-in %d: %d connections, want %d", i+1, n, want)
		}
		k.advance(10 * time.Second) // long enough to be tried before it is used
	}
	k.advance(10 * time.Minute)
	signsIn(t, p)
	if n := door.count.Load(); n != 7 {
		t.Errorf("an old connection is used on: %d connections, want 7", n)
	}
}

// A directory that was restarted has closed what waits; nobody notices.
func TestServiceConnectionsThatBroke(t *testing.T) {
	d := realtest.Slapd(t)
	k := &clock{}
	p := openDirectory(t, directoryConfig(d), k.now)
	for range 3 {
		signsIn(t, p)
		d.Restart(t)
	}
	signsIn(t, p)
}

// A firewall that forgot a connection swallows what is sent on it. It costs one short wait, and the server is not blamed.
func TestServiceConnectionsThatWereForgotten(t *testing.T) {
	d := realtest.Slapd(t)
	var deaf atomic.Bool
	pass := passOn(d.TLSURL)
	var doors atomic.Int64
	door := newTap(t, func(c net.Conn) {
		if doors.Add(1) == 1 {
			pass(&swallowing{Conn: c, deaf: &deaf})
			return
		}
		pass(c)
	})
	k := &clock{}
	c := directoryConfig(d)
	c.URLs, c.Timeout = []string{"ldaps://" + door.url}, time.Minute // against which the short wait is told apart
	p := openDirectory(t, c, k.now)
	signsIn(t, p)
	deaf.Store(true)
	k.advance(10 * time.Second)
	start := time.Now()
	signsIn(t, p)
	if took := time.Since(start); took > 40*time.Second {
		t.Errorf("it took %s", took)
	}
	signsIn(t, p)
}

// swallowing passes nothing on once it is deaf.
type swallowing struct {
	net.Conn
	deaf *atomic.Bool
}

func (c *swallowing) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.deaf.Load() {
			return n, err
		}
	}
}

// Two directories that hold the same people: the second helps while the first is down, and one submission is one bind at one of them.
func TestTwoDirectories(t *testing.T) {
	one, two := realtest.Slapd(t), realtest.Slapd(t)
	doors := []*tap{newTap(t, passOn(one.TLSURL)), newTap(t, passOn(two.TLSURL))}
	k := &clock{}
	both := directoryConfig(one)
	both.URLs, both.CAFile = []string{"ldaps://" + doors[0].url, "ldaps://" + doors[1].url}, realtest.BundleCA(t, one.CAFile, two.CAFile)
	p := openDirectory(t, both, k.now)
	// Five failures lock. Four submissions must not be five at either.
	for range 4 {
		_, err := p.CheckPassword(context.Background(), "alice", "wrong")
		if got := refusal(err); got != "wrong password" {
			t.Fatal(got)
		}
	}
	signsIn(t, p)
	if n := doors[1].count.Load(); n != 0 {
		t.Errorf("the second was asked %d times while the first worked", n)
	}
	one.Stop(t)
	asked := doors[0].count.Load()
	for range 3 {
		signsIn(t, p)
	}
	if n := doors[0].count.Load() - asked; n > 2 {
		t.Errorf("the first was asked %d times in a row although it is down", n)
	}
	if n := doors[1].count.Load(); n != 4 {
		t.Errorf("%d connections at the second, want one that looks up and three that bind", n)
	}
	two.Stop(t)
	k.advance(6 * time.Second)
	_, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1")
	if got := refusal(err); got != "unavailable: provider_unreachable" {
		t.Errorf("both down: %s", got)
	}
	one.Restart(t)
	k.advance(6 * time.Second)
	signsIn(t, p)
}

func TestManyAtOnce(t *testing.T) {
	d := realtest.Slapd(t)
	p := openDirectory(t, directoryConfig(d), nil)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			login, want := "alice", "signed in"
			password := "alice-pw-1"
			if i%4 == 0 {
				login, password, want = "nobody", "x", "wrong password"
			}
			id, err := p.CheckPassword(context.Background(), login, password)
			if got := refusal(err); got != want || err == nil && id.Username != login {
				t.Errorf("%s: %s (%v)", login, got, err)
			}
		})
	}
	wg.Wait()
}
