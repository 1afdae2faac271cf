package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

// onlineCheck tries what a sound configuration names. A finding needs only its path and message; file and line are added.
type onlineCheck func(ctx context.Context, cfg *config.Config) []config.Finding

// newCheckCommand returns `crmgate check`.
func newCheckCommand() *cobra.Command {
	return checkCommand(func(ctx context.Context, cfg *config.Config) []config.Finding {
		// What the tries log on the way is in the findings too.
		return app.Online(ctx, cfg, slog.New(slog.DiscardHandler))
	})
}

func checkCommand(online onlineCheck) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Name every fault of a configuration file",
		Long: `Check names every fault of a configuration file at once, each with its line and what to do, and runs access.tests.
With --online it also tries what the file names: providers, mail server, stores and the CRM.

Exit codes: 0 no fault, 1 faults, 2 wrong usage. Warnings are shown and do not count.`,
		Args: noArgs,
	}
	file := configFlag(cmd)
	wantOnline := cmd.Flags().Bool("online", false, "also try what the file names")
	asJSON := cmd.Flags().Bool("json", false, "print the findings as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c := check{file: *file, json: *asJSON, env: os.LookupEnv}
		if *wantOnline {
			c.online = online
		}
		return c.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// check is one run of `crmgate check`.
type check struct {
	file string
	json bool
	env  func(string) (string, bool)
	// online is nil where the file alone is checked.
	online onlineCheck
}

// run prints the findings on stdout and one sentence about them on stderr.
func (c check) run(ctx context.Context, stdout, stderr io.Writer) error {
	if c.file == "" {
		return usageError(errors.New("name the configuration with -c FILE"))
	}
	cfg, report := config.Load(c.file, c.env)
	if cfg != nil {
		pages := app.CheckPages(cfg)
		for _, p := range append(app.RunAccessTests(cfg), pages...) {
			report.Add(config.Finding{Path: p.Path, Message: p.Message, Hint: p.Hint, Warning: p.Warning})
		}
		if c.online != nil && len(pages) == 0 { // without pages nothing opens that could be tried
			report.Add(c.online(ctx, cfg)...)
		}
	}
	if err := c.print(report, stdout, stderr); err != nil {
		return err
	}
	if !report.OK() {
		return exitError{code: 1}
	}
	return nil
}

func (c check) print(report *config.Report, stdout, stderr io.Writer) error {
	if c.json {
		return printJSON(stdout, struct {
			File     string           `json:"file"`
			OK       bool             `json:"ok"`
			Findings []config.Finding `json:"findings"`
		}{c.file, report.OK(), append([]config.Finding{}, report.Findings...)})
	}
	if err := report.Print(stdout); err != nil {
		return err
	}
	faults := report.Faults()
	warnings := len(report.Findings) - faults
	switch {
	case faults > 0:
		fmt.Fprintf(stderr, "%s: %s; the lines above say where and what to do.\n", c.file, count(faults, "fault"))
	case warnings > 0:
		fmt.Fprintf(stderr, "%s: no fault, %s.\n", c.file, count(warnings, "warning"))
	default:
		fmt.Fprintf(stdout, "%s: no fault.\n", c.file)
	}
	return nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
