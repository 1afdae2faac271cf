package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"crmgate/internal/fault"
)

// TestUsage holds what wrong usage gives: exit code 2, a sentence of ours on stderr that names the way out, and nothing on stdout.
func TestUsage(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"sesion", "list"}, "Did you mean this?"},
		{[]string{"user"}, `"crmgate user" needs one of clear-mfa, delete, disable, enable,`},
		{[]string{"user", "list"}, "name the configuration with -c FILE"},
		{[]string{"user", "show", "-c", "x"}, "name the account with --email or --id\n"},
		{[]string{"user", "show", "-c", "x", "--email", "a", "--id", "b"}, "not with both"},
		{[]string{"explain", "-c", "x"}, "--email and --request are missing"},
		{[]string{"session", "revoke", "-c", "x"}, "--id is missing"},
		{[]string{"check", "crmgate.yaml"}, "name the configuration with -c crmgate.yaml"},
		{[]string{"audit", "list", "--limit", "-1"}, "write a whole number"},
		{[]string{"audit", "export", "--since", "3"}, "such as 12h or 30d"},
		{[]string{"serve", "--nope"}, "unknown flag: --nope\n'crmgate serve --help' says more."},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), tt.args, &stdout, &stderr); code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			if got := stderr.String(); !strings.Contains(got, tt.want) || !strings.Contains(got, "--help' says more.") || strings.Contains(got, "strconv") {
				t.Errorf("stderr %q, want %q in it", got, tt.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("stdout %q", &stdout)
			}
		})
	}
}

func TestVersionFlag(t *testing.T) {
	var flag, command, stderr bytes.Buffer
	if run(t.Context(), []string{"--version"}, &flag, &stderr) != 0 || run(t.Context(), []string{"version"}, &command, &stderr) != 0 {
		t.Fatal(&stderr)
	}
	if flag.String() != command.String() || !strings.HasPrefix(flag.String(), "crmgate ") {
		t.Errorf("--version says %q, version says %q", &flag, &command)
	}
}

func TestSentence(t *testing.T) {
	cause := errors.New("the address needs an @")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"plain", cause, "the address needs an @"},
		{"with a cause", fault.Wrap(fault.Invalid, "Nobody can be invited.", cause), "Nobody can be invited. (the address needs an @)"},
		{"the cause is in the sentence", fault.Wrap(fault.Invalid, "Not at this address: the address needs an @.", cause), "Not at this address: the address needs an @."},
	} {
		if got := sentence(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
