package account

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestPasswordRules(t *testing.T) {
	tests := []struct {
		name, password string
		least          int
		refused        string // part of the sentence; empty is allowed
	}{
		{name: "four words", password: "zebra lamp cloud river"},
		{name: "no composition rule", password: "lantern quince over the gravel"},
		{name: "no composition rule for digits either", password: "8264095173620481"},
		{name: "from a manager", password: "kP9$vLq2xZ!mT7#w"},
		{name: "spaces at both ends are kept", password: "  zebra lamp cloud river  "},
		{name: "umlauts", password: "mein Hund heißt Bello Wüstenfuchs"},
		{name: "Cyrillic", password: "зебра лампа облако река"},
		{name: "Chinese counts characters", password: "天地玄黄宇宙洪荒日月盈昃辰宿列"},
		{name: "emoji", password: "zebra 🦓 lamp 💡 cloud"},
		{name: "an own word inside is no reason", password: "northwind carries seven grey kettles"},
		{name: "longest", password: strings.Repeat("zebra lamp cloud river 42 ", 9) + "kP9$vLq2xZ!mT7#w+~pQ-8"},
		{name: "eight random", password: "kP9$vLq2", least: 8},

		{name: "empty", password: "", refused: "at least 15"},
		{name: "short", password: "kP9$vLq2xZ!mT7", refused: "14 characters and needs at least 15"},
		{name: "short in Chinese", password: "天地玄黄宇宙洪荒日月盈昃辰宿", refused: "14 characters"},
		{name: "decomposed characters count once", password: strings.Repeat("u\u0308", 14), refused: "14 characters"},
		{name: "one too long", password: strings.Repeat("kP9$vLq2xZ!mT7#w", 16) + "x", refused: "longer than 256"},
		{name: "far too long", password: strings.Repeat("kP9$vLq2xZ!mT7#w", 100_000), refused: "longer than 256"},
		{name: "line break", password: "zebra lamp\ncloud river", refused: "cannot be typed"},
		{name: "NUL", password: "zebra lamp\x00cloud river", refused: "cannot be typed"},
		{name: "no text", password: "zebra lamp \xff cloud river", refused: "cannot be typed"},
		{name: "one character", password: strings.Repeat("a", 20), refused: "same few characters"},
		{name: "only spaces", password: strings.Repeat(" ", 20), refused: "same few characters"},
		{name: "short block that fools the estimator", password: strings.Repeat("a1B", 60), refused: "same few characters"},
		{name: "longer block", password: strings.Repeat("x7Qw9z", 4), refused: "repeated"},
		{name: "block in Cyrillic", password: "приветприветпривет", refused: "repeated"},
		{name: "block cut short", password: "x7Qw9zKx7Qw9zKx7Q", refused: "repeated"},
		{name: "list", password: "correct horse battery staple", refused: "tried first"},
		{name: "list with signs", password: "Correct-Horse-Battery-Staple!", refused: "tried first"},
		{name: "list with year", password: "MayTheForceBeWithYou2026!", refused: "tried first"},
		{name: "list with look-alikes", password: "th1s1smyp@$$w0rd", refused: "tried first"},
		{name: "list twice", password: "supersecret-supersecret", refused: "tried first"},
		{name: "keyboard row", password: "qwertyuiopasdfgh", refused: "tried first"},
		{name: "keyboard row backwards", password: "poiuytrewq0987654321", refused: "tried first"},
		{name: "keyboard columns", password: "1qaz2wsx3edc4rfv5tgb", refused: "tried first"},
		{name: "German keyboard", password: "qwertzuiopasdfghjkl", refused: "tried first"},
		{name: "Russian keyboard", password: "йцукенгшщзфывапр", refused: "tried first"},
		{name: "counting", password: "12345678901234567", refused: "tried first"},
		{name: "alphabet", password: "abcdefghijklmnopqrs", refused: "tried first"},
		{name: "runs of one character", password: "aaaabbbbccccddddeeeeffff", refused: "tried first"},
		{name: "own name and year", password: "AnnSmith-2026-AnnSmith", refused: "your name"},
		{name: "own address", password: "ann.smith@example.test", refused: "your name"},
		{name: "the organisation", password: "Northwind123456789!", refused: "your name"},
		{name: "the product", password: "ExampleCRM!ExampleCRM1", refused: "your name"},
		{name: "season and year", password: "Summer2026Summer!!", refused: "tried first"},
		{name: "two days and a year", password: "monday2026 tuesday2026", refused: "tried first"},
		{name: "three common words", password: "monday coffee dragon", refused: "easy to guess"},
		{name: "names and year", password: "jonathan-patricia-1", refused: "easy to guess"},
		{name: "common words with look-alikes", password: "w3lc0me $3cr3t l0v3", refused: "easy to guess"},
		{name: "eight guessable", password: "Monkey77", least: 8, refused: "tried first"},
		{name: "eight of the season", password: "Sommer26", least: 8, refused: "tried first"},
	}
	b := newBench(t)
	a := b.add(t, Account{ID: "ann", Owner: OwnerLocal, Email: "ann.smith@example.test", Name: "Ann Smith", Username: "asmith", State: Active})
	l, _ := a.Local()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.Config.Password.MinLength = 15
			if tt.least > 0 {
				b.Config.Password.MinLength = tt.least
			}
			_, err := b.checkNew(t.Context(), a, l, tt.password)
			if tt.refused == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			var refusal *PasswordError
			if !errors.As(err, &refusal) || !strings.Contains(refusal.Sentence, tt.refused) || !strings.HasSuffix(refusal.Sentence, ".") {
				t.Errorf("error %v, want a sentence with %q", err, tt.refused)
			}
		})
	}
}

func TestPasswordIsNotCutNorChanged(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("kP9$vLq2xZ!mT7#w", 16)
	tests := []struct {
		name, set, typed string
		same             bool
	}{
		{name: "as typed", set: goodPassword, typed: goodPassword, same: true},
		{name: "composed and decomposed", set: "w\u00fcstenfuchs im nebel", typed: "wu\u0308stenfuchs im nebel", same: true},
		{name: "case counts", set: goodPassword, typed: strings.ToUpper(goodPassword)},
		{name: "leading space counts", set: goodPassword, typed: " " + goodPassword},
		{name: "trailing space counts", set: goodPassword, typed: goodPassword + " "},
		{name: "inner space counts", set: goodPassword, typed: strings.ReplaceAll(goodPassword, " ", "")},
		{name: "byte 73 counts", set: long[:72] + "A", typed: long[:72] + "B"},
		{name: "character 129 counts", set: long[:128] + "A", typed: long[:128] + "B"},
		{name: "nothing is cut from what is too long", set: long, typed: long + "x"},
		{name: "compatibility forms differ", set: "ﬁre and stone and rain", typed: "fire and stone and rain"},
		{name: "NUL ends nothing", set: goodPassword, typed: goodPassword + "\x00"},
		{name: "empty", set: goodPassword, typed: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, ok := canonical(tt.set)
			if !ok {
				t.Fatal("the password to set is none")
			}
			hash, err := b.hash.make(t.Context(), set)
			if err != nil {
				t.Fatal(err)
			}
			typed, possible := canonical(tt.typed)
			same, _, err := b.hash.check(t.Context(), hash, typed)
			if err != nil || (same && possible) != tt.same {
				t.Errorf("same %v, possible %v, error %v; want %v", same, possible, err, tt.same)
			}
		})
	}
}

func TestBlocklistFile(t *testing.T) {
	b := newBench(t)
	a := b.add(t, Account{ID: "ann", Owner: OwnerLocal, Email: "ann@example.test", State: Active})
	l, _ := a.Local()
	file := filepath.Join(t.TempDir(), "refused.txt")
	lines := "first entry of the file\r\n" + strings.ToUpper(goodPassword) + "\r\nwu\u0308stenfuchs im dichten nebel\nlast without line end here"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	b.Config.Password.BlocklistFile = file
	for password, want := range map[string]bool{
		goodPassword: false, "w\u00fcstenfuchs im dichten nebel": false, "last without line end here": false,
		goodPassword + " too": true, otherPassword: true,
	} {
		_, err := b.checkNew(t.Context(), a, l, password)
		var refusal *PasswordError
		if errors.As(err, &refusal) == want || (err == nil) != want {
			t.Errorf("%q: %v, want allowed %v", password, err, want)
		}
	}
	b.Config.Password.BlocklistFile = file + ".gone"
	_, err := b.checkNew(t.Context(), a, l, otherPassword)
	var refusal *PasswordError
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("a list that cannot be read let a password pass: %v", err)
	}
}

func TestFormerPasswords(t *testing.T) {
	ctx := t.Context()
	b := newBench(t)
	a := b.local(t, "ann@example.test")
	l, _ := a.Local()
	for _, p := range []string{"first zebra lamp cloud", "second zebra lamp cloud", otherPassword} {
		hash, err := b.hash.make(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.store.SetPassword(ctx, l, hash, 5, b.now); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, password string
		history        int
		ok             bool
	}{
		{name: "present", password: otherPassword, history: 2},
		{name: "one before", password: "second zebra lamp cloud", history: 2},
		{name: "two before", password: "first zebra lamp cloud", history: 2},
		{name: "three before", password: goodPassword, history: 2, ok: true},
		{name: "three before, longer memory", password: goodPassword, history: 5},
		{name: "no memory at all", password: otherPassword, history: 0, ok: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b.Config.Password.History = tt.history
			_, err := b.checkNew(ctx, a, l, tt.password)
			var refusal *PasswordError
			if (err == nil) != tt.ok || (err != nil && !errors.As(err, &refusal)) {
				t.Errorf("error %v, want allowed %v", err, tt.ok)
			}
		})
	}
}

func TestRulesAreQuickWhateverIsTyped(t *testing.T) {
	b := newBench(t)
	a := &Account{ID: "ann", Owner: OwnerLocal, Email: "ann@example.test"}
	l, _ := a.Local()
	for name, p := range map[string]string{
		"look-alikes": "57(!8c(d0[4(b5@2d3cs(x8<06<sx(<e|c{b!($5d22xf@gf3{%c8cs1f${9b6$e0g179|b6",
		"every sign":  "4@8({[<369!1|70$5+%2",
		"dates":       "  .122 .  121291/10./9.1 9901291  2101 -9922--/1-102.  21/9-01211- 2/0/2 ",
		"digits":      strings.Repeat("8264095173", 25),
		"wide":        strings.Repeat("密码天地玄黄宇é1a", 25),
	} {
		began := time.Now()
		_, err := b.checkNew(t.Context(), a, l, p)
		var refusal *PasswordError
		if err != nil && !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
}

func TestCommonListIsInOrder(t *testing.T) {
	lines := strings.Split(strings.Trim(commonList, "\n"), "\n")
	if len(lines) < 500 || !strings.HasPrefix(commonList, "\n") || !strings.HasSuffix(commonList, "\n") {
		t.Fatalf("%d entries, begins %q", len(lines), commonList[:5])
	}
	for i, l := range lines {
		if alnum(strings.ToLower(l)) != l || l == "" {
			t.Errorf("entry %q can never be found", l)
		}
		if i > 0 && lines[i-1] >= l {
			t.Errorf("entries %q and %q are out of order", lines[i-1], l)
		}
		if !common(l) && !func() bool { _, r := repeated(l); return r }() {
			t.Errorf("entry %q is not found", l)
		}
	}
}

func FuzzPasswordRules(f *testing.F) {
	for _, s := range []string{goodPassword, "a1Ba1Ba1B", "密码密码密码é", "p@ssw0rd 2026-01-01", "\xff", "u\u0308\u0308\u0308"} {
		f.Add(s)
	}
	b := newBench(&testing.T{})
	f.Fuzz(func(t *testing.T, p string) {
		a := &Account{ID: "ann", Owner: OwnerLocal, Email: "ann@example.test", Name: "Ann Smith"}
		l, _ := a.Local()
		b.Config.Password.MinLength = 8
		got, err := b.checkNew(t.Context(), a, l, p)
		if err != nil {
			var refusal *PasswordError
			if !errors.As(err, &refusal) {
				t.Errorf("%q: %v", p, err)
			}
			return
		}
		if n := utf8.RuneCountInString(got); n < 8 || n > maxPassword {
			t.Errorf("%q was taken with %d characters", p, n)
		}
		if again, ok := canonical(p); !ok || again != got {
			t.Errorf("%q is set as %q and checked as %q (%v)", p, got, again, ok)
		}
	})
}
