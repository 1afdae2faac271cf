package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	gomail "github.com/wneessen/go-mail"

	"crmgate/internal/token"
)

// capacity bounds the mails that wait, those for another try included.
const capacity = 512

const (
	defaultGrace = 5 * time.Second
	// deliveryTimeout ends one try, name look-up and all.
	deliveryTimeout = 45 * time.Second
)

// defaultRetry covers a restart of the mail server and most greylisting, and ends well before a reset link does.
var defaultRetry = []time.Duration{2 * time.Second, 15 * time.Second, time.Minute, 5 * time.Minute}

// Sender renders messages and hands them to the SMTP server in the background. Safe for concurrent use.
type Sender struct {
	Config   Config
	Renderer Renderer
	// Grace is how long Run goes on after its context has ended; 0 is five seconds.
	Grace time.Duration
	// Retry are the waits before further tries of a mail that could not be handed over; nil is over some minutes.
	Retry []time.Duration
	// Log tells what became of each mail; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	once   sync.Once
	queue  chan *job
	mu     sync.Mutex
	held   int // mails that Send took and Run has not finished
	closed bool
}

// job is one mail on its way.
type job struct {
	msg          *gomail.Msg
	to, template string
	tries        int
	due          time.Time
}

// Send renders a message and queues it. It never blocks. A bad address, a template that fails, a full queue, mail that is off
// and a Run that has ended are errors.
func (s *Sender) Send(_ context.Context, m Message) error {
	if !s.Config.Enabled() {
		return errors.New("queue mail: no mail server is configured")
	}
	msg, err := s.compose(m)
	if err != nil {
		return fmt.Errorf("compose mail %s: %w", m.Template, err)
	}
	s.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("queue mail %s: the sender has stopped", m.Template)
	}
	if s.held >= capacity {
		return fmt.Errorf("queue mail %s: %d mails are waiting already", m.Template, s.held)
	}
	s.held++
	s.queue <- &job{msg: msg, to: m.To, template: m.Template} // has room: held counts all of it
	return nil
}

// Direct is a Sender that waits: Send hands the message over at once or says why not. The command line uses it, so that who invites
// somebody knows whether the mail went out.
type Direct struct{ *Sender }

// Send delivers a message in one try.
func (d Direct) Send(ctx context.Context, m Message) error {
	msg, err := d.compose(m)
	if err != nil {
		return fmt.Errorf("compose mail %s: %w", m.Template, err)
	}
	ctx, cancel := context.WithTimeout(ctx, deliveryTimeout)
	defer cancel()
	if err := d.deliver(ctx, msg); err != nil {
		return fmt.Errorf("deliver mail %s: %s", m.Template, describe(err))
	}
	return nil
}

// Run delivers queued messages until ctx ends, then tries once more what is left, for as long as Grace allows. It always
// returns nil: what was lost is in the log.
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

	var later []*job
	for {
		j, next := s.next(ctx, later)
		if j == nil {
			s.drain(work, next)
			return nil
		}
		later = next
		if s.try(work, j) {
			s.done()
			continue
		}
		later = append(later, j)
	}
}

// next waits for a mail to deliver, nil when ctx has ended, and returns those that are still to wait.
func (s *Sender) next(ctx context.Context, later []*job) (*job, []*job) {
	var due <-chan time.Time
	first := -1
	for i, j := range later {
		if first < 0 || j.due.Before(later[first].due) {
			first = i
		}
	}
	if first >= 0 {
		timer := time.NewTimer(time.Until(later[first].due))
		defer timer.Stop()
		due = timer.C
	}
	if ctx.Err() != nil {
		return nil, later
	}
	select {
	case <-ctx.Done():
		return nil, later
	case j := <-s.queue:
		return j, later
	case <-due:
		j := later[first]
		return j, slices.Delete(later, first, first+1)
	}
}

// drain tries every mail once more and closes the sender.
func (s *Sender) drain(work context.Context, later []*job) {
	last := func(j *job) {
		j.tries = len(s.retry())
		s.try(work, j)
		s.done()
	}
	for _, j := range later {
		last(j)
	}
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.closed = true
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		last(<-s.queue)
	}
}

// try delivers a mail and reports whether that was the end of it. Where it was not, the mail is due again later.
func (s *Sender) try(work context.Context, j *job) (finished bool) {
	log := s.log().With("template", j.template, "to", j.to, "message_id", j.msg.GetMessageID())
	ctx, cancel := context.WithTimeout(work, deliveryTimeout)
	defer cancel()
	err := s.deliver(ctx, j.msg)
	retry := s.retry()
	switch {
	case err == nil:
		log.Info("mail handed over")
		return true
	case permanent(err):
		log.Error("mail refused", "error", describe(err))
		return true
	case j.tries >= len(retry) || work.Err() != nil:
		log.Error("mail given up", "error", describe(err), "tries", j.tries+1)
		return true
	}
	wait := retry[j.tries]
	j.tries++
	j.due = time.Now().Add(wait)
	log.Warn("mail will be tried again", "error", describe(err), "in", wait)
	return false
}

// compose renders a message and checks all that can be wrong with it.
func (s *Sender) compose(m Message) (*gomail.Msg, error) {
	if err := CheckAddress(m.To); err != nil {
		return nil, err
	}
	from, err := s.Config.sender()
	if err != nil {
		return nil, fmt.Errorf("parse sender: %w", err)
	}
	subject, text, html, err := s.Renderer.RenderMail(m.Template, m.Data)
	if err != nil {
		return nil, err
	}
	if subject = oneLine(subject); subject == "" || text == "" {
		return nil, errors.New("the template has no subject or no text")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(from)
	if err := msg.To(m.To); err != nil {
		return nil, fmt.Errorf("set recipient: %w", err)
	}
	msg.Subject(subject)
	// Set here and not at delivery: a mail that is tried again stays the same mail, so a receiver that got it twice shows one.
	msg.SetMessageIDWithValue(token.NewID() + "@" + s.Config.domain())
	msg.SetDateWithValue(s.now())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	msg.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	msg.SetBodyString(gomail.TypeTextPlain, text)
	if html != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, html)
	}
	return msg, nil
}

func (s *Sender) open() { s.once.Do(func() { s.queue = make(chan *job, capacity) }) }

func (s *Sender) done() {
	s.mu.Lock()
	s.held--
	s.mu.Unlock()
}

func (s *Sender) retry() []time.Duration {
	if s.Retry != nil {
		return s.Retry
	}
	return defaultRetry
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
