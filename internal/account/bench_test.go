package account

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/throttle"
)

// Passwords that pass every rule.
const (
	goodPassword  = "lantern quince over the gravel"
	otherPassword = "seventeen violet ferries hum"
)

// bench is a Service on a store in memory, with everything around it to look at.
type bench struct {
	*Service
	store    *memory
	now      time.Time
	mu       sync.Mutex
	mails    []mail.Message
	events   []audit.Event
	ended    []string
	mailFail error
	endFail  error
	logged   bytes.Buffer
}

func (b *bench) Send(_ context.Context, m mail.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mailFail != nil {
		return b.mailFail
	}
	b.mails = append(b.mails, m)
	return nil
}

func (b *bench) Record(_ context.Context, e audit.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

func (b *bench) EndAccount(_ context.Context, id, _ string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.endFail != nil {
		return b.endFail
	}
	b.ended = append(b.ended, id)
	return nil
}

// Write takes the log.
func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logged.Write(p)
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{store: newMemory(), now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	b.Service = &Service{
		Config: Config{}.Default(), Store: b.store, Passwords: b.store, Tokens: b.store, Removed: b.store, Sessions: b, Mail: b, Audit: b,
		Realms: identity.NewRealms(
			provider{ID: "contoso", Name: "Contoso", Domains: []string{"contoso.test"}, Trust: identity.Trust{AllowSignUp: true},
				Password: identity.PasswordHelp{ResetURL: "https://reset.contoso.test/", Help: "Ring 1234."}},
			provider{ID: "fabrikam", Name: "Fabrikam", Domains: []string{"fabrikam.test"}},
			provider{ID: "linker", Name: "Linker", Trust: identity.Trust{AllowSignUp: true, LinkByEmail: true, OwnsDomains: []string{"Example.test"}}},
		),
		Lockout: &throttle.Lockout{Store: b.store, Config: throttle.Config{Failures: 3, Window: 10 * time.Minute, Duration: 15 * time.Minute}},
		BaseURL: "https://crm.example.test/_gate", Words: []string{"Example CRM", "Northwind"},
		Log: slog.New(slog.NewTextHandler(b, nil)),
		Now: func() time.Time { return b.now },
	}
	b.Lockout.Now = b.Service.Now
	b.hash = newHasherWith(params{memory: 8, time: 1, threads: 1})
	return b
}

// provider only describes itself.
type provider identity.Info

func (p provider) Info() identity.Info { return identity.Info(p) }

// work does what Run would do with what waits now.
func (b *bench) work(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// local adds a local account with goodPassword.
func (b *bench) local(t *testing.T, email string) *Account {
	t.Helper()
	a := b.add(t, Account{ID: "id-" + email, Owner: OwnerLocal, Email: email, State: Invited})
	l, _ := a.Local()
	hash, err := b.hash.make(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.store.SetPassword(t.Context(), l, hash, 0, b.now); err != nil {
		t.Fatal(err)
	}
	b.hash.spent.Store(0)
	return b.get(t, a.ID)
}

// add stores an account; with a link where a provider owns it.
func (b *bench) add(t *testing.T, a Account) *Account {
	t.Helper()
	if a.Groups == nil {
		a.Groups = []string{}
	}
	a.CreatedAt, a.UpdatedAt = b.now, b.now
	var link *Link
	if a.Owner != OwnerLocal {
		link = &Link{Provider: a.Owner, Issuer: "https://" + a.Owner + ".test", Subject: a.ID}
	}
	if err := b.store.CreateAccount(t.Context(), &a, link); err != nil {
		t.Fatal(err)
	}
	return &a
}

func (b *bench) get(t *testing.T, id string) *Account {
	t.Helper()
	a, err := b.store.GetAccount(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (b *bench) setState(t *testing.T, id string, state State) {
	t.Helper()
	if _, err := b.store.UpdateAccount(t.Context(), id, func(a *Account) error { a.State = state; return nil }); err != nil {
		t.Fatal(err)
	}
}

// reasons returns the events as "kind reason account-or-identifier actor", and forgets them.
func (b *bench) reasons() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, e := range b.events {
		out = append(out, strings.Join(strings.Fields(strings.Join([]string{string(e.Kind), e.Reason, e.AccountID, e.Identifier, e.Actor}, " ")), " "))
	}
	b.events = nil
	return out
}

// posted returns the mails as "template to", and forgets them.
func (b *bench) posted() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, m := range b.mails {
		out = append(out, m.Template+" "+m.To)
	}
	b.mails = nil
	return out
}

// logs returns what was logged.
func (b *bench) logs() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logged.String()
}

// secretIn returns the token at the end of a link.
func secretIn(t *testing.T, link string) string {
	t.Helper()
	i := strings.LastIndexByte(link, '/')
	if i < 0 {
		t.Fatalf("link %q", link)
	}
	return link[i+1:]
}

// from is a context of a request.
func from(t *testing.T) context.Context {
	return audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.7", UserAgent: "Firefox", Reference: "ref-1"})
}

func wantFault(t *testing.T, err error, kind fault.Kind) *fault.Error {
	t.Helper()
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != kind {
		t.Fatalf("error %v, want kind %s", err, kind)
	}
	if e.Sentence == "" || !strings.HasSuffix(e.Sentence, ".") {
		t.Errorf("sentence %q", e.Sentence)
	}
	return e
}
