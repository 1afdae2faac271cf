package account

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/identity"
	"crmgate/internal/mail"
	"crmgate/internal/throttle"
)

// Sessions ends sessions; session.Manager is one.
type Sessions interface {
	// EndAccount ends an account's sessions but for one id, which may be "".
	EndAccount(ctx context.Context, accountID, except string) error
}

// Mailer queues mails; mail.Sender is one.
type Mailer interface {
	// Send queues a message and does not wait for the mail server.
	Send(ctx context.Context, m mail.Message) error
}

// Service holds the rules about accounts. Safe for concurrent use; must not be copied after first use.
type Service struct {
	Config    Config
	Store     Store
	Passwords PasswordStore
	Tokens    TokenStore
	Removed   RemovedStore
	// NoticeLinks and Places keep what people are told about sign-ins; nil tells nothing and keeps no links.
	NoticeLinks NoticeStore
	Places      PlaceStore
	// Notices says of what people are told.
	Notices NoticeConfig
	// SupportEmail is told when somebody says that they were not themselves; empty is nobody.
	SupportEmail string
	Realms       *identity.Realms
	Sessions     Sessions
	Lockout      *throttle.Lockout
	// Mail is nil where no mail server is configured: then links are only printed by the command line.
	Mail  Mailer
	Audit audit.Recorder
	// BaseURL is public_url plus path_prefix, the only source of links.
	BaseURL string
	// HasFactor reports whether an account signs in with a second factor beside its password, which may then be shorter; nil is nobody.
	HasFactor func(ctx context.Context, accountID string) (bool, error)
	// HTTP asks the range API of breached passwords; nil is a client with a short patience.
	HTTP *http.Client
	// Words are refused as passwords beside the built-in list: the product's and the organisation's names.
	Words []string
	// Log takes what nobody waits for; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	once  sync.Once
	hash  *hasher
	tasks chan task
}

// backlog bounds the tasks that wait for Run. What comes beyond is dropped: somebody floods the reset page, and whoever did not
// get a mail asks again.
const backlog = 256

// taskTimeout ends one task, so that a store that hangs holds up only what waits.
const taskTimeout = 10 * time.Second

// task is work that must not be seen in the answer to the request that caused it.
type task struct {
	ctx  context.Context // carries the request's origin, not its end
	what string
	do   func(context.Context)
}

// Run does the background work of RequestReset and CheckPassword until ctx ends, then what is left of it.
func (s *Service) Run(ctx context.Context) error {
	s.open()
	for {
		select {
		case t := <-s.tasks:
			t.run()
			continue
		case <-ctx.Done():
		}
		for {
			select {
			case t := <-s.tasks:
				t.run()
			default:
				return nil
			}
		}
	}
}

func (t task) run() {
	ctx, cancel := context.WithTimeout(t.ctx, taskTimeout)
	defer cancel()
	t.do(ctx)
}

// later hands work to Run. It takes the same time whatever the work is and never waits.
func (s *Service) later(ctx context.Context, what string, do func(context.Context)) {
	s.open()
	select {
	case s.tasks <- task{ctx: context.WithoutCancel(ctx), what: what, do: do}:
	default:
		s.log().WarnContext(ctx, "background work dropped", "work", what, "reference", audit.OriginOf(ctx).Reference)
	}
}

func (s *Service) open() {
	s.once.Do(func() {
		s.tasks = make(chan task, backlog)
		if s.hash == nil {
			s.hash = newHasher()
		}
	})
}

// record fills in what every event has.
func (s *Service) record(ctx context.Context, e audit.Event) {
	e.Time = s.now()
	s.Audit.Record(ctx, e.From(ctx))
}

// url returns an address below the gateway's prefix.
func (s *Service) url(path string) string { return strings.TrimRight(s.BaseURL, "/") + path }

// providerInfo returns what is known of the provider that owns a, and false for a local account and for a provider that is no longer
// configured.
func (s *Service) providerInfo(a *Account) (identity.Info, bool) {
	p, ok := s.Realms.Get(a.Owner)
	if !ok || a.Owner == OwnerLocal {
		return identity.Info{}, false
	}
	return p.Info(), true
}

func (s *Service) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.Default()
}

func (s *Service) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
