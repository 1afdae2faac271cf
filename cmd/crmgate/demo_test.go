package main

import "testing"

func TestCalled(t *testing.T) {
	for in, want := range map[string]string{
		"/tmp/go-build123/b001/exe/crmgate": "go run ./cmd/crmgate",
		"./crmgate":                         "./crmgate",
		"crmgate":                           "crmgate",
	} {
		if got := called(in); got != want {
			t.Errorf("called(%q) = %s, want %s", in, got, want)
		}
	}
}
