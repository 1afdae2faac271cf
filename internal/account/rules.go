package account

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// minDistinct is the fewest different characters of a password. The estimator gives a short block that is repeated long
	// enough its best mark.
	minDistinct = 6
	// minGuesses is what a guesser with a copy of the database must at least be made to try.
	minGuesses = 2e10
	// judged is how many characters the estimator sees; its work grows much faster than the length.
	judged = 72
	// minRest is how many letters and digits must be left of a password without the own words in it.
	minRest = 8
	// minOwnWord is the shortest own word that counts: shorter ones are part of everything.
	minOwnWord = 3
)

// advice ends the sentences about weak passwords.
const advice = " Four or five words that have nothing to do with each other are easy to remember and hard to guess; a password manager can make one, too."

// PasswordError says in a sentence why a new password was refused and what to do.
type PasswordError struct{ Sentence string }

// Error returns the sentence.
func (e *PasswordError) Error() string { return e.Sentence }

func refusePassword(format string, args ...any) error {
	return &PasswordError{Sentence: fmt.Sprintf(format, args...)}
}

// checkNew returns the canonical form of a new password of an account, or a *PasswordError.
func (s *Service) checkNew(ctx context.Context, a *Account, l Local, password string) (string, error) {
	p, err := s.judge(ctx, password, s.MinLength(ctx, a), s.ownWords(a))
	if err != nil {
		return "", err
	}
	if err := s.usedBefore(ctx, l, p); err != nil {
		return "", err
	}
	return p, s.breached(ctx, p)
}

// Weakness says what is wrong with a password before it is sent, nil for nothing: a *PasswordError with the sentence that setting it would
// give. It looks nobody up: names are what the page shows of the person. Former passwords and the range API are left to the end.
func (s *Service) Weakness(ctx context.Context, password string, names ...string) error {
	words := &Account{Name: strings.Join(names, " ")}
	_, err := s.judge(ctx, password, min(s.Config.Password.MinLength, s.Config.Password.MinLengthWithFactor), s.ownWords(words))
	return err
}

// MinLength is the fewest characters of a new password of an account.
func (s *Service) MinLength(ctx context.Context, a *Account) int {
	c := s.Config.Password
	if s.HasFactor == nil || a == nil {
		return c.MinLength
	}
	has, err := s.HasFactor(ctx, a.ID)
	if err != nil {
		s.log().WarnContext(ctx, "second factor not known, asking for a password that needs none", "account", a.ID, "error", err)
	}
	if err != nil || !has {
		return c.MinLength
	}
	return min(c.MinLength, c.MinLengthWithFactor)
}

// judge returns the canonical form of a password that is long and odd enough, whoever's it is to be, or a *PasswordError.
func (s *Service) judge(ctx context.Context, password string, least int, own []string) (string, error) {
	p, err := shape(password, least)
	if err != nil {
		return "", err
	}
	if err := obvious(p, own); err != nil {
		return "", err
	}
	if guesses(p, own) < minGuesses {
		return "", refusePassword("This password is easy to guess: it is made of common words, names, dates or neighbouring keys.%s", advice)
	}
	if err := s.blocked(p); err != nil {
		return "", err
	}
	return p, s.filtered(ctx, p)
}

// shape checks what can be seen without knowing whose password it is to be.
func shape(password string, least int) (string, error) {
	if !utf8.ValidString(password) || strings.ContainsFunc(password, unicode.IsControl) {
		return "", refusePassword("The password has a character that cannot be typed, such as a tab or a line break. Please leave it out.")
	}
	tooLong := refusePassword("The password is longer than %d characters. Please choose a shorter one.", maxPassword)
	if len(password) > maxPasswordBytes {
		return "", tooLong
	}
	p := norm.NFC.String(password)
	n := utf8.RuneCountInString(p)
	switch {
	case n > maxPassword:
		return "", tooLong
	case n == 0:
		return "", refusePassword("Please choose a password of at least %d characters.", least)
	case n < least:
		return "", refusePassword("The password has %d characters and needs at least %d. A few words in a row are a good password; spaces count.", n, least)
	}
	return p, nil
}

// obvious refuses what an attacker tries first. It compares whole passwords and their usual variations, and never forbids a word
// inside a longer one (NIST SP 800-63B-4 section 3.1.1.2).
func obvious(p string, own []string) error {
	if distinct(p) < minDistinct {
		return refusePassword("The password uses the same few characters again and again.%s", advice)
	}
	if unit, ok := repeated(p); ok {
		return refusePassword("The password is %q repeated. Repeating makes it longer and hardly harder to guess.%s", unit, advice)
	}
	if common(p) {
		return refusePassword("This password is on the list of those that are tried first.%s", advice)
	}
	if ownOnly(p, own) {
		return refusePassword("The password is little more than your name, your address or our name.%s", advice)
	}
	return nil
}

// ownWords are the words that somebody who knows the person or the product tries first, in lower case.
func (s *Service) ownWords(a *Account) []string {
	var words []string
	add := func(text string) {
		for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if utf8.RuneCountInString(w) >= minOwnWord && !slices.Contains(words, w) {
				words = append(words, w)
			}
		}
	}
	add(a.Email)
	add(a.Name)
	add(a.Username)
	add("crmgate")
	for _, w := range s.Words {
		add(w)
	}
	// Longer words first, so that a word inside another does not leave a rest of it.
	slices.SortStableFunc(words, func(x, y string) int { return len(y) - len(x) })
	return words
}

// ownOnly reports whether hardly anything is left of p without the own words, years and signs.
func ownOnly(p string, own []string) bool {
	rest, found := strings.ToLower(p), false
	for _, w := range own {
		if strings.Contains(rest, w) {
			rest, found = strings.ReplaceAll(rest, w, " "), true
		}
	}
	return found && len([]rune(letters(rest))) < minRest
}

// blocked looks for a password in the administrator's list, whatever its case. A list that cannot be read lets no password pass.
func (s *Service) blocked(p string) error {
	file := s.Config.Password.BlocklistFile
	if file == "" {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("open password list: %w", err)
	}
	defer f.Close()
	want := strings.ToLower(p)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if len(line) <= maxPasswordBytes && strings.ToLower(norm.NFC.String(line)) == want {
			return refusePassword("This password is on the list of those that may not be used here. Please choose another one.")
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read password list: %w", err)
	}
	return nil
}

// usedBefore refuses the present password and as many former ones as the configuration says.
func (s *Service) usedBefore(ctx context.Context, l Local, p string) error {
	history := s.Config.Password.History
	if history <= 0 {
		return nil
	}
	stored, err := s.Passwords.GetPassword(ctx, l)
	if err != nil {
		return fmt.Errorf("get password: %w", err)
	}
	hashes := append([]string{stored.Hash}, stored.Previous[:min(history, len(stored.Previous))]...)
	for _, hash := range hashes {
		if hash == "" {
			continue
		}
		ok, _, err := s.hash.check(ctx, hash, p)
		if err != nil {
			return fmt.Errorf("compare with former password: %w", err)
		}
		if ok {
			return refusePassword("You have used this password here before. Please choose a new one.")
		}
	}
	return nil
}

func distinct(p string) int {
	seen := map[rune]struct{}{}
	for _, r := range strings.ToLower(p) {
		seen[r] = struct{}{}
	}
	return len(seen)
}

// repeated returns the shortest unit of which p is at least two repetitions, the last perhaps cut short.
func repeated(p string) (string, bool) {
	runes := []rune(p)
	for n := 1; n <= len(runes)/2; n++ {
		same := true
		for i := n; i < len(runes) && same; i++ {
			same = runes[i] == runes[i-n]
		}
		if same {
			return string(runes[:n]), true
		}
	}
	return "", false
}
