package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"crmgate/internal/fault"
)

// exitError ends the program with a code. A nil err has been told already.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return "exit"
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// usageError marks an error as wrong usage.
func usageError(err error) error { return exitError{code: 2, err: err} }

// isCobraUsage recognises the usage errors that cobra returns without a type of their own.
func isCobraUsage(err error) bool {
	s := err.Error()
	return strings.HasPrefix(s, "unknown command") || strings.HasPrefix(s, "required flag") || strings.HasPrefix(s, "if any flags in the group") ||
		strings.HasPrefix(s, "at least one of the flags")
}

// usageSentence says in our words what cobra says in its own.
func usageSentence(err error) string {
	switch s := err.Error(); {
	case strings.HasPrefix(s, "at least one of the flags"):
		return "name the account with --email or --id"
	case strings.HasPrefix(s, "if any flags in the group"):
		return "name the account with --email or --id, not with both"
	case strings.HasPrefix(s, "required flag"):
		var flags []string
		for i, part := range strings.Split(s, `"`) {
			if i%2 == 1 {
				flags = append(flags, "--"+part)
			}
		}
		return strings.Join(flags, " and ") + map[bool]string{true: " is", false: " are"}[len(flags) == 1] + " missing"
	case strings.Contains(s, ": strconv."):
		return s[:strings.Index(s, ": strconv.")] + ": write a whole number"
	default:
		return strings.TrimRight(s, "\n")
	}
}

// noArgs refuses words that no flag takes.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		hint := ""
		if ext := filepath.Ext(args[0]); (ext == ".yaml" || ext == ".yml") && cmd.Flags().Lookup("config") != nil {
			hint = "; name the configuration with -c " + args[0]
		}
		return usageError(fmt.Errorf("unknown word %q for %q%s", args[0], cmd.CommandPath(), hint))
	}
	return nil
}

// needSubcommand answers a group of commands that was called without one of them, or with a word that is none.
func needSubcommand(cmd *cobra.Command, args []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	said := ""
	if len(args) > 0 {
		said = fmt.Sprintf(", not %q", args[0])
	}
	return usageError(fmt.Errorf("%q needs one of %s%s", cmd.CommandPath(), strings.Join(names, ", "), said))
}

// sentence is what stderr shows of an error: the user's sentence where there is one, with its cause, which an administrator may see.
func sentence(err error) string {
	var e *fault.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	if e.Kind == fault.Conflict {
		return e.Sentence // what stands behind it is the database's way to say the same
	}
	if cause := errors.Unwrap(e); cause != nil && !strings.Contains(e.Sentence, cause.Error()) {
		return e.Sentence + " (" + cause.Error() + ")"
	}
	return e.Sentence
}
