package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"crmgate/internal/account"
)

func newPasswordsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "passwords", Short: "Prepare the check for stolen passwords", RunE: needSubcommand}
	build := &cobra.Command{Use: "build-filter --in FILE --out FILE", Short: "Make a filter file for local.password.breach_check", Args: noArgs,
		Long: `Build-filter reads SHA-1 digests of stolen passwords, one a line, with or without ":count" as the Pwned Passwords list has them, and writes a
small file that answers offline whether a password is among them. Name it in local.password.breach_check. Every password of the list is found;
of a thousand others one is refused by mistake. File and memory take 1.8 bytes for each digest: --at-least 10 leaves out the rare ones
and makes it far smaller.`}
	in := build.Flags().String("in", "", "list of digests, a `FILE`")
	out := build.Flags().String("out", "", "the filter, a `FILE` that is made or replaced")
	atLeast := build.Flags().Int("at-least", 1, "leave out what was seen fewer than `N` times")
	for _, name := range []string{"in", "out"} {
		if err := build.MarkFlagRequired(name); err != nil {
			return nil
		}
	}
	build.RunE = func(cmd *cobra.Command, _ []string) error {
		n, err := account.BuildFilter(*in, *out, *atLeast)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s holds %d digests. Name it in local.password.breach_check.\n", *out, n)
		return err
	}
	cmd.AddCommand(build)
	return cmd
}
