package fault_test

import (
	"testing"

	"crmgate/internal/fault"
)

func TestNearest(t *testing.T) {
	words := []string{"anyone", "signed_in", "nobody"}
	for _, tc := range []struct{ word, want string }{
		{"anyone", "anyone"},
		{"everyone", ""},
		{"any_one", "anyone"},
		{"singed_in", "signed_in"},
		{"signedin", "signed_in"},
		{"nobdoy", "nobody"},
		{"", ""},
		{"administrators", ""},
	} {
		t.Run(tc.word, func(t *testing.T) {
			if got := fault.Nearest(tc.word, words...); got != tc.want {
				t.Errorf("Nearest(%q) = %q, want %q", tc.word, got, tc.want)
			}
		})
	}
}
