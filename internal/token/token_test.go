package token

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestWellFormed(t *testing.T) {
	good := NewSecret()
	tests := []struct {
		name, s string
		want    bool
	}{
		{"fresh", good, true},
		{"empty", "", false},
		{"short", good[1:], false},
		{"long", good + "A", false},
		{"padded", good + "=", false},
		{"foreign character", "+" + good[1:], false},
		{"line break", good[:42] + "\n", false},
		{"beyond ASCII", good[:41] + "é", false},
		// The last character carries two bits that belong to nothing; were they ignored, one secret would have four spellings.
		{"second spelling", strings.Repeat("A", 42) + "B", false},
		{"first spelling", strings.Repeat("A", 43), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := WellFormed(tt.s); got != tt.want {
				t.Errorf("WellFormed(%q) = %v", tt.s, got)
			}
		})
	}
}

func TestSecretsAndIDsDiffer(t *testing.T) {
	secrets, ids := map[string]bool{}, map[string]bool{}
	for range 100 {
		secrets[NewSecret()], ids[NewID()] = true, true
	}
	if len(secrets) != 100 || len(ids) != 100 {
		t.Errorf("%d secrets and %d ids, want 100 of each", len(secrets), len(ids))
	}
}

// The empty string's digest is that of FIPS 180-4's test vectors.
func TestDigest(t *testing.T) {
	if got := Digest(""); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("digest %s", got)
	}
}

func TestEqual(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"abc", "abc", true}, {"abc", "abd", false}, {"abc", "ab", false}, {"", "", true}} {
		if got := Equal(tt.a, tt.b); got != tt.want {
			t.Errorf("Equal(%q, %q) = %v", tt.a, tt.b, got)
		}
	}
}

// A secret that is printed by mistake, in whatever way, is not in the output.
func TestSecretDoesNotPrint(t *testing.T) {
	const value = "open-sesame"
	cfg := struct {
		Password Secret `json:"password"`
	}{value}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "password", cfg.Password, "config", cfg)
	for how, got := range map[string]string{
		"%v": fmt.Sprintf("%v", cfg), "%+v": fmt.Sprintf("%+v", cfg), "%#v": fmt.Sprintf("%#v", cfg), "%s": fmt.Sprint(cfg.Password),
		"%q": fmt.Sprintf("%q", cfg.Password), "JSON": string(asJSON), "log": log.String(),
	} {
		if strings.Contains(got, value) || !strings.Contains(got, stars) {
			t.Errorf("%s: %s", how, got)
		}
	}
	if cfg.Password.Reveal() != value {
		t.Error("the value is lost")
	}
	if b, err := Secret("").MarshalText(); err != nil || len(b) > 0 {
		t.Errorf("an unset secret is %q, %v", b, err)
	}
}
