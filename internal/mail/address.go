package mail

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxAddress is the longest address that fits an SMTP path (RFC 5321 section 4.5.3.1.3), in bytes; maxLocal that of the part before the "@".
const (
	maxAddress = 254
	maxLocal   = 64
)

// CheckAddress reports whether a mail can go to address: local part and domain as RFC 5321 writes them without quotes, letters
// beyond ASCII as RFC 6531 allows, nothing around. The errors are half-sentences that may be shown.
func CheckAddress(address string) error {
	if len(address) > maxAddress {
		return errors.New("the address is longer than 254 characters")
	}
	if !utf8.ValidString(address) {
		return errors.New("the address is not valid text")
	}
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || domain == "" {
		return errors.New("the address needs something before and after an @")
	}
	if len(local) > maxLocal {
		return errors.New("the part before the @ is longer than 64 characters")
	}
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !inAtom(r) }) {
			return errors.New("the part before the @ has a character that is not allowed there")
		}
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !inLabel(r) }) {
			return errors.New("the part after the @ is no domain")
		}
	}
	return nil
}

// inAtom reports whether r may stand in a local part without quotes (atext of RFC 5322, and letters of RFC 6531).
func inAtom(r rune) bool {
	return inLabel(r) || r < utf8.RuneSelf && strings.ContainsRune("!#$%&'*+/=?^_`{|}~", r)
}

// inLabel reports whether r may stand in a domain.
func inLabel(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-':
		return true
	}
	return r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r))
}

func control(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }

// oneLine returns s with every run of white space and control characters as one space, so that it cannot end a header.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || control(r) }), " ")
}
