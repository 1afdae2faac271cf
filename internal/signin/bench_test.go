package signin

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/account"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/session"
	"crmgate/internal/token"
)

// idp is a provider that rotates refresh tokens and ends everything when an old one comes again.
type idp struct {
	info   identity.Info
	mu     sync.Mutex
	asked  int
	serial int // of the only good token
	reused bool
	// takes is how long an answer takes; err is what is answered, broken that it comes after the token was changed.
	takes  time.Duration
	err    error
	broken bool
	says   identity.Identity
}

func newIDP() *idp {
	return &idp{
		info:   identity.Info{ID: "contoso", Name: "Contoso", Redirects: true, Domains: []string{"contoso.test"}, Revalidate: time.Minute, Grace: time.Hour},
		serial: 1,
		says:   identity.Identity{Email: "ann@contoso.test", EmailVerified: true, Name: "Ann Archer", Groups: []string{"new"}},
	}
}

func (p *idp) Info() identity.Info { return p.info }

func (p *idp) Revalidate(ctx context.Context, g identity.Grant) (identity.Identity, error) {
	select {
	case <-time.After(p.takes):
	case <-ctx.Done():
		return identity.Identity{}, fault.Wrap(fault.Unavailable, "Down.", ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	switch {
	case p.err != nil && !p.broken:
		return identity.Identity{}, p.err
	case g.RefreshToken != fmt.Sprint("token-", p.serial):
		p.reused = true
		return identity.Identity{}, fault.New(fault.Unauthenticated, "Ended.").WithReason("invalid_grant")
	}
	p.serial++
	next := fmt.Sprint("token-", p.serial)
	if p.err != nil {
		return identity.Identity{RefreshToken: next}, p.err
	}
	id := p.says
	id.RefreshToken = next
	return id, nil
}

// answer changes what comes next.
func (p *idp) answer(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

// bench is two replicas over one store with one session of Ann's.
type bench struct {
	t        *testing.T
	idp      *idp
	store    *memory
	accounts *people
	audit    *recorder
	log      bytes.Buffer
	replicas [2]*session.Manager
	checks   [2]*Revalidation
	cookie   *http.Cookie

	mu       sync.Mutex
	outcomes map[string]int
}

func newBench(t *testing.T, p *idp, others ...identity.Provider) *bench {
	b := &bench{
		t: t, idp: p, store: &memory{sessions: map[string]session.Session{}}, audit: &recorder{}, outcomes: map[string]int{},
		accounts: &people{a: account.Account{ID: "1", Owner: p.info.ID, Email: "ann@contoso.test", Name: "Ann", State: account.Active}},
	}
	sealer, err := token.NewSealer(token.NewSealKey(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&b.log, nil))
	realms := identity.NewRealms(append([]identity.Provider{p}, others...)...)
	for i := range b.replicas {
		b.replicas[i] = &session.Manager{Store: b.store, Config: session.Config{}.Default()}
		b.checks[i] = &Revalidation{
			Realms: realms, Accounts: &account.Service{Store: b.accounts, Realms: realms, Audit: b.audit}, Sessions: b.replicas[i], Sealer: sealer,
			Audit: b.audit, Log: log,
			Count: func(provider, outcome string) {
				b.mu.Lock()
				defer b.mu.Unlock()
				b.outcomes[outcome]++
			},
		}
		b.replicas[i].Checks = b.checks[i]
	}
	t.Cleanup(func() {
		ctx, stop := context.WithCancel(context.Background())
		stop()
		for _, c := range b.checks {
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	f := &Flow{Realms: realms, Sessions: b.replicas[0], Sealer: sealer}
	s := session.Session{AccountID: "1", Email: "ann@contoso.test", Groups: []string{"old"}, Provider: p.info.ID, Issuer: "i", Subject: "ann"}
	f.keep(&s, identity.Identity{RefreshToken: "token-1", IDToken: "id-token-1"})
	w := httptest.NewRecorder()
	if _, err := b.replicas[0].Start(w, httptest.NewRequest("GET", "/", nil), s); err != nil {
		t.Fatal(err)
	}
	b.cookie = w.Result().Cookies()[0]
	return b
}

// get is a request at a replica: the session's groups, "" without a session, or "unavailable".
func (b *bench) get(replica int) string {
	b.t.Helper()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(b.cookie)
	s, err := b.replicas[replica].Lookup(r)
	switch {
	case fault.Is(err, fault.Unavailable):
		return "unavailable"
	case err != nil:
		b.t.Fatal(err)
	case s == nil:
		return ""
	}
	return strings.Join(s.Groups, ",")
}

// use sends a request a second to both replicas for a while, and fails when the answer is not what is wanted.
func (b *bench) use(d time.Duration, want string) {
	b.t.Helper()
	for range int(d / time.Second) {
		time.Sleep(time.Second)
		for i := range b.replicas {
			if got := b.get(i); got != want {
				b.t.Fatalf("a request at replica %d found %q, want %q; outcomes %v", i, got, want, b.outcomes)
			}
		}
	}
}

func (b *bench) record() session.Session {
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	for _, s := range b.store.sessions {
		return s
	}
	return session.Session{}
}

func (b *bench) want(outcomes map[string]int) {
	b.t.Helper()
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := cmp.Diff(outcomes, b.outcomes); d != "" {
		b.t.Errorf("outcomes (-want +got):\n%s", d)
	}
}
