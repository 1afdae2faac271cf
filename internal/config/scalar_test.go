package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		text string
		want time.Duration
		ok   bool
	}{
		{"0", 0, true}, {"0s", 0, true}, {"30s", 30 * time.Second, true}, {"1.5h", 90 * time.Minute, true},
		{"3d", 3 * day, true}, {"1d12h", 36 * time.Hour, true}, {"0.5d", 12 * time.Hour, true}, {"1d1h1m1s", day + time.Hour + time.Minute + time.Second, true},
		{"250ms", 250 * time.Millisecond, true}, {"10µs", 10 * time.Microsecond, true},
		{"", 0, false}, {"30", 0, false}, {"d", 0, false}, {"1h1d", 0, false}, {"1d2d", 0, false}, {"-1d", 0, false}, {"+1h", 0, false},
		{"1 d", 0, false}, {"1w", 0, false}, {"999999999999d", 0, false}, {"9999999999999999h", 0, false}, {"..h", 0, false}, {"106751d9999999h", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := parseDuration(tt.text)
			if (err == nil) != tt.ok || got != tt.want {
				t.Errorf("parseDuration(%q) = %v, %v; want %v, ok %v", tt.text, got, err, tt.want, tt.ok)
			}
		})
	}
}

func TestFormatDurationReadsBack(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0": 0, "30s": 30 * time.Second, "15m": 15 * time.Minute, "8h": 8 * time.Hour, "1d": 24 * time.Hour, "30d": 720 * time.Hour,
		"3d": 72 * time.Hour, "1h30m": 90 * time.Minute, "36h": 36 * time.Hour, "1m30s": 90 * time.Second, "5m": 5 * time.Minute,
	} {
		got := formatDuration(d)
		back, err := parseDuration(got)
		if got != want || err != nil || back != d {
			t.Errorf("formatDuration(%v) = %q (reads back as %v, %v), want %q", d, got, back, err, want)
		}
	}
}

func TestParseScalar(t *testing.T) {
	tests := []struct {
		name string
		typ  reflect.Type
		text string
		want any
	}{
		{"true", reflect.TypeFor[bool](), "true", true},
		{"capital", reflect.TypeFor[bool](), "True", nil},
		{"on", reflect.TypeFor[bool](), "on", nil},
		{"number", reflect.TypeFor[int](), "587", 587},
		{"negative", reflect.TypeFor[int](), "-1", -1},
		{"underscore", reflect.TypeFor[int](), "1_000", nil},
		{"hexadecimal", reflect.TypeFor[int](), "0x10", nil},
		{"small type", reflect.TypeFor[int8](), "128", nil},
		{"words stay words", reflect.TypeFor[string](), "0123", "0123"},
		{"no float", reflect.TypeFor[float64](), "1.5", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseScalar(tt.typ, tt.text)
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExpand(t *testing.T) {
	env := environment(map[string]string{"A": "one", "B": "${A}", "EMPTY": "", "a_1": "low"})
	tests := []struct {
		name, text, want string
		unset            []string
		malformed        bool
	}{
		{name: "nothing", text: "plain $A $", want: "plain $A $"},
		{name: "one", text: "x${A}y", want: "xoney"},
		{name: "two", text: "${A}${a_1}", want: "onelow"},
		{name: "never again", text: "${B}", want: "${A}"},
		{name: "empty is set", text: "${EMPTY}", want: ""},
		{name: "escape", text: "$${A} ${A}", want: "${A} one"},
		{name: "escape after a dollar", text: "$$${A}", want: "$${A}"},
		{name: "escape after a variable", text: "${A}$${A}", want: "one${A}"},
		{name: "unset", text: "${C}${A}${D}", want: "one", unset: []string{"C", "D"}},
		{name: "open", text: "a${A", malformed: true},
		{name: "empty name", text: "${}", malformed: true},
		{name: "default form", text: "${A:-x}", malformed: true},
		{name: "digit first", text: "${1}", malformed: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, unset, malformed := expand(tt.text, env)
			if got != tt.want || malformed != tt.malformed || !cmp.Equal(unset, tt.unset) {
				t.Errorf("expand(%q) = %q, unset %v, malformed %v", tt.text, got, unset, malformed)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	names := []string{"client_id", "client_secret", "domains", "emails", "id", "name", "type"}
	for word, want := range map[string]string{
		"cleint_id": "client_id", "client-id": "client_id", "Domain": "domains", "email": "emails", "tpye": "type",
		"frobnicate": "", "x": "", "": "",
	} {
		if got := nearest(word, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
