package gateway

import (
	"slices"
	"sync"
	"sync/atomic"

	"crmgate/internal/proxy"
	"crmgate/internal/session"
)

// people keeps what each upstream is told about each session, ready to send. The zero value is empty and ready. It is a cache: what
// falls out is made again.
type people struct {
	shards [64]shard
}

// shard holds two generations. When the newer one is full the older one is dropped and it takes its place: whoever was not seen for a
// whole generation is forgotten, and nothing is ever searched for what to evict.
type shard struct {
	mu         sync.RWMutex
	young, old map[string]*person
}

// perGeneration bounds one generation of one shard: 64 shards hold at most 131072 sessions.
const perGeneration = 1024

type person struct {
	// session is the newest record that says the same as the one that identities were made from.
	session atomic.Pointer[session.Session]
	mu      sync.Mutex
	// identities are by index of the upstream.
	identities atomic.Pointer[[]*proxy.Identity]
}

// identity returns what the upstream of a route is told about a session, nil for none.
func (p *people) identity(s *session.Session, to *route) (*proxy.Identity, error) {
	if s == nil {
		return nil, nil
	}
	return p.of(s).identity(s, to)
}

// of returns the person of a session, a new one where the session says something else than it did. A record that was read again from the
// store is another pointer with the same words.
func (p *people) of(s *session.Session) *person {
	shard := &p.shards[shardOf(s.ID)]
	shard.mu.RLock()
	found := shard.young[s.ID]
	shard.mu.RUnlock()
	if found != nil {
		known := found.session.Load()
		if known == s {
			return found
		}
		if alike(known, s) {
			found.session.Store(s)
			return found
		}
	}
	return shard.add(s)
}

func (sh *shard) add(s *session.Session) *person {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for _, generation := range [...]map[string]*person{sh.young, sh.old} {
		if found := generation[s.ID]; found != nil && alike(found.session.Load(), s) {
			sh.keep(s.ID, found)
			return found
		}
	}
	fresh := &person{}
	fresh.session.Store(s)
	sh.keep(s.ID, fresh)
	return fresh
}

func (sh *shard) keep(id string, p *person) {
	if sh.young == nil || len(sh.young) >= perGeneration {
		sh.young, sh.old = make(map[string]*person), sh.young
	}
	sh.young[id] = p
}

func shardOf(id string) int {
	if id == "" {
		return 0
	}
	// Ids are random, so any of their characters spread them; two spread them over all shards.
	return (int(id[len(id)-1])*7 + int(id[len(id)/2])) % 64
}

func (p *person) identity(s *session.Session, to *route) (*proxy.Identity, error) {
	if ids := p.identities.Load(); ids != nil && to.index < len(*ids) && (*ids)[to.index] != nil {
		return (*ids)[to.index], nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []*proxy.Identity
	if known := p.identities.Load(); known != nil {
		ids = slices.Clone(*known)
	}
	for len(ids) <= to.index {
		ids = append(ids, nil)
	}
	if ids[to.index] == nil {
		id, err := to.upstream.Identify(personOf(s))
		if err != nil {
			return nil, err
		}
		ids[to.index] = id
		p.identities.Store(&ids)
	}
	return ids[to.index], nil
}

func personOf(s *session.Session) proxy.Person {
	return proxy.Person{ID: s.AccountID, Email: s.Email, Name: s.Name, Username: s.Username, Groups: s.Groups, Provider: s.Provider,
		Session: s.ID, AMR: s.AMR, AuthTime: s.AuthTime, Binding: s.Bound()}
}

// alike reports whether two records of a session tell the CRM the same.
func alike(a, b *session.Session) bool {
	return a.AccountID == b.AccountID && a.SecretDigest == b.SecretDigest && a.Email == b.Email && a.Name == b.Name && a.Username == b.Username && a.Provider == b.Provider &&
		a.AuthTime.Equal(b.AuthTime) && slices.Equal(a.Groups, b.Groups) && slices.Equal(a.AMR, b.AMR)
}
