package audit

import (
	"context"
	"time"
)

// Filter narrows a listing of events; its zero value is everything.
type Filter struct {
	AccountID string
	// Identifier is what was typed where nobody was recognised.
	Identifier string
	Kind       Kind
	// Kinds are those to return; none is every one.
	Kinds []Kind
	// Reference is the id that an error page showed.
	Reference string
	// Since and Until bound the time, Since included and Until not; zero is no bound.
	Since, Until time.Time
	// Limit is how many of the newest are returned; 0 is no limit.
	Limit int
}

// Reader lists recorded events. It is safe for concurrent use.
type Reader interface {
	// ListEvents returns the events that a filter lets through, newest first.
	ListEvents(ctx context.Context, f Filter) ([]Event, error)
}
