package account

import (
	_ "embed" // for the words
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// wordRanks are words that passwords are made of, each on a line with its place in the list it is most frequent in: passwords,
// English words, first names and surnames, as zxcvbn collected them (LICENSE.zxcvbn). The lines are sorted, so a word is found by
// halving: nothing is read or built when the program starts, nor kept beside the text itself.
//
//go:embed words.txt
var wordRanks string

// The price of a piece of a password, in guesses.
const (
	// wordBase is added to a word's place: that there is a word, and which list it is from, has to be guessed as well, and nobody who
	// puts words together tries the most frequent ones alone.
	wordBase = 200
	// runPrice is for each key of a run: where it begins, which way it goes.
	runPrice = 50
	// datePrice is for a day of a century, yearPrice for a year of that century and the next decades.
	datePrice, yearPrice = 40_000, 120
	// joinPrice is for the sign between the first two words; the same sign between others is free.
	joinPrice = 10
)

// The shortest and longest piece that is looked up as a word, and the longest as a date.
const minPiece, maxPiece, maxDate = 3, 24, 10

// guesses estimates how many passwords somebody tries who knows how people choose theirs, before they come to p: it divides p into
// the words, runs, dates and repetitions that make it cheapest, and multiplies their prices. own are words that this attacker tries
// first. The model is zxcvbn's (Wheeler, USENIX Security 2016); unlike it, signs between words cost nearly nothing, and what is no
// word costs what its sort of character is worth.
func guesses(p string, own []string) float64 {
	runes := []rune(cut(p, judged))
	e := estimate{runes: runes, lower: []rune(strings.ToLower(string(runes))), own: own}
	if len(e.lower) != len(runes) { // a letter whose small form is two
		e.lower = runes
	}
	for _, r := range readings(string(e.lower)) {
		if read := []rune(r); len(read) == len(runes) && !slices.Equal(read, e.lower) {
			e.read = append(e.read, read)
		}
	}
	for start := range runes {
		e.runs = append(e.runs, run(e.lower[start:]))
		e.again = append(e.again, e.before(start))
	}
	best := make([]float64, len(runes)+1)
	best[0] = 1
	for end := 1; end <= len(runes); end++ {
		best[end] = best[end-1] * e.sign(end-1)
		for start := max(0, end-judged); start <= end-minPiece; start++ {
			best[end] = min(best[end], best[start]*e.piece(start, end))
		}
	}
	return best[len(runes)]
}

// estimate is a password under examination.
type estimate struct {
	runes, lower []rune
	// read are the readings of look-alikes that differ from lower.
	read [][]rune
	own  []string
	// runs and again are how long the run is that begins at each character, and the text that was there before.
	runs, again []int
}

// before returns how much of what begins at start stands before it already.
func (e *estimate) before(start int) (longest int) {
	for from := range start {
		n := 0
		for from+n < start && start+n < len(e.lower) && e.lower[from+n] == e.lower[start+n] {
			n++
		}
		longest = max(longest, n)
	}
	return longest
}

// sign is the price of one character by itself.
func (e *estimate) sign(i int) float64 {
	r := e.runes[i]
	inside := i > 0 && i < len(e.runes)-1
	switch {
	case r >= '0' && r <= '9':
		return 10
	case r >= 'a' && r <= 'z':
		return 26
	case r >= 'A' && r <= 'Z':
		return 52
	case unicode.Is(unicode.Han, r), unicode.Is(unicode.Hangul, r):
		return 2000
	case unicode.IsLetter(r), r > unicode.MaxASCII:
		return 60
	case inside && e.isJoin(i):
		if slices.Contains(e.runes[1:i], r) {
			return 1
		}
		return joinPrice
	}
	return 33
}

// isJoin reports whether a sign stands between two letters or digits, as spaces and dashes do.
func (e *estimate) isJoin(i int) bool {
	alike := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	return alike(e.runes[i-1]) && alike(e.runes[i+1])
}

// piece is the price of several characters as one thing, infinite where they are none.
func (e *estimate) piece(start, end int) float64 {
	price := math.Inf(1)
	if end-start <= maxPiece {
		price = e.word(start, end)
	}
	length := end - start
	if length <= e.runs[start] {
		price = min(price, runPrice*float64(length))
	}
	if length <= e.again[start] {
		price = min(price, max(4, float64(2*start))) // what was there before, once more
	}
	if length <= maxDate {
		price = min(price, date(e.runes[start:end]))
	}
	return price
}

// word is the price of a word, however it is written.
func (e *estimate) word(start, end int) float64 {
	price := e.rank(string(e.lower[start:end]))
	back := slices.Clone(e.lower[start:end])
	slices.Reverse(back)
	price = min(price, 2*e.rank(string(back)))
	for _, read := range e.read {
		if !slices.Equal(read[start:end], e.lower[start:end]) {
			price = min(price, 2*e.rank(string(read[start:end])))
		}
	}
	return price * capitals(e.runes[start:end])
}

// rank is the price of a word in small letters.
func (e *estimate) rank(w string) float64 {
	if i := slices.Index(e.own, w); i >= 0 {
		return wordBase + float64(i+1)
	}
	if r := rankOf(w); r > 0 {
		return wordBase + float64(r)
	}
	return math.Inf(1)
}

// rankOf returns the place of a word, 0 for what is none.
func rankOf(w string) int {
	low, high := 1, len(wordRanks) // beginnings of lines; the text begins with an empty one
	for low < high {
		begin := strings.LastIndexByte(wordRanks[:low+(high-low)/2], '\n') + 1
		length := strings.IndexByte(wordRanks[begin:], '\n')
		word, place, _ := strings.Cut(wordRanks[begin:begin+length], " ")
		switch c := strings.Compare(w, word); {
		case c == 0:
			n, _ := strconv.Atoi(place) // the test of the file reads every line
			return n
		case c < 0:
			high = begin
		default:
			low = begin + length + 1
		}
	}
	return 0
}

// capitals is how many ways of writing large letters are tried before this one.
func capitals(word []rune) float64 {
	upper, all := 0, 0
	for _, r := range word {
		if unicode.IsUpper(r) {
			upper++
		}
		if unicode.IsLetter(r) {
			all++
		}
	}
	switch {
	case upper == 0:
		return 1
	case upper == all, upper == 1 && (unicode.IsUpper(word[0]) || unicode.IsUpper(word[len(word)-1])):
		return 2
	}
	ways := 1.0
	for i := range min(upper, all-upper) {
		ways = ways * float64(all-i) / float64(i+1)
	}
	return max(ways, 2)
}

// date is the price of a year or a day, infinite for what is neither.
func date(runes []rune) float64 {
	var digits []byte
	signs := 0
	for i, r := range runes {
		switch {
		case r >= '0' && r <= '9':
			digits = append(digits, byte(r-'0'))
		case strings.ContainsRune("./- _", r) && i > 0 && i < len(runes)-1:
			signs++
		default:
			return math.Inf(1)
		}
	}
	number := func(d []byte) (n int) {
		for _, c := range d {
			n = 10*n + int(c)
		}
		return n
	}
	year := func(d []byte) bool { return len(d) == 2 || number(d) >= 1900 && number(d) < 2060 }
	day := func(d []byte) bool {
		a, b := number(d[:2]), number(d[2:])
		return a > 0 && b > 0 && min(a, b) <= 12 && max(a, b) <= 31
	}
	switch n := len(digits); {
	case n == 4 && signs == 0 && year(digits):
		return yearPrice
	case signs > 2:
	case n == 5 && signs == 2, n == 7 && signs == 2: // a day or a month of one digit
		return 2 * datePrice
	case n == 6 && signs != 1 && (day(digits[:4]) || day(digits[2:])):
		return datePrice
	case n == 6 && signs == 2 && (year(digits[:4]) || year(digits[2:])): // both of one digit
		return datePrice
	case n == 8 && signs != 1 && (day(digits[:4]) && year(digits[4:]) || year(digits[:4]) && day(digits[4:])):
		return datePrice
	}
	return math.Inf(1)
}
