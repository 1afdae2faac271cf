package provider_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/provider"
	"crmgate/internal/realtest"
)

// tap is a port that counts connections and passes them on, or does to them what a test wants.
type tap struct {
	url   string
	count atomic.Int64
}

func newTap(t *testing.T, serve func(net.Conn)) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{url: l.Addr().String()}
	var wg sync.WaitGroup
	open := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); close(open); wg.Wait() })
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.count.Add(1)
			wg.Go(func() { defer c.Close(); serve(c) })
			// The gateway lets connections wait for their next use; the test's end is theirs.
			go func() { <-open; _ = c.Close() }()
		}
	})
	return p
}

// passOn is a tap's way to the real directory.
func passOn(address string) func(net.Conn) {
	_, host, _ := strings.Cut(address, "://")
	return func(c net.Conn) {
		up, err := net.Dial("tcp", host)
		if err != nil {
			return
		}
		defer up.Close()
		go func() { _, _ = io.Copy(up, c); _ = up.Close() }()
		_, _ = io.Copy(c, up)
	}
}

func silent(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func TestWrongPasswordsAreNotTriedElsewhere(t *testing.T) {
	d := realtest.Slapd(t)
	first, second := newTap(t, passOn(d.TLSURL)), newTap(t, passOn(d.TLSURL))
	c := directoryConfig(d)
	c.URLs = []string{"ldaps://" + first.url, "ldaps://" + second.url}
	p := openDirectory(t, c, nil)
	for i, login := range []string{"alice", "nobody", "alice"} {
		before := first.count.Load()
		if _, err := p.CheckPassword(context.Background(), login, "wrong"); !errors.Is(err, identity.ErrWrongPassword) {
			t.Errorf("%s: %v", login, err)
		}
		want := int64(1) // the one that looks up waits for the next
		if i == 0 {
			want = 2
		}
		if n := first.count.Load() - before; n != want {
			t.Errorf("%s: %d connections, want %d: one that binds, and at first one that looks up", login, n, want)
		}
	}
	if _, err := p.CheckPassword(context.Background(), "alice", ""); !errors.Is(err, identity.ErrWrongPassword) {
		t.Errorf("empty password: %v", err)
	}
	if n := first.count.Load(); n != 4 {
		t.Errorf("an empty password reached the wire")
	}
	if n := second.count.Load(); n != 0 {
		t.Errorf("the second server was asked %d times about a wrong password", n)
	}
}

func TestSilentServers(t *testing.T) {
	d := realtest.Slapd(t)
	// Answers StartTLS with success and says nothing after it.
	startTLS := func(c net.Conn) {
		b := make([]byte, 512)
		if _, err := c.Read(b); err == nil {
			_, _ = c.Write([]byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x78, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00})
			silent(c)
		}
	}
	// Announces a gigabyte.
	flood := func(c net.Conn) {
		if _, err := c.Write([]byte{0x30, 0x84, 0x40, 0x00, 0x00, 0x00}); err != nil {
			return
		}
		for junk := make([]byte, 1<<16); ; {
			if _, err := c.Write(junk); err != nil {
				return
			}
		}
	}
	for _, tt := range []struct {
		name, scheme string
		serve        func(net.Conn)
	}{
		{"TLS never answered", "ldaps", silent}, {"StartTLS never answered", "ldap", silent},
		{"stalls in the handshake", "ldap", startTLS}, {"hangs up", "ldaps", func(net.Conn) {}}, {"floods", "ldap", flood},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // they wait more than they work
			bad := newTap(t, tt.serve)
			k := &clock{}
			c := directoryConfig(d)
			c.StartTLS, c.Timeout = true, 4*time.Second // also for the server that is well, on a busy machine
			c.URLs = []string{tt.scheme + "://" + bad.url, d.TLSURL}
			p := openDirectory(t, c, k.now)
			for i := range 3 {
				start := time.Now()
				if _, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1"); err != nil {
					t.Errorf("the second server does not help: %v", err)
				}
				if took := time.Since(start); took > time.Minute {
					t.Errorf("attempt %d took %s", i, took)
				}
			}
			if n := bad.count.Load(); n != 1 {
				t.Errorf("a server in trouble was asked %d times in a row", n)
			}
			k.advance(6 * time.Second)
			if _, err := p.CheckPassword(context.Background(), "alice", "alice-pw-1"); err != nil {
				t.Error(err)
			}
			if n := bad.count.Load(); n != 2 {
				t.Errorf("a server in trouble was asked %d times, want again after a pause", n)
			}
		})
	}
}

// A connection that breaks while the password is judged must not lead to a second judgement.
func TestBindIsSentOnce(t *testing.T) {
	d := realtest.Slapd(t)
	var n atomic.Int64
	pass := passOn(d.TLSURL)
	broken := newTap(t, func(c net.Conn) {
		if n.Add(1) == 1 { // looks up
			pass(c)
			return
		}
		pass(&afterHandshake{Conn: c}) // binds
	})
	second := newTap(t, pass)
	c := directoryConfig(d)
	c.URLs = []string{"ldaps://" + broken.url, "ldaps://" + second.url}
	_, err := openDirectory(t, c, nil).CheckPassword(context.Background(), "alice", "alice-pw-1")
	if got := refusal(err); got != "unavailable: provider_unreachable" {
		t.Errorf("CheckPassword: %s (%v)", got, err)
	}
	if n := second.count.Load(); n != 0 {
		t.Errorf("the second server was asked %d times", n)
	}
}

// afterHandshake breaks once the client sends application data.
type afterHandshake struct{ net.Conn }

func (c *afterHandshake) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b[:1])
	if err != nil || n == 0 {
		return n, err
	}
	const applicationData = 23
	if b[0] != applicationData {
		return c.rest(b)
	}
	// The first encrypted record of the client is the end of the handshake, the second is the bind.
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.Conn, head); err != nil {
		return 0, err
	}
	size := int(head[2])<<8 | int(head[3])
	if size > 60 {
		return 0, errors.New("cut")
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return 0, err
	}
	return copy(b[1:], append(head, body...)) + 1, nil
}

// rest returns the whole record that began with b[0].
func (c *afterHandshake) rest(b []byte) (int, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.Conn, head); err != nil {
		return 0, err
	}
	body := make([]byte, int(head[2])<<8|int(head[3]))
	if _, err := io.ReadFull(c.Conn, body); err != nil {
		return 0, err
	}
	return copy(b[1:], append(head, body...)) + 1, nil
}

func TestGivingUpEndsTheQuestion(t *testing.T) {
	d := realtest.Slapd(t)
	asked := make(chan struct{})
	bad := newTap(t, func(c net.Conn) {
		asked <- struct{}{}
		silent(c)
	})
	c := directoryConfig(d)
	c.Timeout = time.Minute
	c.URLs = []string{"ldaps://" + bad.url}
	p := openDirectory(t, c, nil)
	leave := func() error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() { <-asked; cancel() }()
		_, err := p.CheckPassword(ctx, "alice", "alice-pw-1")
		return err
	}
	start := time.Now()
	if err := leave(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("CheckPassword: %v", err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	// Somebody who leaves says nothing about the server.
	_ = leave()
	if n := bad.count.Load(); n != 2 {
		t.Errorf("the server was asked %d times, want twice", n)
	}
}

// Unknown names must not be told from wrong passwords by the clock: slapd spares itself the hashing for them. The pace is set, for
// a busy machine measures nothing.
func TestUnknownNamesTakeAsLong(t *testing.T) {
	d := realtest.Slapd(t)
	p := openDirectory(t, directoryConfig(d), nil)
	check := func(login string) time.Duration {
		start := time.Now()
		if _, err := p.CheckPassword(context.Background(), login, "wrong"); !errors.Is(err, identity.ErrWrongPassword) {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	check("nobody")
	if got := provider.Pace(p); got != 0 {
		t.Errorf("an unknown name teaches a pace of %s", got)
	}
	check("bob")
	if got := provider.Pace(p); got <= 0 {
		t.Error("a wrong password teaches no pace")
	}
	const slow = 700 * time.Millisecond
	provider.SetPace(p, slow)
	if took := check("nobody"); took < slow {
		t.Errorf("an unknown name takes %s where a wrong password takes %s", took, slow)
	}
}
