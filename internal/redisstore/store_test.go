package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/fault"
	"crmgate/internal/realtest"
	"crmgate/internal/redisstore"
	"crmgate/internal/session"
	"crmgate/internal/storetest"
	"crmgate/internal/token"
)

var _ session.Store = (*redisstore.Store)(nil)

func open(t testing.TB, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func config(t testing.TB) redisstore.Config {
	addr, password := realtest.Redis(t)
	return redisstore.Config{Addresses: []string{addr}, Password: token.Secret(password)}
}

func TestRedis(t *testing.T) { storetest.Sessions(t, open(t, config(t))) }

func newSession(accountID string) *session.Session {
	at := time.Now().UTC().Truncate(time.Millisecond)
	return &session.Session{ID: token.NewID(), SecretDigest: token.Digest("x"), AccountID: accountID, Provider: "local",
		SignedInAt: at, AuthTime: at, LastSeen: at, ExpiresAt: at.Add(time.Hour), IdleTimeout: time.Hour}
}

// TestNothingStays: indexes do not expire, so what ends must leave them.
func TestNothingStays(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	tests := []struct {
		name string
		end  func(one *session.Session) error
	}{
		{"delete", func(one *session.Session) error { return s.DeleteSession(t.Context(), one.ID) }},
		{"delete of the account", func(one *session.Session) error {
			_, err := s.DeleteAccountSessions(t.Context(), one.AccountID, "")
			return err
		}},
		{"sweep", func(one *session.Session) error {
			_, err := s.SweepSessions(t.Context(), one.ExpiresAt.Add(time.Millisecond))
			return err
		}},
		{"expiry and sweep", func(one *session.Session) error {
			command(t, cfg, "DEL", "{crmgate}:session:"+one.ID)
			_, err := s.SweepSessions(t.Context(), one.ExpiresAt.Add(time.Millisecond))
			return err
		}},
		{"expiry and delete of the account", func(one *session.Session) error {
			command(t, cfg, "DEL", "{crmgate}:session:"+one.ID)
			ids, err := s.DeleteAccountSessions(t.Context(), one.AccountID, "")
			if len(ids) != 0 {
				t.Errorf("ended %v, which were gone", ids)
			}
			return err
		}},
	}
	tests = append(tests, struct {
		name string
		end  func(one *session.Session) error
	}{"delete by the provider", func(one *session.Session) error {
		ended, err := s.DeleteProviderSessions(t.Context(), one.Provider, one.Issuer, "", one.ProviderSession)
		if len(ended) != 1 {
			t.Errorf("ended %v, want one", ended)
		}
		return err
	}})
	for _, tt := range tests {
		one := newSession("a|b " + tt.name)
		one.Provider, one.Issuer, one.Subject, one.ProviderSession = "contoso", "https://id.example.com", "ann", "sid"
		if err := s.CreateSession(t.Context(), one); err != nil {
			t.Fatal(err)
		}
		if n := command(t, cfg, "DBSIZE"); n != ":5" {
			t.Fatalf("%s: a session makes %s keys, want 5", tt.name, n)
		}
		if err := tt.end(one); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if n := command(t, cfg, "DBSIZE"); n != ":0" {
			t.Errorf("%s leaves %s keys", tt.name, n)
		}
	}
}

func TestExpiry(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	one := newSession("a")
	if err := s.CreateSession(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	// A touch must not change the end that Redis knows.
	if err := s.TouchSession(t.Context(), one.ID, one.LastSeen.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var ttl int
	if _, err := fmt.Sscanf(command(t, cfg, "TTL", "{crmgate}:session:"+one.ID), ":%d", &ttl); err != nil {
		t.Fatal(err)
	}
	if ttl < 3600 || ttl > 3600+60 {
		t.Errorf("Redis keeps the session for %d s, want the hour that it lives and a minute at most", ttl)
	}
}

func TestSweepInBatches(t *testing.T) {
	s := open(t, config(t))
	const n = 1203 // more than two batches
	for i := range n {
		if err := s.CreateSession(t.Context(), newSession(fmt.Sprint(i%10))); err != nil {
			t.Fatal(err)
		}
	}
	list, err := s.ListSessions(t.Context(), "")
	if err != nil || len(list) != n {
		t.Errorf("ListSessions = %d, %v; want %d", len(list), err, n)
	}
	if got, err := s.SweepSessions(t.Context(), time.Now().Add(2*time.Hour)); got != n || err != nil {
		t.Errorf("SweepSessions = %d, %v; want %d", got, err, n)
	}
}

func TestTwoReplicas(t *testing.T) {
	cfg := config(t)
	a, b := open(t, cfg), open(t, cfg)
	storetest.Revocation(t, a, b)
	one := newSession("ann")
	if err := a.CreateSession(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if _, err := b.GetSession(t.Context(), one.ID); err != nil {
		t.Errorf("the other replica does not see the session: %v", err)
	}
	if err := b.DeleteSession(t.Context(), one.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := a.GetSession(t.Context(), one.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("after a sign-out on the other replica: %v, want not found", err)
	}
}

func TestOpenFaults(t *testing.T) {
	cfg := config(t)
	wrong := cfg
	wrong.Password = "geheim"
	tests := []struct {
		name string
		cfg  redisstore.Config
		kind fault.Kind
		want string
	}{
		{"no address", redisstore.Config{}, fault.Invalid, "redis.addresses is empty"},
		{"nobody there", redisstore.Config{Addresses: []string{"127.0.0.1:1"}}, fault.Unavailable, "Redis at 127.0.0.1:1"},
		{"wrong password", wrong, fault.Unavailable, "WRONGPASS"},
		{"plain server asked for TLS", redisstore.Config{Addresses: cfg.Addresses, Password: cfg.Password, TLS: true}, fault.Unavailable, cfg.Addresses[0]},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := redisstore.Open(t.Context(), tt.cfg)
			var f *fault.Error
			if !errors.As(err, &f) || f.Kind != tt.kind || !strings.Contains(f.Sentence, tt.want) {
				t.Errorf("Open = %v, want %v with %q", err, tt.kind, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "geheim") {
				t.Errorf("the password is in the error: %v", err)
			}
		})
	}
}

func TestEvictionPolicy(t *testing.T) {
	cfg := config(t)
	for policy, refused := range map[string]bool{"noeviction": false, "volatile-lru": false, "allkeys-lru": true} {
		command(t, cfg, "CONFIG", "SET", "maxmemory-policy", policy)
		s, err := redisstore.Open(t.Context(), cfg)
		if err == nil {
			s.Close()
		}
		if fault.Is(err, fault.Invalid) != refused {
			t.Errorf("with %s: Open = %v, want refused = %v", policy, err, refused)
		}
	}
}

// TestUnavailable: a server that is gone or silent is an error soon, never a missing session.
func TestUnavailable(t *testing.T) {
	cfg := config(t)
	s := open(t, cfg)
	one := newSession("ann")
	if err := s.CreateSession(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	command(t, cfg, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
	if _, err := s.GetSession(t.Context(), one.ID); err != nil {
		t.Errorf("right after its connections were cut: %v", err)
	}
	command(t, cfg, "CLIENT", "PAUSE", "2500")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.GetSession(ctx, one.ID); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a silent server: %v, want unavailable at the deadline, long before it answers", err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		_, err := s.GetSession(t.Context(), one.ID)
		if err == nil {
			break
		}
		if !fault.Is(err, fault.Unavailable) || time.Now().After(deadline) {
			t.Fatalf("when it answers again: %v", err)
		}
	}
	s.Close()
	if _, err := s.GetSession(t.Context(), one.ID); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a closed store: %v, want unavailable", err)
	}
}

func TestValidate(t *testing.T) {
	one, two := []string{"a:6379"}, []string{"a:6379", "[::1]:6379"}
	tests := []struct {
		name string
		cfg  redisstore.Config
		want []string
	}{
		{"unused", redisstore.Config{}, nil},
		{"single", redisstore.Config{Addresses: one, Username: "u", Password: "p", TLS: true}, nil},
		{"cluster", redisstore.Config{Addresses: two, Cluster: true}, nil},
		{"sentinels", redisstore.Config{Addresses: two, SentinelMaster: "m"}, nil},
		{"no address", redisstore.Config{TLS: true}, []string{"addresses"}},
		{"no port", redisstore.Config{Addresses: []string{"a:1", "redis", "redis://a:1"}, Cluster: true}, []string{"addresses[1]", "addresses[2]"}},
		{"several of what", redisstore.Config{Addresses: two}, []string{"addresses"}},
		{"both", redisstore.Config{Addresses: two, SentinelMaster: "m", Cluster: true}, []string{"cluster"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range tt.cfg.Validate() {
				got = append(got, p.Path)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

// command says something to the server by hand and returns the first line of its answer.
func command(t testing.TB, cfg redisstore.Config, args ...string) string {
	t.Helper()
	c, err := net.Dial("tcp", cfg.Addresses[0])
	if err != nil {
		t.Error(err)
		return ""
	}
	defer c.Close()
	var out strings.Builder
	for _, words := range [][]string{{"AUTH", cfg.Password.Reveal()}, args} {
		fmt.Fprintf(&out, "*%d\r\n", len(words))
		for _, w := range words {
			fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(w), w)
		}
	}
	if _, err := c.Write([]byte(out.String())); err != nil {
		t.Error(err)
		return ""
	}
	var answer string
	buf := make([]byte, 4096)
	for strings.Count(answer, "\r\n") < 2 {
		n, err := c.Read(buf)
		if err != nil {
			t.Errorf("redis %v: %v", args, err)
			return ""
		}
		answer += string(buf[:n])
	}
	return strings.Split(answer, "\r\n")[1]
}

func BenchmarkGetSession(b *testing.B) {
	s := open(b, config(b))
	one := newSession("ann")
	one.IDToken = strings.Repeat("x", 1200)
	if err := s.CreateSession(b.Context(), one); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.GetSession(b.Context(), one.ID); err != nil {
			b.Fatal(err)
		}
	}
}
