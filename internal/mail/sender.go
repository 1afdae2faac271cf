package mail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

const (
	defaultGrace = 5 * time.Second
	// deliveryTimeout ends one try, name look-up and all.
	deliveryTimeout = 45 * time.Second
	// lease is how long a mail is kept from others while it is tried.
	lease = 2 * deliveryTimeout
	// defaultLifetime is how long a mail is tried that says nothing about it.
	defaultLifetime = 72 * time.Hour
	// poll is how often the store is asked for mails that other processes queued, or that are due again.
	poll = 2 * time.Second
	// keepDead is how long a mail that was given up can be seen by whoever looks after the queue.
	keepDead = 7 * 24 * time.Hour
)

// sealing is the purpose that mails are sealed for.
const sealing = "mail"

// defaultRetry are the first waits: over a restart of the mail server and most greylisting. Then a mail is tried every slowRetry.
var defaultRetry = []time.Duration{2 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}

const slowRetry = 10 * time.Minute

// Sender renders messages, queues them, and hands them to the SMTP server in the background. Safe for concurrent use.
type Sender struct {
	Config   Config
	Renderer Renderer
	// Store keeps the queue; nil keeps it in memory, where it ends with the process.
	Store Store
	// Sealer seals what is stored; nil stores it as it is.
	Sealer *token.Sealer
	// Grace is how long Run goes on after its context has ended; 0 is five seconds.
	Grace time.Duration
	// Retry are the waits before further tries of a mail that could not be handed over, after which it is given up; nil is some quick
	// ones and then every ten minutes until it expires.
	Retry []time.Duration
	// Log tells what became of each mail; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	once  sync.Once
	store Store
	wake  chan struct{}
}

// rendered is a mail as it is stored.
type rendered struct {
	To      string    `json:"to"`
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html,omitempty"`
	ID      string    `json:"id"`
	Date    time.Time `json:"date"`
}

// Send renders a message and queues it; it does not wait for the mail server. A bad address, a template that fails, a store that does
// not answer and mail that is off are errors.
func (s *Sender) Send(ctx context.Context, m Message) error {
	if !s.Config.Enabled() {
		return errors.New("queue mail: no mail server is configured")
	}
	r, err := s.render(m)
	if err != nil {
		return fmt.Errorf("compose mail %s: %w", m.Template, err)
	}
	return s.enqueue(ctx, m, r, 0)
}

func (s *Sender) enqueue(ctx context.Context, m Message, r rendered, wait time.Duration) error {
	s.open()
	content, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("queue mail %s: %w", m.Template, err)
	}
	now := s.now()
	l := Letter{ID: token.NewID(), To: m.To, Template: m.Template, Content: string(content), CreatedAt: now, DueAt: now.Add(wait), ExpiresAt: m.Expires}
	if s.Sealer != nil {
		l.Content = s.Sealer.Seal(sealing, content)
	}
	if l.ExpiresAt.IsZero() {
		l.ExpiresAt = now.Add(defaultLifetime)
	}
	if err := s.store.EnqueueMail(ctx, l); err != nil {
		return fmt.Errorf("queue mail %s: %w", m.Template, err)
	}
	select {
	case s.wake <- struct{}{}:
	default: // Run is awake
	}
	return nil
}

// Direct is a Sender that waits: Send hands the message over at once or says why not. The command line uses it, so that who invites
// somebody knows whether the mail went out.
type Direct struct{ *Sender }

// Send delivers a message in one try. Where the server cannot be had just now and the queue survives this process, the mail waits there for a
// gateway that is running.
func (d Direct) Send(ctx context.Context, m Message) error {
	r, err := d.render(m)
	if err != nil {
		return fmt.Errorf("compose mail %s: %w", m.Template, err)
	}
	msg, err := d.compose(r)
	if err != nil {
		return fmt.Errorf("compose mail %s: %w", m.Template, err)
	}
	limited, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	err = d.deliver(limited, msg)
	switch {
	case err == nil:
		return nil
	case d.Store == nil || permanent(err):
		return fmt.Errorf("deliver mail %s: %s", m.Template, describe(err))
	}
	d.log().Warn("the mail server took no mail just now; it waits until a running gateway sends it", "template", m.Template, "error", describe(err))
	return d.enqueue(ctx, m, r, defaultRetry[0])
}

// Run delivers queued messages until ctx ends, and what is due then for as long as Grace allows. It always returns nil: what became of
// each mail is in the log.
func (s *Sender) Run(ctx context.Context) error {
	s.open()
	// A delivery under way when ctx ends goes on, but no longer than the grace.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		grace := s.Grace
		if grace == 0 {
			grace = defaultGrace
		}
		time.AfterFunc(grace, stop)
	})()

	swept := time.Time{}
	for ctx.Err() == nil {
		if s.step(work, false) {
			continue
		}
		if now := s.now(); now.Sub(swept) > time.Hour {
			s.sweep(work, now)
			swept = now
		}
		wait := poll
		if m, ok := s.store.(*memory); ok {
			wait = m.next(s.now(), poll)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	s.drain(work)
	return nil
}

// drain sends what is due. What waits in memory gets its last try; what waits in a store has time.
func (s *Sender) drain(work context.Context) {
	m, inMemory := s.store.(*memory)
	for {
		if inMemory {
			m.last()
		}
		for s.step(work, inMemory) && (inMemory || work.Err() == nil) {
			continue // until nothing is due
		}
		if !inMemory || m.close() {
			return
		}
	}
}

// step tries the next mail that is due, and reports whether there was one.
func (s *Sender) step(work context.Context, last bool) bool {
	now := s.now()
	l, err := s.store.ClaimMail(context.WithoutCancel(work), now, now.Add(lease))
	if err != nil {
		if !fault.Is(err, fault.NotFound) {
			s.log().Warn("mail queue not read", "error", err)
		}
		return false
	}
	s.try(work, l, last)
	return true
}

// try delivers a mail and settles what becomes of it.
func (s *Sender) try(work context.Context, l Letter, last bool) {
	log := s.log().With("template", l.Template, "to", l.To)
	if !s.now().Before(l.ExpiresAt) {
		log.Error("mail given up", "error", "it has expired", "tries", l.Tries-1)
		s.settle(work, l, "expired")
		return
	}
	r, err := s.unseal(l)
	var msg *gomail.Msg
	if err == nil {
		msg, err = s.compose(r)
	}
	if err != nil {
		log.Error("mail given up", "error", describe(err))
		s.settle(work, l, "unreadable")
		return
	}
	log = log.With("message_id", r.ID)
	ctx, cancel := context.WithTimeout(work, deliveryTimeout)
	defer cancel()
	err = s.deliver(ctx, msg)
	wait, again := s.wait(l.Tries)
	switch {
	case err == nil:
		log.Info("mail handed over")
		s.settle(work, l, "")
	case permanent(err):
		log.Error("mail refused", "error", describe(err))
		s.settle(work, l, describe(err))
	case last || !again:
		log.Error("mail given up", "error", describe(err), "tries", l.Tries)
		s.settle(work, l, describe(err))
	default:
		l.DueAt, l.Reason = s.now().Add(wait), describe(err)
		log.Warn("mail will be tried again", "error", l.Reason, "in", wait)
		if err := s.store.RetryMail(context.WithoutCancel(work), l); err != nil {
			log.Error("mail queue not written", "error", err)
		}
	}
}

// settle ends a mail: sent, or given up for a reason. Where the store does not take it, the mail comes again after its lease.
func (s *Sender) settle(work context.Context, l Letter, reason string) {
	var err error
	if l.Reason = reason; reason == "" {
		err = s.store.FinishMail(context.WithoutCancel(work), l)
	} else {
		l.DeadAt = s.now()
		err = s.store.BuryMail(context.WithoutCancel(work), l)
	}
	if err != nil {
		s.log().Error("mail queue not written", "template", l.Template, "to", l.To, "error", err)
	}
}

// wait is how long until the next try after so many, false for none.
func (s *Sender) wait(tries int) (time.Duration, bool) {
	waits := s.Retry
	if waits == nil {
		waits = defaultRetry
	}
	if tries <= len(waits) {
		return waits[tries-1], true
	}
	return slowRetry, s.Retry == nil
}

func (s *Sender) sweep(work context.Context, now time.Time) {
	if _, err := s.store.SweepMails(context.WithoutCancel(work), now.Add(-keepDead)); err != nil {
		s.log().Warn("mail queue not swept", "error", err)
	}
}

// unseal reads what enqueue stored.
func (s *Sender) unseal(l Letter) (r rendered, err error) {
	content := []byte(l.Content)
	if s.Sealer != nil {
		if content, err = s.Sealer.Open(sealing, l.Content); err != nil {
			return r, err
		}
	}
	return r, json.Unmarshal(content, &r)
}

// render makes the mail and checks all that can be wrong with it.
func (s *Sender) render(m Message) (rendered, error) {
	if err := CheckAddress(m.To); err != nil {
		return rendered{}, err
	}
	if _, err := s.Config.sender(); err != nil {
		return rendered{}, fmt.Errorf("parse sender: %w", err)
	}
	subject, text, html, err := s.Renderer.RenderMail(m.Template, m.Data)
	if err != nil {
		return rendered{}, err
	}
	if subject = oneLine(subject); subject == "" || text == "" {
		return rendered{}, errors.New("the template has no subject or no text")
	}
	// The id is set here and not at delivery: a mail that is tried again stays the same mail, so a receiver that got it twice shows one.
	return rendered{To: m.To, Subject: subject, Text: text, HTML: html, ID: token.NewID() + "@" + s.Config.domain(), Date: s.now()}, nil
}

// compose makes the message that is handed over.
func (s *Sender) compose(r rendered) (*gomail.Msg, error) {
	from, err := s.Config.sender()
	if err != nil {
		return nil, fmt.Errorf("parse sender: %w", err)
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(from)
	if err := msg.To(r.To); err != nil {
		return nil, fmt.Errorf("set recipient: %w", err)
	}
	msg.Subject(r.Subject)
	msg.SetMessageIDWithValue(r.ID)
	msg.SetDateWithValue(r.Date)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	msg.SetBodyString(gomail.TypeTextPlain, r.Text)
	if r.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, r.HTML)
	}
	return msg, nil
}

func (s *Sender) open() {
	s.once.Do(func() {
		s.wake = make(chan struct{}, 1)
		if s.store = s.Store; s.store == nil {
			s.store = &memory{}
		}
	})
}

func (s *Sender) log() *slog.Logger {
	if s.Log != nil {
		return s.Log
	}
	return slog.Default()
}

func (s *Sender) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}
