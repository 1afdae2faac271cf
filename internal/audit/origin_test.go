package audit_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crmgate/internal/audit"
)

func TestOrigin(t *testing.T) {
	type other struct{}
	o := audit.Origin{Address: "192.0.2.1", UserAgent: "test", Reference: "r1", Scheme: "https", Host: "crm.example.com", Trusted: true}
	ctx, cancel := context.WithCancel(context.WithValue(context.Background(), other{}, 7))
	ctx = context.WithValue(audit.WithOrigin(ctx, o), struct{ string }{"x"}, 8)

	if diff := cmp.Diff(o, audit.OriginOf(ctx)); diff != "" {
		t.Error(diff)
	}
	if ctx.Value(other{}) != 7 {
		t.Error("a value of the parent is hidden")
	}
	cancel()
	if ctx.Err() == nil {
		t.Error("cancelling the parent does not reach the child")
	}
	if diff := cmp.Diff(audit.Origin{}, audit.OriginOf(context.Background())); diff != "" {
		t.Error(diff)
	}
	got := audit.Event{Kind: audit.SignOut, UserAgent: "own"}.From(ctx)
	want := audit.Event{Kind: audit.SignOut, Address: "192.0.2.1", UserAgent: "own", Reference: "r1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
