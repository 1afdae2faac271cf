package sqlstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/token"
)

// recordTimeout bounds what a security event may cost the request that causes it.
const recordTimeout = 3 * time.Second

// maxField is how much is kept of what a stranger may send in any length, in bytes.
const maxField = 512

const eventColumns = "at, kind, account_id, identifier, actor, provider, reason, address, user_agent, reference, rule, request, detail"

func scanEvent(r row) (audit.Event, error) {
	var e audit.Event
	var when int64
	err := r.Scan(&when, &e.Kind, &e.AccountID, &e.Identifier, &e.Actor, &e.Provider, &e.Reason, &e.Address, &e.UserAgent, &e.Reference,
		&e.Rule, &e.Request, &e.Detail)
	e.Time = at(when)
	return e, err
}

// Record implements audit.Recorder: it stores the event and logs it. One that cannot be stored is logged as an error, in
// full: then the log is the only place that has it. A client that goes away does not stop it.
func (d *DB) Record(ctx context.Context, e audit.Event) {
	e = e.From(ctx)
	if e.Time.IsZero() {
		e.Time = d.now()
	}
	e.Identifier, e.UserAgent, e.Reference = clip(e.Identifier, maxField), clip(e.UserAgent, maxField), clip(e.Reference, maxField)
	e.Actor, e.Provider, e.Reason, e.Address = clip(e.Actor, maxField), clip(e.Provider, maxField), clip(e.Reason, maxField), clip(e.Address, maxField)
	e.Rule, e.Request, e.Detail = clip(e.Rule, maxField), clip(e.Request, maxField), clip(e.Detail, 2*maxField)
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	_, err := write(bounded, d, step{verb: "record security event"}, func(ctx context.Context, q queryer) (struct{}, error) {
		return struct{}{}, exec(ctx, q, "INSERT INTO events (id, seq, "+eventColumns+") VALUES ("+values(15)+")", token.NewID(), d.nextSeq(),
			ms(e.Time), e.Kind, e.AccountID, e.Identifier, e.Actor, e.Provider, e.Reason, e.Address, e.UserAgent, e.Reference,
			e.Rule, e.Request, e.Detail)
	})
	attrs := eventAttrs(e)
	if err != nil {
		d.log().LogAttrs(ctx, slog.LevelError, "security event could not be stored", append(attrs, slog.Any("error", err))...)
		return
	}
	d.afterwards(ctx, "security event", attrs)
}

// eventAttrs are an event's fields that hold something.
func eventAttrs(e audit.Event) []slog.Attr {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind)), slog.Time("at", e.Time)}
	for _, f := range []struct{ name, value string }{
		{"account_id", e.AccountID}, {"identifier", e.Identifier}, {"actor", e.Actor}, {"provider", e.Provider}, {"reason", e.Reason},
		{"address", e.Address}, {"user_agent", e.UserAgent}, {"reference", e.Reference},
		{"rule", e.Rule}, {"request", e.Request}, {"detail", e.Detail},
	} {
		if f.value != "" {
			attrs = append(attrs, slog.String(f.name, f.value))
		}
	}
	return attrs
}

// nextSeq returns a number that grows with every event of this process and roughly with time between processes.
func (d *DB) nextSeq() int64 {
	for {
		last := d.lastSeq.Load()
		next := max(last+1, time.Now().UnixNano())
		if d.lastSeq.CompareAndSwap(last, next) {
			return next
		}
	}
}

// in lets through the rows whose column is one of some kinds.
func (w *where) in(column string, kinds []audit.Kind) {
	var places []string
	for _, k := range kinds {
		w.args = append(w.args, string(k))
		places = append(places, fmt.Sprintf("$%d", len(w.args)))
	}
	w.conditions = append(w.conditions, column+" IN ("+strings.Join(places, ", ")+")")
}

// ListEvents implements audit.Reader.
func (d *DB) ListEvents(ctx context.Context, f audit.Filter) ([]audit.Event, error) {
	var w where
	w.equal("account_id", f.AccountID)
	w.equal("identifier", f.Identifier)
	w.equal("kind", string(f.Kind))
	w.equal("reference", f.Reference)
	if len(f.Kinds) > 0 {
		w.in("kind", f.Kinds)
	}
	if !f.Since.IsZero() {
		w.add("at >= ", ms(f.Since))
	}
	if !f.Until.IsZero() {
		w.add("at < ", ms(f.Until))
	}
	if w.impossible {
		return nil, nil
	}
	query := "SELECT " + eventColumns + " FROM events" + w.String() + " ORDER BY at DESC, seq DESC"
	if f.Limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	return read(ctx, d, step{verb: "list events"}, func(ctx context.Context, q queryer) ([]audit.Event, error) {
		return all(ctx, q, scanEvent, query, w.args...)
	})
}
