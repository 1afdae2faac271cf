package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
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

// The most that a stored hash may ask for: a damaged row must not stop the process.
const (
	mostMemory = 1 << 20 // KiB
	mostTime   = 64
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
	h.decoy = encode(p, salt, key)
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
	return encode(h.params, salt, key), nil
}

// check reports whether a canonical password fits a hash, and whether the hash was made at another cost than today's.
func (h *hasher) check(ctx context.Context, hash, password string) (ok, stale bool, err error) {
	p, salt, want, err := decode(hash)
	if err != nil {
		return false, false, err
	}
	got, err := h.key(ctx, password, salt, p, uint32(len(want)))
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, p != h.params || len(want) != hashKey, nil
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
func encode(p params, salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads, b64(salt), b64(key))
}

// errHash says nothing of the hash: it goes to the log.
var errHash = errors.New("stored password hash is damaged")

// decode reads a PHC string, byte for byte as encode writes it.
func decode(hash string) (p params, salt, key []byte, err error) {
	parts := strings.Split(hash, "$")
	if len(parts) != 6 {
		return params{}, nil, nil, errHash
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return params{}, nil, nil, errHash
	}
	if p.memory > mostMemory || p.time < 1 || p.time > mostTime || p.threads < 1 {
		return params{}, nil, nil, errHash
	}
	b64 := base64.RawStdEncoding.Strict()
	salt, saltErr := b64.DecodeString(parts[4])
	key, keyErr := b64.DecodeString(parts[5])
	if saltErr != nil || keyErr != nil || len(salt) < 8 || len(key) < 16 || len(key) > 64 || encode(p, salt, key) != hash {
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
