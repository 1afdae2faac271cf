// Command crmgate is the gateway in front of a company's CRM. The subcommands are one file each; they read flags, call package
// app and choose the exit code: 0 done, 1 the input or the world is wrong, 2 wrong usage. cobra brings help, shell completion and
// "did you mean", and its pflag is in the graph of viper anyway.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // access rules name time zones, and containers often have no database of them

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main that a test can call.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "crmgate",
		Short:         "A gateway that lets employees into a CRM with the account they already have",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(cmd.ErrOrStderr())
			return errors.Join(cmd.Help(), exitError{code: 2})
		},
	}
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(errors.New(usageSentence(err))) })
	root.AddCommand(
		newDemoCommand(), newServeCommand(), newCheckCommand(), newExplainCommand(), newSchemaCommand(),
		newUserCommand(), newPasswordsCommand(), newMailCommand(), newSessionCommand(), newAuditCommand(), newKeysCommand(), newTokenCommand(), newVersionCommand(),
	)
	root.Version = version()
	root.SetVersionTemplate("crmgate {{.Version}}\n")
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	var e exitError
	switch {
	case errors.As(err, &e):
		if e.err != nil {
			fmt.Fprintf(stderr, "crmgate: %v\n", e.err)
		}
		if e.code == 2 && e.err != nil {
			fmt.Fprintf(stderr, "'%s --help' says more.\n", cmd.CommandPath())
		}
		return e.code
	case isCobraUsage(err):
		fmt.Fprintf(stderr, "crmgate: %s\n'%s --help' says more.\n", usageSentence(err), cmd.CommandPath())
		return 2
	}
	fmt.Fprintf(stderr, "crmgate: %s\n", sentence(err))
	return 1
}
