package token

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSealer(t *testing.T) {
	older, newer := NewSealKey(time.Now()), NewSealKey(time.Now())
	before, err := NewSealer(older)
	if err != nil {
		t.Fatal(err)
	}
	after, err := NewSealer(newer, older)
	if err != nil {
		t.Fatal(err)
	}
	sealed := before.Seal("grant", []byte("a refresh token"))
	if strings.Contains(sealed, "refresh") || sealed == before.Seal("grant", []byte("a refresh token")) {
		t.Errorf("Seal = %q shows what it seals, or that two values are one", sealed)
	}
	if got, err := after.Open("grant", sealed); err != nil || string(got) != "a refresh token" {
		t.Errorf("Open after a rotation = %q, %v", got, err)
	}
	foreign, err := NewSealer(newer)
	if err != nil {
		t.Fatal(err)
	}
	id, body, _ := strings.Cut(sealed, ".")
	flipped := []byte(body)
	flipped[len(flipped)/2] ^= 1
	tests := []struct {
		name            string
		s               *Sealer
		purpose, sealed string
	}{
		{"other purpose", before, "totp", sealed},
		{"key gone", foreign, "grant", sealed},
		{"changed", before, "grant", id + "." + string(flipped)},
		{"cut short", before, "grant", sealed[:len(sealed)-8]},
		{"no key id", before, "grant", body},
		{"empty", before, "grant", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := tt.s.Open(tt.purpose, tt.sealed); !errors.Is(err, ErrUnsealable) || got != nil {
				t.Errorf("Open = %q, %v; want ErrUnsealable", got, err)
			}
		})
	}
}

func TestNewSealerRefuses(t *testing.T) {
	if _, err := NewSealer(); err == nil {
		t.Error("no key seals")
	}
	if _, err := NewSealer(Key{ID: "x", Material: []byte("short")}); err == nil {
		t.Error("a short key seals")
	}
}
