package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"crmgate/internal/token"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[token.Secret]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// takesText reports whether a type reads itself from a word; a struct that does may be a word or a mapping.
func takesText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// isScalar reports whether a value of the type is one word in the file and never a list or a mapping.
func isScalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Slice:
		return t.Kind() != reflect.Struct && takesText(t)
	case reflect.Map, reflect.Pointer, reflect.Interface:
		return false
	}
	return true
}

// badValue says why a word cannot be a value of some type. It never repeats the word.
type badValue struct{ message, hint string }

func (b badValue) Error() string { return b.message }

// parseScalar turns a word into a value of type t. Its error is a badValue.
func parseScalar(t reflect.Type, text string) (any, error) {
	out := reflect.New(t)
	switch {
	case t == durationType:
		d, err := parseDuration(text)
		if err != nil {
			return nil, err
		}
		return d, nil
	case takesText(t):
		if err := out.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
			return nil, badValue{message: err.Error()}
		}
		return out.Elem().Interface(), nil
	}
	switch t.Kind() {
	case reflect.String:
		out.Elem().SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return nil, badValue{"is not a boolean", "Write true or false."}
		}
		out.Elem().SetBool(text == "true")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := parseInt(text, t.Bits())
		if err != nil {
			return nil, err
		}
		out.Elem().SetInt(n)
	default:
		return nil, badValue{message: fmt.Sprintf("has a type that cannot be configured (%s)", t)}
	}
	return out.Elem().Interface(), nil
}

var wholeNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)

func parseInt(text string, bits int) (int64, error) {
	if !wholeNumber.MatchString(text) {
		return 0, badValue{"is not a whole number", "Write decimal digits only, without a leading zero."}
	}
	n, err := strconv.ParseInt(text, 10, bits)
	if err != nil {
		return 0, badValue{message: "is out of range"}
	}
	return n, nil
}

var (
	durationWord = regexp.MustCompile(`^(?:([0-9]+(?:\.[0-9]+)?)d)?((?:[0-9.]+(?:ns|us|µs|ms|s|m|h))*)$`)
	bareNumber   = regexp.MustCompile(`^[0-9]+$`)
)

// ParseDuration reads a duration as the file has it, for the command line to take the same.
func ParseDuration(text string) (time.Duration, error) { return parseDuration(text) }

// parseDuration reads a Go duration, optionally with days in front: 30s, 8h, 3d, 1d12h.
func parseDuration(text string) (time.Duration, error) {
	bad := badValue{"is not a duration", "Write a number with a unit, such as 30s, 15m, 8h or 3d."}
	if text == "0" {
		return 0, nil
	}
	m := durationWord.FindStringSubmatch(text)
	switch {
	case strings.HasPrefix(text, "-"):
		return 0, badValue{"is a negative duration", "Write 0 or more."}
	case bareNumber.MatchString(text):
		return 0, badValue{"is a duration without a unit", "Write a unit too, such as 30s, 15m, 8h or 3d."}
	case m == nil || text == "":
		return 0, bad
	}
	var days, rest time.Duration
	if m[1] != "" {
		f, err := strconv.ParseFloat(m[1], 64)
		if err != nil || f*24*float64(time.Hour) >= math.MaxInt64/2 {
			return 0, badValue{message: "is too long a duration"}
		}
		days = time.Duration(f * 24 * float64(time.Hour))
	}
	if m[2] != "" {
		var err error
		if rest, err = time.ParseDuration(m[2]); err != nil {
			return 0, bad
		}
	}
	if days > math.MaxInt64-rest {
		return 0, badValue{message: "is too long a duration"}
	}
	return days + rest, nil
}

// formatDuration writes a duration the way an administrator would: 30d, 8h, 15m, 1h30m.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	const day = 24 * time.Hour
	s := ""
	if d >= day && d%time.Hour == 0 && d%day == 0 || d >= 2*day {
		s = strconv.FormatInt(int64(d/day), 10) + "d"
		d %= day
	}
	if d == 0 {
		return s
	}
	rest := d.String()
	rest = strings.TrimSuffix(rest, "m0s")
	if rest != d.String() {
		rest += "m"
	}
	if t, ok := strings.CutSuffix(rest, "h0m"); ok {
		rest = t + "h"
	}
	return s + rest
}
