package mfa_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/mfa"
)

func TestRecoveryCodes(t *testing.T) {
	w := newWorld(t)
	who, other := w.person(t), w.person(t)
	codes, err := w.NewRecoveryCodes(t.Context(), who.ID)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := w.NewRecoveryCodes(t.Context(), other.ID)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range append(slices.Clone(codes), theirs...) {
		canonical, ok := mfa.CanonicalRecovery(c)
		if seen[canonical] || !ok || len(canonical)*5 < 112 || strings.Contains(string(must(w.store.ListFactors(t.Context(), who.ID))), canonical) {
			t.Errorf("code %s is short, double or stored", c)
		}
		seen[canonical] = true
	}
	if len(codes) != 10 {
		t.Fatalf("%d codes", len(codes))
	}
	check := func(typed string) error {
		_, err := w.Check(t.Context(), who, mfa.Recovery, nil, code(typed))
		return err
	}
	sloppy := strings.ReplaceAll(strings.ToUpper(strings.ReplaceAll(codes[0], "-", " ")), "0", "O")
	if err := check(sloppy); err != nil {
		t.Errorf("as people type it (%s): %v", sloppy, err)
	}
	for name, typed := range map[string]string{"used": codes[0], "somebody else's": theirs[0], "empty": "", "half": codes[1][:14], "hostile": codes[1] + "\x00"} {
		if err := check(typed); !errors.Is(err, mfa.ErrWrong) {
			t.Errorf("%s: %v, want ErrWrong", name, err)
		}
	}
	if n, err := w.RecoveryLeft(t.Context(), who.ID); n != 9 || err != nil {
		t.Errorf("%d left, %v", n, err)
	}
	if _, err := w.NewRecoveryCodes(t.Context(), who.ID); err != nil {
		t.Fatal(err)
	}
	if err := check(codes[1]); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("a code of the set before: %v", err)
	}
}

func TestIssuedRecoveryCode(t *testing.T) {
	w := newWorld(t)
	who := w.person(t)
	first, err := w.IssueRecoveryCode(t.Context(), who.ID, "cli")
	if err != nil {
		t.Fatal(err)
	}
	if has, err := w.Has(t.Context(), who.ID); has || err != nil {
		t.Errorf("Has = %v, %v: a recovery code is no factor", has, err)
	}
	w.now = w.now.Add(23 * time.Hour)
	second, err := w.IssueRecoveryCode(t.Context(), who.ID, "cli")
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Hour)
	if _, err := w.Check(t.Context(), who, mfa.Recovery, nil, code(first)); !errors.Is(err, mfa.ErrWrong) {
		t.Errorf("after a day: %v", err)
	}
	if _, err := w.Check(t.Context(), who, mfa.Recovery, nil, code(second)); err != nil {
		t.Errorf("within a day: %v", err)
	}
	if !slices.Contains(w.audit.kinds, audit.RecoveryIssued) {
		t.Errorf("not recorded: %v", w.audit.kinds)
	}
}
