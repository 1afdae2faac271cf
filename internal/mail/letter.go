package mail

import (
	"context"
	"time"
)

// Letter is a mail on its way.
type Letter struct {
	ID string `json:"id"`
	// To and Template are for whoever looks after the queue.
	To       string `json:"to"`
	Template string `json:"template"`
	// Content is the rendered mail, sealed: it may hold a link that opens an account. Listings leave it out.
	Content   string    `json:"-"`
	CreatedAt time.Time `json:"created_at"`
	// DueAt is when it is tried next; after ExpiresAt it is of no use and not sent any more.
	DueAt     time.Time `json:"due_at"`
	ExpiresAt time.Time `json:"expires_at"`
	// Tries is how often it was tried, Reason why the last try failed.
	Tries  int    `json:"tries"`
	Reason string `json:"reason,omitempty"`
	// DeadAt is when it was given up, zero for a mail that is waiting.
	DeadAt time.Time `json:"dead_at,omitzero"`
	// Claim names the caller that has it; empty for nobody.
	Claim string `json:"-"`
}

// Store keeps mails until they are sent. Implementations are safe for concurrent use by several processes, survive all of them, and
// keep to the millisecond.
type Store interface {
	// EnqueueMail stores a new mail.
	EnqueueMail(ctx context.Context, l Letter) error
	// ClaimMail returns the mail that has been due for longest and that nobody has, with Claim set and this try counted. Nobody else gets it
	// before lease: a caller that dies in between leaves it to the next. fault.NotFound where none is due at now.
	ClaimMail(ctx context.Context, now, lease time.Time) (Letter, error)
	// FinishMail removes a mail that was sent.
	FinishMail(ctx context.Context, l Letter) error
	// RetryMail gives a mail back for another try at l.DueAt, with l.Reason.
	RetryMail(ctx context.Context, l Letter) error
	// BuryMail gives a mail up: its content is gone, l.DeadAt and l.Reason are kept for SweepMails to remove.
	BuryMail(ctx context.Context, l Letter) error
	// ListMails returns the mails that wait and those that were given up, oldest first, without content.
	ListMails(ctx context.Context) ([]Letter, error)
	// SweepMails removes what was given up before a moment and returns how many.
	SweepMails(ctx context.Context, before time.Time) (int, error)
}

// Backlog is how a queue stands.
type Backlog struct {
	// Waiting mails are still to be sent, Dead ones were given up and not swept yet.
	Waiting, Dead int
	// Oldest is when the oldest waiting mail was made, zero without one.
	Oldest time.Time
}

// BacklogOf counts a listing.
func BacklogOf(all []Letter) Backlog {
	var b Backlog
	for _, l := range all {
		switch {
		case !l.DeadAt.IsZero():
			b.Dead++
			continue
		case b.Waiting == 0 || l.CreatedAt.Before(b.Oldest):
			b.Oldest = l.CreatedAt
		}
		b.Waiting++
	}
	return b
}
