package account

import (
	"crypto/md5"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Hash is a stored password hash of any sort that can be checked.
type Hash struct {
	// Kind is how it was made: "argon2id", "argon2i", "bcrypt", "pbkdf2", "apr1" or "sha".
	Kind string

	fits func(password string) bool
	// cost is that of an argon2id hash, zero for the others.
	cost params
	// cheap says that a check takes no time to speak of.
	cheap bool
}

// errHash says nothing of the hash: it goes to the log.
var errHash = errors.New("stored password hash is damaged or of an unknown sort")

// The most that a stored hash may ask for: a damaged row must not stop the process.
const (
	mostMemory     = 1 << 20 // KiB
	mostTime       = 64
	mostWork       = 4 * mostMemory // memory times passes: some seconds, which anybody can cause who knows whose hash it is
	mostBcrypt     = 14
	mostIterations = 5_000_000
)

// maxBcrypt is where bcrypt stops reading. A longer password fits no such hash here: its end would not count.
const maxBcrypt = 72

// ParseHash reads a hash as crmgate and other programs write it: PHC strings of argon2id and argon2i; bcrypt; PBKDF2 as Django, passlib and
// LDAP servers have it; and the forms of htpasswd and LDAP, $apr1$, {SHA} and {SSHA} with their longer sisters.
func ParseHash(text string) (Hash, error) {
	for _, f := range hashForms() {
		if rest, ok := strings.CutPrefix(text, f.prefix); ok {
			return f.read(rest)
		}
	}
	return Hash{}, errHash
}

type hashForm struct {
	prefix string
	read   func(rest string) (Hash, error)
}

// hashForms tells hashes apart by how they begin; longer beginnings come first.
func hashForms() []hashForm {
	again := func(before string) func(string) (Hash, error) {
		return func(rest string) (Hash, error) {
			if strings.HasPrefix(rest, "{") || !strings.HasPrefix(before+rest, "$") {
				return Hash{}, errHash // one wrapping is enough
			}
			return ParseHash(before + rest)
		}
	}
	return []hashForm{
		{"$argon2id$", func(r string) (Hash, error) { return readArgon("argon2id", r) }},
		{"$argon2i$", func(r string) (Hash, error) { return readArgon("argon2i", r) }},
		{"argon2$", again("$")}, {"{ARGON2}", again("")}, {"{CRYPT}", again("")},
		{"bcrypt_sha256$", readDigestBcrypt}, {"bcrypt$", again("")},
		{"$2a$", func(r string) (Hash, error) { return readBcrypt("$2a$" + r) }},
		{"$2b$", func(r string) (Hash, error) { return readBcrypt("$2b$" + r) }},
		{"$2y$", func(r string) (Hash, error) { return readBcrypt("$2y$" + r) }},
		{"pbkdf2_sha1$", readDjango(sha1.New)}, {"pbkdf2_sha256$", readDjango(sha256.New)}, {"pbkdf2_sha512$", readDjango(sha512.New)},
		{"$pbkdf2$", readPBKDF2(sha1.New)}, {"$pbkdf2-sha256$", readPBKDF2(sha256.New)}, {"$pbkdf2-sha512$", readPBKDF2(sha512.New)},
		{"{PBKDF2}", readPBKDF2(sha1.New)}, {"{PBKDF2-SHA1}", readPBKDF2(sha1.New)},
		{"{PBKDF2-SHA256}", readPBKDF2(sha256.New)}, {"{PBKDF2-SHA512}", readPBKDF2(sha512.New)},
		{"$apr1$", func(r string) (Hash, error) { return readMD5Crypt("$apr1$", r) }},
		{"$1$", func(r string) (Hash, error) { return readMD5Crypt("$1$", r) }},
		{"{SHA}", readSHA(sha1.New, false)}, {"{SSHA}", readSHA(sha1.New, true)},
		{"{SHA256}", readSHA(sha256.New, false)}, {"{SSHA256}", readSHA(sha256.New, true)},
		{"{SHA512}", readSHA(sha512.New, false)}, {"{SSHA512}", readSHA(sha512.New, true)},
	}
}

// readArgon reads a PHC string, byte for byte as encode writes it.
func readArgon(kind, rest string) (Hash, error) {
	p, salt, want, err := decode(kind, rest)
	if err != nil {
		return Hash{}, err
	}
	derive := argon2.IDKey
	if kind == "argon2i" {
		derive = argon2.Key
	}
	h := Hash{Kind: kind, fits: func(password string) bool {
		return same(derive([]byte(password), salt, p.time, p.memory, p.threads, uint32(len(want))), want)
	}}
	if kind == "argon2id" && len(want) == hashKey {
		h.cost = p
	}
	return h, nil
}

func readBcrypt(text string) (Hash, error) {
	stored := []byte(text)
	cost, err := bcrypt.Cost(stored)
	if err != nil || cost > mostBcrypt || len(text) != 60 {
		return Hash{}, errHash
	}
	return Hash{Kind: "bcrypt", cheap: cost < 8, fits: func(password string) bool {
		return len(password) <= maxBcrypt && bcrypt.CompareHashAndPassword(stored, []byte(password)) == nil
	}}, nil
}

// readDigestBcrypt reads Django's bcrypt of a digest, which has no longest password.
func readDigestBcrypt(rest string) (Hash, error) {
	h, err := readBcrypt(rest)
	if err != nil {
		return Hash{}, err
	}
	inner := h.fits
	h.fits = func(password string) bool {
		digest := sha256.Sum256([]byte(password))
		return inner(hex.EncodeToString(digest[:]))
	}
	return h, nil
}

// readPBKDF2 reads iterations, salt and key as passlib writes them.
func readPBKDF2(function func() hash.Hash) func(string) (Hash, error) {
	return func(rest string) (Hash, error) {
		parts := strings.Split(rest, "$")
		if len(parts) != 3 {
			return Hash{}, errHash
		}
		salt, saltErr := adapted(parts[1])
		key, keyErr := adapted(parts[2])
		if saltErr != nil || keyErr != nil {
			return Hash{}, errHash
		}
		return newPBKDF2(function, parts[0], salt, key)
	}
}

// readDjango is readPBKDF2 with the salt as it is and ordinary base64.
func readDjango(function func() hash.Hash) func(string) (Hash, error) {
	return func(rest string) (Hash, error) {
		parts := strings.Split(rest, "$")
		if len(parts) != 3 {
			return Hash{}, errHash
		}
		key, err := base64.StdEncoding.Strict().DecodeString(parts[2])
		if err != nil {
			return Hash{}, errHash
		}
		return newPBKDF2(function, parts[0], []byte(parts[1]), key)
	}
}

func newPBKDF2(function func() hash.Hash, iterations string, salt, want []byte) (Hash, error) {
	n, err := strconv.Atoi(iterations)
	if err != nil || n < 1 || n > mostIterations || len(salt) == 0 || len(want) < 16 || len(want) > 64 {
		return Hash{}, errHash
	}
	return Hash{Kind: "pbkdf2", cheap: n < 10_000, fits: func(password string) bool {
		key, err := pbkdf2.Key(function, password, salt, n, len(want))
		return err == nil && same(key, want)
	}}, nil
}

// adapted decodes passlib's base64: a dot instead of the plus, and no padding.
func adapted(s string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.ReplaceAll(s, ".", "+"))
}

// readSHA reads a plain digest as LDAP servers and htpasswd have it; what follows the digest is the salt.
func readSHA(function func() hash.Hash, salted bool) func(string) (Hash, error) {
	return func(rest string) (Hash, error) {
		b, err := base64.StdEncoding.DecodeString(rest)
		size := function().Size()
		if err != nil || len(b) < size || (len(b) > size) != salted || len(b) > size+64 {
			return Hash{}, errHash
		}
		want, salt := b[:size], b[size:]
		return Hash{Kind: "sha", cheap: true, fits: func(password string) bool {
			d := function()
			d.Write([]byte(password))
			d.Write(salt)
			return same(d.Sum(nil), want)
		}}, nil
	}
}

// cryptAlphabet is the base64 of crypt(3).
const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// readMD5Crypt reads salt and digest of Apache's apr1 and of its ancestor, which differ in nothing but their name.
func readMD5Crypt(magic, rest string) (Hash, error) {
	salt, want, ok := strings.Cut(rest, "$")
	if !ok || salt == "" || len(salt) > 8 || len(want) != 22 || strings.Trim(want, cryptAlphabet) != "" {
		return Hash{}, errHash
	}
	return Hash{Kind: strings.Trim(magic, "$"), cheap: true, fits: func(password string) bool {
		return same([]byte(md5Crypt(magic, salt, password)), []byte(want))
	}}, nil
}

// md5Crypt is the digest of a password by Poul-Henning Kamp's algorithm.
func md5Crypt(magic, salt, password string) string {
	inner := md5.Sum([]byte(password + salt + password))
	b := []byte(password + magic + salt)
	for n := len(password); n > 0; n -= 16 {
		b = append(b, inner[:min(n, 16)]...)
	}
	for n := len(password); n > 0; n >>= 1 {
		if n&1 == 1 {
			b = append(b, 0)
		} else {
			b = append(b, password[0])
		}
	}
	digest := md5.Sum(b)
	for i := range 1000 {
		b = b[:0]
		odd := i&1 == 1
		if odd {
			b = append(b, password...)
		} else {
			b = append(b, digest[:]...)
		}
		if i%3 != 0 {
			b = append(b, salt...)
		}
		if i%7 != 0 {
			b = append(b, password...)
		}
		if odd {
			b = append(b, digest[:]...)
		} else {
			b = append(b, password...)
		}
		digest = md5.Sum(b)
	}
	var out strings.Builder
	write := func(v uint, n int) {
		for ; n > 0; n-- {
			out.WriteByte(cryptAlphabet[v&63])
			v >>= 6
		}
	}
	for i := range 5 {
		last := i + 12
		if i == 4 {
			last = 5
		}
		write(uint(digest[i])<<16|uint(digest[i+6])<<8|uint(digest[last]), 4)
	}
	write(uint(digest[11]), 2)
	return out.String()
}

func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
