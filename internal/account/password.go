package account

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"crmgate/internal/fault"
)

// The cost of one hash (OWASP Password Storage Cheat Sheet): 19 MiB, two passes, one lane.
const (
	hashMemory  = 19 * 1024 // KiB
	hashTime    = 2
	hashThreads = 1
	hashSalt    = 16
	hashKey     = 32
)

// maxPassword is the longest password in characters. Longer ones are refused and never cut: two passwords must not be one.
const maxPassword = 256

// maxPasswordBytes bounds what is normalised at all.
const maxPasswordBytes = 4096

// hashWait is how long a hash waits for its turn. A hundred guesses at once must get a hundred refusals also on a small machine,
// and not tell by an error how busy it is.
const hashWait = 30 * time.Second

// params are the cost of a hash.
type params struct {
	memory, time uint32
	threads      uint8
}

// hasher makes and checks argon2id hashes, a bounded number at once: each takes 19 MiB, and strangers decide how many are
// asked for.
type hasher struct {
	params
	slots chan struct{}
	// decoy is a hash that no password fits: what is compared where there is no password, at the price of one that is.
	decoy string
	spent atomic.Int64
}

func newHasher() *hasher {
	return newHasherWith(params{memory: hashMemory, time: hashTime, threads: hashThreads})
}

func newHasherWith(p params) *hasher {
	h := &hasher{params: p, slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0)))}
	salt, key := make([]byte, hashSalt), make([]byte, hashKey)
	rand.Read(salt)
	rand.Read(key) // a random key is the hash of nothing anybody could find
	h.decoy = encode("argon2id", p, salt, key)
	return h
}

// make hashes a canonical password.
func (h *hasher) make(ctx context.Context, password string) (string, error) {
	salt := make([]byte, hashSalt)
	rand.Read(salt)
	key, err := h.key(ctx, password, salt, h.params, hashKey)
	if err != nil {
		return "", err
	}
	return encode("argon2id", h.params, salt, key), nil
}

// check reports whether a canonical password fits a hash, and whether the hash is another than would be made today.
func (h *hasher) check(ctx context.Context, hash, password string) (ok, stale bool, err error) {
	stored, err := ParseHash(hash)
	if err != nil {
		return false, false, err
	}
	err = h.turn(ctx, func() {
		h.spent.Add(1)
		ok = stored.fits(password)
		if stored.cheap {
			// Or the quick answer would tell that this account exists and came from elsewhere.
			h.dummy(password)
		}
	})
	return ok && err == nil, stored.cost != h.params, err
}

// dummy is the work of one hash.
func (h *hasher) dummy(password string) {
	argon2.IDKey([]byte(password), make([]byte, hashSalt), h.time, h.memory, h.threads, hashKey)
}

func (h *hasher) key(ctx context.Context, password string, salt []byte, p params, size uint32) (key []byte, err error) {
	err = h.turn(ctx, func() {
		h.spent.Add(1)
		key = argon2.IDKey([]byte(password), salt, p.time, p.memory, p.threads, size)
	})
	return key, err
}

// turn does expensive work as soon as a slot is free.
func (h *hasher) turn(ctx context.Context, work func()) error {
	timer := time.NewTimer(hashWait)
	defer timer.Stop()
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("wait to hash password: %w", ctx.Err())
	case <-timer.C:
		return fault.New(fault.Unavailable, "Too many people are signing in right now. Please try again in a moment.").WithReason("hashing_busy")
	}
	defer func() { <-h.slots }()
	work()
	return nil
}

// encode writes a hash as a PHC string.
func encode(kind string, p params, salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", kind, argon2.Version, p.memory, p.time, p.threads, b64(salt), b64(key))
}

// decode reads a PHC string after its name, byte for byte as encode writes it.
func decode(kind, rest string) (p params, salt, key []byte, err error) {
	parts := strings.Split(rest, "$")
	if len(parts) != 4 {
		return params{}, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[1], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return params{}, nil, nil, errHash
	}
	if p.memory > mostMemory || p.time < 1 || p.time > mostTime || uint64(p.memory)*uint64(p.time) > mostWork || p.threads < 1 {
		return params{}, nil, nil, errHash
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, saltErr := b64.DecodeString(parts[2])
	key, keyErr := b64.DecodeString(parts[3])
	if saltErr != nil || keyErr != nil || len(salt) < 8 || len(key) < 16 || len(key) > 64 || encode(kind, p, salt, key) != "$"+kind+"$"+rest {
		return params{}, nil, nil, errHash
	}
	return p, salt, key, nil
}

// canonical returns the form of a password that is hashed: NFC, so that one password typed on two keyboards is one password;
// spaces and case as typed. It is false for what cannot be a password.
func canonical(password string) (string, bool) {
	if len(password) > maxPasswordBytes || !utf8.ValidString(password) {
		return "", false
	}
	password = norm.NFC.String(password)
	return password, password != "" && utf8.RuneCountInString(password) <= maxPassword
}
