package account

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// The passwords of zxcvbn's own demonstration, with the decades that zxcvbn 4.4.2 gives them. Ours sees the same weaknesses: it may
// differ by a few decades, and on random signs, whose sorts it prices apart.
func TestGuessesAgainstKnownStrengths(t *testing.T) {
	tests := []struct {
		password string
		known    float64 // log10
		within   float64
	}{
		{"zxcvbn", 1.8, 2}, {"qwER43@!", 8.0, 3}, {"Tr0ub4dour&3", 7.3, 4.5}, {"correcthorsebatterystaple", 14.4, 3}, {"D0g..................", 5.6, 2},
		{"abcdefghijk987654321", 4.2, 2}, {"neverforget13/3/1997", 9.7, 2}, {"1qaz2wsx3edc", 3.0, 2}, {"temppass22", 5.6, 2.5},
		{"briansmith", 4.2, 2}, {"briansmith4mayor", 10.2, 3.5}, {"password1", 2.3, 2}, {"viking", 2.4, 1}, {"ScoRpi0ns", 5.5, 2},
		{"ryanhunter2000", 8.0, 3.5}, {"defghi6789", 4.4, 2}, {"rosebuD", 2.7, 1}, {"R0$38uD99", 6.1, 2.5}, {"verlineVANDERMARK", 10.4, 3.5},
		{"dragondragondragon", 1.5, 3.5}, {"letmein2letmein", 5.1, 1.5}, {"07121985 smith", 8.2, 2}, {"do you know", 9.0, 4},
		{"zebra lamp cloud river", 18.2, 5}, {"seventeen violet ferries hum", 20.2, 5}, {"8264095173620481", 14, 3},
		{"kP9$vLq2", 8, 4}, {"eheuczkqyq", 10, 4.5}, {"rWibMFACxAUGZmxhVncy", 20, 14},
	}
	for _, tt := range tests {
		got := math.Log10(guesses(tt.password, nil))
		if math.Abs(got-tt.known) > tt.within {
			t.Errorf("%q: 10^%.1f guesses, zxcvbn says 10^%.1f", tt.password, got, tt.known)
		}
	}
}

func TestGuessesFallWithWhatIsKnown(t *testing.T) {
	less := []struct{ name, weaker, stronger string }{
		{"capital in front", "ferries", "Ferries"}, {"look-alikes", "ferries", "f3rri3s"}, {"backwards", "ferries", "seirref"},
		{"once more", "ferries", "ferriesferries"}, {"another word", "ferries ferries", "ferries kettle"}, {"run", "sdfghjk", "sdtghek"},
		{"year", "ferries1987", "ferries8719"}, {"day", "23061987", "23961387"}, {"capitals inside", "Ferries", "feRRiEs"},
		{"same sign", "ferries-kettle-lamp", "ferries-kettle+lamp"},
	}
	for _, tt := range less {
		if w, s := guesses(tt.weaker, nil), guesses(tt.stronger, nil); w >= s {
			t.Errorf("%s: %q has %.3g guesses, %q %.3g", tt.name, tt.weaker, w, tt.stronger, s)
		}
	}
	if own, any := guesses("wolpertinger kettle", []string{"wolpertinger"}), guesses("wolpertinger kettle", nil); own*1000 > any {
		t.Errorf("an own word: %.3g guesses, without %.3g", own, any)
	}
	// What comes after the part that is looked at neither helps nor harms.
	long := strings.Repeat("zebra 4 lamp ", 8)
	if a, b := guesses(long, nil), guesses(long+"kP9$vLq2xZ!mT7#w", nil); a != b {
		t.Errorf("%g and %g", a, b)
	}
}

// Every line is found, and nothing between them.
func TestWordsAreInOrder(t *testing.T) {
	lines := strings.Split(strings.Trim(wordRanks, "\n"), "\n")
	if len(lines) < 50_000 {
		t.Fatalf("%d words", len(lines))
	}
	last := ""
	for i, line := range lines {
		var word string
		var place int
		if _, err := fmt.Sscanf(line, "%s %d", &word, &place); err != nil || place < 1 || word <= last {
			t.Fatalf("line %d: %q after %q: %v", i+1, line, last, err)
		}
		if i%7 == 0 || i < 20 || i > len(lines)-20 {
			if got := rankOf(word); got != place {
				t.Fatalf("%q has rank %d, want %d", word, got, place)
			}
			if got := rankOf(word + "~"); got != 0 {
				t.Fatalf("%q~ has rank %d", word, got)
			}
		}
		last = word
	}
	for _, none := range []string{"", " ", "\n", "zzzzzzzzzz", "a", "1", "ü", "you 1"} {
		if got := rankOf(none); got != 0 {
			t.Errorf("%q has rank %d", none, got)
		}
	}
}
