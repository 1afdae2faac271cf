package main

import (
	"testing"
	"time"

	"crmgate/internal/session"
)

func TestSessionLinesLeaveOutWhatHasEnded(t *testing.T) {
	now := time.Now()
	lines := sessionLines([]*session.Session{
		{ID: "live", LastSeen: now, IdleTimeout: time.Hour, ExpiresAt: now.Add(time.Hour)},
		{ID: "idle too long", LastSeen: now.Add(-2 * time.Hour), IdleTimeout: time.Hour, ExpiresAt: now.Add(time.Hour)},
		{ID: "over", LastSeen: now, IdleTimeout: time.Hour, ExpiresAt: now.Add(-time.Minute)},
	}, now)
	if len(lines) != 1 || lines[0].ID != "live" {
		t.Errorf("%+v", lines)
	}
}
