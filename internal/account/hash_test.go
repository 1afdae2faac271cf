package account

import (
	"errors"
	"strings"
	"testing"

	"crmgate/internal/identity"
)

// Hashes of goodPassword that other programs made: Python's hashlib for PBKDF2 and the digests, OpenSSL for apr1, libxcrypt for bcrypt.
func foreignHashes() map[string]string {
	return map[string]string{
		"Django PBKDF2 SHA-1":   "pbkdf2_sha1$1000$saltOfDjango$0wXLmADap2tFdK+g5kMEgyd51D8=",
		"Django PBKDF2 SHA-256": "pbkdf2_sha256$1000$saltOfDjango$1TcKFHnm/cwGVP0pwW7N7aOoHioEyjg4Qjh89UxZh04=",
		"passlib PBKDF2":        "$pbkdf2$1200$YSBzYWx0IG9mIGJ5dGVz/w$ZkH/NT/.0v9iZP5vVsYxN3nD1E4",
		"passlib PBKDF2 256":    "$pbkdf2-sha256$1200$YSBzYWx0IG9mIGJ5dGVz/w$BF15LNfeWmADmCKj3tTuZuDUP8VM9uLWsVSDzbnmL/M",
		"passlib PBKDF2 512":    "$pbkdf2-sha512$1200$YSBzYWx0IG9mIGJ5dGVz/w$J3qnmndETl6FsRAxUd45XMcUHHxe1NSCHW6pGGnW0hgkBrhqdvIEO5PST2w9vHLzPLtagvgoXlaTTJ.XXE/8oA",
		"LDAP PBKDF2":           "{PBKDF2}1200$YSBzYWx0IG9mIGJ5dGVz/w$ZkH/NT/.0v9iZP5vVsYxN3nD1E4",
		"LDAP PBKDF2 256":       "{PBKDF2-SHA256}1200$YSBzYWx0IG9mIGJ5dGVz/w$BF15LNfeWmADmCKj3tTuZuDUP8VM9uLWsVSDzbnmL/M",
		"LDAP SHA":              "{SHA}4FK4TAwCD2flR5nZ2SYrxaHt6gU=",
		"LDAP SSHA":             "{SSHA}vb4qsqwbdXu90EEc7HWKCauWCnExMjM0NTY3OA==",
		"LDAP SSHA256":          "{SSHA256}+tbujub1/rIcy0VDFn+wBvUdFjxFPF0wEIhyLaG4czsxMjM0NTY3OA==",
		"LDAP SSHA512":          "{SSHA512}fE9cpILuZonVWbYO9XrKyBvsKTy0v3tBMJYYDu6RiuDxPlsRWFh/4QajJeFoHW33qL5/qD/Nyw2PgJpp3ppTcTEyMzQ1Njc4",
		"htpasswd apr1":         "$apr1$saltsalt$fMntd8dz00Nhzwm.y/SU01",
		"htpasswd apr1, salt 3": "$apr1$xyz$XVQjtHW4ggQGpfJ7BM1nd.",
		"md5-crypt":             "$1$saltsalt$LYlSjorzN8ogTr7H9zlOd1",
		"bcrypt 2b":             "$2b$04$abcdefghijklmnopqrstuuQbNKMn7wxzhtgLZN0JHpUlLPDSxh0mG",
		"bcrypt 2y":             "$2y$05$abcdefghijklmnopqrstuuI91wLfC7wlT6Bdko9S2F0MNJ09eaoKe",
		"Django bcrypt":         "bcrypt$$2b$04$abcdefghijklmnopqrstuuQbNKMn7wxzhtgLZN0JHpUlLPDSxh0mG",
		"Django bcrypt SHA-256": "bcrypt_sha256$$2b$04$abcdefghijklmnopqrstuu5/SdCRAUNK554XwC6bluW72jUJGxJ92",
		"LDAP crypt":            "{CRYPT}$2b$04$abcdefghijklmnopqrstuuQbNKMn7wxzhtgLZN0JHpUlLPDSxh0mG",
	}
}

// A hash from elsewhere lets in with the right password alone, and is ours after that.
func TestImportedHashesAreUpgraded(t *testing.T) {
	for name, hash := range foreignHashes() {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if err := b.Import(t.Context(), ImportedUser{Email: ann, Hash: hash, Actor: "cli"}); err != nil {
				t.Fatal(err)
			}
			a := b.get(t, b.only(t))
			l, _ := a.Local()
			stored := func() string {
				p, err := b.store.GetPassword(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				return p.Hash
			}
			for _, wrong := range []string{wrongly, "", goodPassword + " ", goodPassword[:len(goodPassword)-1], hash} {
				if _, err := b.CheckPassword(t.Context(), ann, wrong); !errors.Is(err, identity.ErrWrongPassword) {
					t.Fatalf("%q: %v", wrong, err)
				}
				if stored() != hash {
					t.Fatal("a wrong password changed the hash")
				}
				if err := b.Unlock(t.Context(), a.ID, "cli"); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if _, err := b.CheckPassword(t.Context(), ann, goodPassword); err != nil {
					t.Fatal(err)
				}
				if !strings.HasPrefix(stored(), "$argon2id$") {
					t.Fatalf("the hash is still %.8s", stored())
				}
			}
		})
	}
}

func (b *bench) only(t *testing.T) string {
	t.Helper()
	if len(b.store.accounts) != 1 {
		t.Fatalf("%d accounts", len(b.store.accounts))
	}
	for id := range b.store.accounts {
		return id
	}
	return ""
}

// bcrypt reads 72 bytes. A password that differs after them is another password.
func TestBcryptDoesNotCut(t *testing.T) {
	h, err := ParseHash("$2b$04$abcdefghijklmnopqrstuuQbNKMn7wxzhtgLZN0JHpUlLPDSxh0mG")
	if err != nil {
		t.Fatal(err)
	}
	if !h.fits(goodPassword) || h.fits(goodPassword+"\x00") || h.fits(goodPassword+strings.Repeat(" ", 72)) {
		t.Error("the end of a password does not count")
	}
}

func TestHashesThatAreNone(t *testing.T) {
	for name, hash := range map[string]string{
		"empty": "", "plain": goodPassword, "DES": "rl.3StKT.4T8M", "unknown scheme": "{FOO}abcd", "only a scheme": "{SHA}",
		"wrapped twice": "{CRYPT}{CRYPT}$apr1$saltsalt$fMntd8dz00Nhzwm.y/SU01", "wrapped in itself": "bcrypt$bcrypt$$2b$04$x", "plain inside": "{CRYPT}plain",
		"SHA with salt": "{SHA}vb4qsqwbdXu90EEc7HWKCauWCnExMjM0NTY3OA==", "SSHA without": "{SSHA}4FK4TAwCD2flR5nZ2SYrxaHt6gU=",
		"bcrypt for an hour": "$2b$31$abcdefghijklmnopqrstuuQbNKMn7wxzhtgLZN0JHpUlLPDSxh0mG", "bcrypt cut": "$2b$04$abcdefghijklmnopqrstuuQbNKMn7wxzhtgLZN0JHpUlLPDSx",
		"the buggy bcrypt":  "$2x$04$abcdefghijklmnopqrstuuQbNKMn7wxzhtgLZN0JHpUlLPDSxh0mG",
		"PBKDF2 for an age": "pbkdf2_sha256$999999999$saltOfDjango$1TcKFHnm/cwGVP0pwW7N7aOoHioEyjg4Qjh89UxZh04=",
		"no iterations":     "pbkdf2_sha256$0$saltOfDjango$1TcKFHnm/cwGVP0pwW7N7aOoHioEyjg4Qjh89UxZh04=",
		"negative":          "pbkdf2_sha256$-1$saltOfDjango$1TcKFHnm/cwGVP0pwW7N7aOoHioEyjg4Qjh89UxZh04=",
		"no key":            "pbkdf2_sha256$1000$saltOfDjango$", "no salt": "pbkdf2_sha256$1000$$1TcKFHnm/cwGVP0pwW7N7aOoHioEyjg4Qjh89UxZh04=",
		"apr1 without salt": "$apr1$$fMntd8dz00Nhzwm.y/SU01", "apr1 with junk": "$apr1$saltsalt$fMntd8dz00Nhzwm.y/SU0!",
	} {
		if _, err := ParseHash(hash); err == nil {
			t.Errorf("%s was taken", name)
		} else if hash != "" && strings.Contains(err.Error(), hash) {
			t.Errorf("%s: the error tells the hash", name)
		}
	}
}

func FuzzParseHash(f *testing.F) {
	for _, hash := range foreignHashes() {
		f.Add(hash)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		h, err := ParseHash(hash)
		if (err == nil) != (h.Kind != "" && h.fits != nil) {
			t.Errorf("%q: %+v, %v", hash, h, err)
		}
	})
}

func TestImport(t *testing.T) {
	hash := foreignHashes()["htpasswd apr1"]
	tests := []struct {
		name    string
		before  *Account
		user    ImportedUser
		state   State
		refused string
	}{
		{name: "with a hash", user: ImportedUser{Email: " Ann@Example.test", Name: "Ann", Groups: []string{"sales", "sales"}, Hash: hash}, state: Active},
		{name: "without", user: ImportedUser{Email: ann}, state: Invited},
		{name: "disabled", user: ImportedUser{Email: ann, Hash: hash, Disabled: true}, state: Disabled},
		{name: "again", before: &Account{ID: "x", Owner: OwnerLocal, Email: ann, State: Invited}, user: ImportedUser{Email: ann, Hash: hash}, state: Active},
		{name: "there already", before: &Account{ID: "x", Owner: OwnerLocal, Email: ann, State: Active}, user: ImportedUser{Email: ann, Hash: hash}, refused: "has an account already"},
		{name: "unknown hash", user: ImportedUser{Email: ann, Hash: "rl.3StKT.4T8M"}, refused: "of a sort that crmgate does not know"},
		{name: "bad address", user: ImportedUser{Email: "ann", Hash: hash}, refused: "address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			if tt.before != nil {
				b.add(t, *tt.before)
			}
			err := b.Import(t.Context(), tt.user)
			if tt.refused != "" {
				if err == nil || !strings.Contains(err.Error(), tt.refused) || (tt.user.Hash != "" && strings.Contains(err.Error(), tt.user.Hash)) {
					t.Errorf("error %v, want %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if a := b.get(t, b.only(t)); a.State != tt.state || a.Email != ann || a.Owner != OwnerLocal {
				t.Errorf("account %+v", a)
			}
			if got := b.posted(); len(got) > 0 {
				t.Errorf("mails %q", got)
			}
		})
	}
}
