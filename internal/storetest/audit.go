package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/token"
)

// AuditStore records events and lists them.
type AuditStore interface {
	audit.Recorder
	audit.Reader
	audit.Sweeper
}

// Audit is the contract of audit.Recorder and audit.Reader.
func Audit(t *testing.T, s AuditStore) {
	t.Run("filters", func(t *testing.T) { auditFilters(t, s) })
	t.Run("where it came from", func(t *testing.T) {
		id := token.NewID()
		ctx, cancel := context.WithCancel(audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.1", UserAgent: "curl", Reference: "ref-1"}))
		cancel() // a client that went away does not stop the record
		before := now()
		s.Record(ctx, audit.Event{Kind: audit.SignIn, AccountID: id})
		got, err := s.ListEvents(t.Context(), audit.Filter{AccountID: id})
		ok(t, err)
		if len(got) != 1 || got[0].Time.Before(before) || got[0].Time.After(now().Add(time.Second)) {
			t.Fatalf("events = %v, want one of now", got)
		}
		same(t, "event", audit.Event{Time: got[0].Time, Kind: audit.SignIn, AccountID: id, Address: "192.0.2.1", UserAgent: "curl", Reference: "ref-1"}, got[0])
	})
	t.Run("hostile text", func(t *testing.T) {
		id := token.NewID()
		s.Record(t.Context(), audit.Event{Kind: audit.SignInRefused, AccountID: id, Identifier: "nul\x00 \xff\n'; --" + strings.Repeat("ü", 100_000), UserAgent: "\x00"})
		got, err := s.ListEvents(t.Context(), audit.Filter{AccountID: id})
		ok(t, err)
		if len(got) != 1 || !strings.HasPrefix(got[0].Identifier, "nul") || len(got[0].Identifier) > 2000 {
			t.Errorf("%d events; want one, cut to a reasonable length", len(got))
		}
	})
	t.Run("old events are forgotten", func(t *testing.T) {
		id, at := token.NewID(), now().AddDate(-20, 0, 0)
		old, young := audit.Event{Time: at, Kind: audit.SignIn, AccountID: id}, audit.Event{Time: at.Add(time.Hour), Kind: audit.SignOut, AccountID: id}
		s.Record(t.Context(), old)
		s.Record(t.Context(), young)
		n, err := s.SweepEvents(t.Context(), young.Time)
		ok(t, err)
		got, err := s.ListEvents(t.Context(), audit.Filter{AccountID: id})
		ok(t, err)
		same(t, "events left", []audit.Event{young}, got)
		same(t, "events swept", 1, n)
	})
	t.Run("many at once", func(t *testing.T) {
		id := token.NewID()
		together(50, func(int) error {
			s.Record(t.Context(), audit.Event{Kind: audit.SignIn, AccountID: id})
			return nil
		})
		got, err := s.ListEvents(t.Context(), audit.Filter{AccountID: id})
		ok(t, err)
		same(t, "events", 50, len(got))
	})
}

func auditFilters(t *testing.T, s AuditStore) {
	id, at := token.NewID(), now()
	full := audit.Event{Time: at, Kind: audit.PasswordSet, AccountID: id, Identifier: "ann", Actor: "cli", Provider: "local", Reason: "reset",
		Address: "2001:db8::1", UserAgent: "Mozilla", Reference: "r1",
		Rule: "administration", Request: "GET /admin", Detail: "missing: the group crm-admins"}
	old := audit.Event{Time: at.Add(-time.Hour), Kind: audit.SignIn, AccountID: id}
	// Two in one millisecond: the later recorded is the newer.
	tie := audit.Event{Time: at, Kind: audit.SignIn, AccountID: id, Reason: "second"}
	for _, e := range []audit.Event{full, old, tie, {Time: at, Kind: audit.SignIn, AccountID: token.NewID()}} {
		s.Record(t.Context(), e)
	}
	tests := []struct {
		name   string
		filter audit.Filter
		want   []audit.Event
	}{
		{"account, newest first", audit.Filter{AccountID: id}, []audit.Event{tie, full, old}},
		{"kind", audit.Filter{AccountID: id, Kind: audit.SignIn}, []audit.Event{tie, old}},
		{"kinds", audit.Filter{AccountID: id, Kinds: []audit.Kind{audit.PasswordSet, audit.SignOut, "'; --"}}, []audit.Event{full}},
		{"one of two kinds, and the newest", audit.Filter{AccountID: id, Kinds: []audit.Kind{audit.PasswordSet, audit.SignIn}, Limit: 2}, []audit.Event{tie, full}},
		{"identifier", audit.Filter{AccountID: id, Identifier: "ann"}, []audit.Event{full}},
		{"since", audit.Filter{AccountID: id, Since: at}, []audit.Event{tie, full}},
		{"until", audit.Filter{AccountID: id, Until: at}, []audit.Event{old}},
		{"limit", audit.Filter{AccountID: id, Limit: 1}, []audit.Event{tie}},
		{"nobody", audit.Filter{AccountID: token.NewID()}, nil},
		{"hostile", audit.Filter{AccountID: id + "\x00"}, nil},
	}
	for _, tt := range tests {
		got, err := s.ListEvents(t.Context(), tt.filter)
		ok(t, err)
		same(t, tt.name, tt.want, got)
	}
	everything, err := s.ListEvents(t.Context(), audit.Filter{})
	ok(t, err)
	if len(everything) < 4 {
		t.Errorf("without a filter %d events are listed, want at least 4", len(everything))
	}
}
