package gateway

import (
	"fmt"
	"testing"

	"crmgate/internal/session"
)

func TestPeopleAreBounded(t *testing.T) {
	var p people
	first := p.of(&session.Session{ID: "00000000000000000000000000000000"})
	for i := range 200_000 {
		p.of(&session.Session{ID: fmt.Sprintf("%032x", i)})
	}
	n := 0
	for i := range p.shards {
		n += len(p.shards[i].young) + len(p.shards[i].old)
	}
	if limit := 2 * perGeneration * len(p.shards); n > limit {
		t.Errorf("%d people are kept, want at most %d", n, limit)
	}
	if p.of(&session.Session{ID: "00000000000000000000000000000000"}) == first {
		t.Error("nobody was forgotten")
	}
}

func TestPeopleSurviveOneGeneration(t *testing.T) {
	var p people
	s := &session.Session{ID: "00000000000000000000000000000000"}
	first := p.of(s)
	sh := &p.shards[shardOf(s.ID)]
	sh.old, sh.young = sh.young, map[string]*person{}
	if p.of(s) != first || sh.young[s.ID] != first {
		t.Error("somebody who came back is made anew")
	}
	if p.of(&session.Session{ID: s.ID, Email: "changed"}) == first {
		t.Error("what is said about a session changed, and the old words are used")
	}
}

func TestShardsAreUsedEvenly(t *testing.T) {
	var n [64]int
	for i := range 64_000 {
		n[shardOf(fmt.Sprintf("%032x", uint64(i)*0x9e3779b97f4a7c15))]++
	}
	empty := 0
	for _, c := range n {
		if c == 0 {
			empty++
		}
	}
	if empty > 16 {
		t.Errorf("%d of 64 shards are never used", empty)
	}
}
