package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"crmgate/internal/mail"
	"crmgate/internal/token"
)

// maxReason bounds what a mail server says, in bytes.
const maxReason = 500

const noMail = "No mail is due."

// EnqueueMail implements mail.Store.
func (d *DB) EnqueueMail(ctx context.Context, l mail.Letter) error {
	_, err := write(ctx, d, step{verb: "queue mail"}, func(ctx context.Context, q queryer) (struct{}, error) {
		return struct{}{}, exec(ctx, q, `INSERT INTO mails (id, recipient, template, content, created_at, due_at, expires_at, tries, claim,
			leased_until, dead_at, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '', 0, 0, '')`,
			l.ID, text(l.To), l.Template, l.Content, ms(l.CreatedAt), ms(l.DueAt), ms(l.ExpiresAt))
	})
	return err
}

const mailColumns = "id, recipient, template, created_at, due_at, expires_at, tries, reason, dead_at"

func scanMail(r row, more ...any) (l mail.Letter, err error) {
	var created, due, expires, dead int64
	err = r.Scan(append([]any{&l.ID, &l.To, &l.Template, &created, &due, &expires, &l.Tries, &l.Reason, &dead}, more...)...)
	l.CreatedAt, l.DueAt, l.ExpiresAt, l.DeadAt = at(created), at(due), at(expires), at(dead)
	return l, err
}

// ClaimMail implements mail.Store. Two processes may find the same mail; the conditions stand in the UPDATE itself, so the one that
// comes second finds them broken, and looks for another mail.
func (d *DB) ClaimMail(ctx context.Context, now, lease time.Time) (mail.Letter, error) {
	const free = "dead_at = 0 AND due_at <= $1 AND leased_until <= $1"
	// Asked without a lock first: mostly there is nothing, and the question comes every other second.
	due, err := read(ctx, d, step{verb: "look for mail"}, func(ctx context.Context, q queryer) ([]string, error) {
		return all(ctx, q, scanString, "SELECT id FROM mails WHERE "+free+" ORDER BY due_at, id LIMIT 20", ms(now))
	})
	if err != nil {
		return mail.Letter{}, err
	}
	return write(ctx, d, step{"claim mail", noMail}, func(ctx context.Context, q queryer) (mail.Letter, error) {
		for _, id := range due {
			var content string
			claim := token.NewID()
			l, err := scanMail(q.QueryRowContext(ctx, "UPDATE mails SET claim = $2, leased_until = $3, tries = tries + 1 WHERE id = $4 AND "+free+
				" RETURNING "+mailColumns+", content", ms(now), claim, ms(lease), id), &content)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			l.Content, l.Claim = content, claim
			return l, err
		}
		return mail.Letter{}, sql.ErrNoRows
	})
}

// FinishMail implements mail.Store.
func (d *DB) FinishMail(ctx context.Context, l mail.Letter) error {
	return d.settleMail(ctx, "finish mail", "DELETE FROM mails WHERE id = $1 AND claim = $2", l.ID, l.Claim)
}

// RetryMail implements mail.Store.
func (d *DB) RetryMail(ctx context.Context, l mail.Letter) error {
	return d.settleMail(ctx, "give mail back", "UPDATE mails SET claim = '', leased_until = 0, due_at = $3, reason = $4 WHERE id = $1 AND claim = $2",
		l.ID, l.Claim, ms(l.DueAt), clip(l.Reason, maxReason))
}

// BuryMail implements mail.Store.
func (d *DB) BuryMail(ctx context.Context, l mail.Letter) error {
	return d.settleMail(ctx, "give mail up", "UPDATE mails SET claim = '', content = '', dead_at = $3, reason = $4 WHERE id = $1 AND claim = $2",
		l.ID, l.Claim, ms(l.DeadAt), clip(l.Reason, maxReason))
}

// settleMail changes a mail that the caller still has; one whose lease has run out is another's business by now.
func (d *DB) settleMail(ctx context.Context, verb, statement string, args ...any) error {
	_, err := write(ctx, d, step{verb: verb}, func(ctx context.Context, q queryer) (struct{}, error) {
		return struct{}{}, exec(ctx, q, statement, args...)
	})
	return err
}

// ListMails implements mail.Store.
func (d *DB) ListMails(ctx context.Context) ([]mail.Letter, error) {
	return read(ctx, d, step{verb: "list mails"}, func(ctx context.Context, q queryer) ([]mail.Letter, error) {
		scan := func(r row) (mail.Letter, error) { return scanMail(r) }
		return all(ctx, q, scan, "SELECT "+mailColumns+" FROM mails ORDER BY created_at, id LIMIT 10000")
	})
}

// SweepMails implements mail.Store.
func (d *DB) SweepMails(ctx context.Context, before time.Time) (int, error) {
	return d.sweep(ctx, step{verb: "sweep mails"}, "DELETE FROM mails WHERE dead_at > 0 AND dead_at < $1", before)
}
