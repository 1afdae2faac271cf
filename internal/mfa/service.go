package mfa

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/token"
)

const (
	// mostFactors bounds what one account may enrol.
	mostFactors = 20
	// mostName is the longest name of a factor, in characters.
	mostName = 40
)

// Service holds the rules about factors. Safe for concurrent use.
type Service struct {
	config  Config
	store   Store
	devices DeviceStore
	sealer  *token.Sealer
	audit   audit.Recorder
	log     *slog.Logger
	now     func() time.Time
	factors []Factor // in the order in which they are offered
}

// Deps is what New puts under a Service.
type Deps struct {
	Store   Store
	Devices DeviceStore
	Sealer  *token.Sealer
	// Audit takes what becomes of factors; nil forgets it.
	Audit audit.Recorder
	// Log takes what nobody waits for; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// New makes every factor that is allowed and can work.
func New(e Env, d Deps) (*Service, error) {
	s := &Service{config: e.Config, store: d.Store, devices: d.Devices, sealer: d.Sealer, audit: d.Audit, log: cmp.Or(d.Log, slog.Default()), now: d.Now}
	if s.now == nil {
		s.now = time.Now
	}
	if s.audit == nil {
		s.audit = audit.Discard
	}
	e.now = s.now
	for _, kind := range e.Config.Allowed {
		for _, entry := range catalogue() {
			if string(entry.kind) != kind {
				continue
			}
			f, err := entry.open(e)
			if err != nil {
				return nil, err
			}
			if f != nil {
				s.factors = append(s.factors, f)
			}
		}
	}
	return s, nil
}

// Config returns the section that the service was made with.
func (s *Service) Config() Config { return s.config }

// Off reports whether second factors are switched off.
func (s *Service) Off() bool { return s == nil || s.config.Policy == PolicyOff }

var (
	errNotEnrolled = fault.New(fault.Conflict, "You have not set this up.").WithReason("factor_not_enrolled")
	errUnknownKind = fault.New(fault.NotFound, "There is no such second step here.").WithReason("factor_unknown")
)

func (s *Service) factor(k Kind) (Factor, error) {
	for _, f := range s.factors {
		if f.Info().Kind == k {
			return f, nil
		}
	}
	return nil, errUnknownKind
}

// Info describes one kind; one that is not offered is fault.NotFound.
func (s *Service) Info(k Kind) (Info, error) {
	f, err := s.factor(k)
	if err != nil {
		return Info{}, err
	}
	return f.Info(), nil
}

// List returns an account's factors, oldest first, also those that are not allowed any more.
func (s *Service) List(ctx context.Context, accountID string) ([]Enrolment, error) {
	all, err := s.store.ListFactors(ctx, accountID)
	if err != nil {
		return nil, fmt.Errorf("list factors: %w", err)
	}
	return all, nil
}

// Has reports whether an account has a second factor that counts: not recovery codes alone, nor what is not allowed any more.
func (s *Service) Has(ctx context.Context, accountID string) (bool, error) {
	if s.Off() {
		return false, nil
	}
	all, err := s.List(ctx, accountID)
	return s.counts(all), err
}

// HasStrong is Has without what is weak: a code to the mailbox that also resets the password makes no short password good.
func (s *Service) HasStrong(ctx context.Context, accountID string) (bool, error) {
	if s.Off() {
		return false, nil
	}
	all, err := s.List(ctx, accountID)
	return s.counts(slices.DeleteFunc(all, func(e Enrolment) bool {
		f, err := s.factor(e.Kind)
		return err == nil && f.Info().Weak
	})), err
}

// counts reports whether a second factor is among some enrolments.
func (s *Service) counts(all []Enrolment) bool {
	return slices.ContainsFunc(all, func(e Enrolment) bool {
		f, err := s.factor(e.Kind)
		return err == nil && !f.Info().Backup
	})
}

// Choices are the ways in which one account can prove itself now.
type Choices struct {
	// Ways are what it has enrolled, each kind once: what was used last comes first, what only stands in comes last.
	Ways []Info
	// Enrolled is true where one of them is more than a stand-in.
	Enrolled bool
}

// Choices returns what an account can prove itself with. What is weak is left out where there is something better: whoever has taken over
// the mailbox can set a new password with it, and must not also pass the second step by it.
func (s *Service) Choices(ctx context.Context, accountID string) (Choices, error) {
	if s.Off() {
		return Choices{}, nil
	}
	all, err := s.List(ctx, accountID)
	if err != nil {
		return Choices{}, err
	}
	used := map[Kind]time.Time{}
	strong := false
	for _, e := range all {
		f, err := s.factor(e.Kind)
		if err != nil {
			continue
		}
		if last, ok := used[e.Kind]; !ok || e.UsedAt.After(last) {
			used[e.Kind] = e.UsedAt
		}
		strong = strong || !f.Info().Backup && !f.Info().Weak
	}
	c := Choices{Enrolled: s.counts(all)}
	for _, f := range s.factors {
		info := f.Info()
		if _, ok := used[info.Kind]; ok && !(info.Weak && strong) {
			c.Ways = append(c.Ways, info)
		}
	}
	slices.SortStableFunc(c.Ways, func(a, b Info) int {
		if a.Backup != b.Backup {
			return map[bool]int{true: 1, false: -1}[a.Backup]
		}
		return used[b.Kind].Compare(used[a.Kind])
	})
	return c, nil
}

// Offer returns what an account may enrol now.
func (s *Service) Offer(ctx context.Context, who Person) ([]Info, error) {
	if s.Off() {
		return nil, nil
	}
	all, err := s.List(ctx, who.ID)
	if err != nil {
		return nil, err
	}
	var out []Info
	for _, f := range s.factors {
		info := f.Info()
		has := slices.ContainsFunc(all, func(e Enrolment) bool { return e.Kind == info.Kind })
		if !info.Backup && !(info.Single && has) && !(info.Kind == Email && who.Email == "") {
			out = append(out, info)
		}
	}
	return out, nil
}

// kept opens an account's enrolments of one kind.
func (s *Service) kept(ctx context.Context, accountID string, k Kind) ([]Kept, error) {
	all, err := s.List(ctx, accountID)
	if err != nil {
		return nil, err
	}
	var out []Kept
	for _, e := range all {
		if e.Kind != k {
			continue
		}
		secret, err := s.open(e)
		if err != nil {
			return nil, err
		}
		out = append(out, Kept{ID: e.ID, Secret: secret})
	}
	return out, nil
}

// seal binds a secret to its account and kind: a row that is copied to another account opens nothing there.
func (s *Service) seal(accountID string, k Kind, secret []byte) string {
	return s.sealer.Seal("factor:"+string(k)+":"+accountID, secret)
}

func (s *Service) open(e Enrolment) ([]byte, error) {
	secret, err := s.sealer.Open("factor:"+string(e.Kind)+":"+e.AccountID, e.Secret)
	if err != nil {
		return nil, fmt.Errorf("open factor %s: %w", e.ID, err)
	}
	return secret, nil
}

// Begin begins a check of one kind, which may send something. The caller keeps what it returns on the server until Check.
func (s *Service) Begin(ctx context.Context, who Person, k Kind) ([]byte, error) {
	f, have, err := s.enrolled(ctx, who, k)
	if err != nil {
		return nil, err
	}
	return f.Begin(ctx, who, have)
}

// enrolled returns a factor and what the account has of it.
func (s *Service) enrolled(ctx context.Context, who Person, k Kind) (Factor, []Kept, error) {
	choices, err := s.Choices(ctx, who.ID)
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(choices.Ways, func(i Info) bool { return i.Kind == k }) {
		return nil, nil, errNotEnrolled
	}
	f, err := s.factor(k)
	if err != nil {
		return nil, nil, err
	}
	have, err := s.kept(ctx, who.ID, k)
	return f, have, err
}

// Check verifies an answer and uses up what may be used once. A wrong answer is ErrWrong, a passkey that has a double ErrCopied.
func (s *Service) Check(ctx context.Context, who Person, k Kind, state []byte, form url.Values) (Proof, error) {
	f, have, err := s.enrolled(ctx, who, k)
	if err != nil {
		return Proof{}, err
	}
	p, err := f.Check(ctx, who, have, state, form)
	if err != nil {
		return Proof{}, err
	}
	return p, s.use(ctx, who.ID, p)
}

// use notes the use of a factor, in one step with what the factor itself must change.
func (s *Service) use(ctx context.Context, accountID string, p Proof) error {
	_, err := s.store.UpdateFactor(ctx, accountID, p.EnrolmentID, func(e *Enrolment) error {
		e.UsedAt = s.now()
		if p.use == nil {
			return nil
		}
		secret, err := s.open(*e)
		if err != nil {
			return err
		}
		if secret, err = p.use(secret); err != nil {
			return err
		}
		e.Secret = s.seal(e.AccountID, e.Kind, secret)
		return nil
	})
	if fault.Is(err, fault.NotFound) {
		return ErrWrong // removed meanwhile
	}
	return err
}

// View returns what the page of a check shows; state is nil where the check has not begun.
func (s *Service) View(ctx context.Context, who Person, k Kind, state []byte) (any, error) {
	f, err := s.factor(k)
	if err != nil {
		return nil, err
	}
	have, err := s.kept(ctx, who.ID, k)
	if err != nil {
		return nil, err
	}
	return f.View(who, have, state)
}

func (s *Service) record(ctx context.Context, e audit.Event) {
	e.Time = s.now()
	s.audit.Record(ctx, e.From(ctx))
}

// marshal is json.Marshal of our own plain structs, which cannot fail.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
