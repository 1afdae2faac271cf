package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"crmgate/internal/config"
)

// onlineCheck tries what a sound configuration names: providers, mail, stores, the CRM. A finding needs only its Path and
// Message; file and line are added.
type onlineCheck func(ctx context.Context, cfg *config.Config) []config.Finding

// newCheckCommand returns `crmgate check`. Online is asked with --online; nil where there is none.
func newCheckCommand(online onlineCheck) *cobra.Command {
	c := check{env: os.LookupEnv}
	var wantOnline bool
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Name every fault of a configuration file",
		Long: `Check names every fault of a configuration file at once, each with its line and what to do, and runs access.tests.
With --online it also tries what the file names: providers, mail server, stores and the CRM.

Exit codes: 0 no fault, 1 faults, 2 wrong usage. Warnings are shown and do not count.`,
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wantOnline {
				c.online = online
			}
			return c.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVarP(&c.file, "config", "c", "", "configuration `FILE`")
	cmd.Flags().BoolVar(&wantOnline, "online", false, "also try what the file names")
	cmd.Flags().BoolVar(&c.json, "json", false, "print the findings as JSON")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	return cmd
}

// noArguments refuses words after the flags.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError(fmt.Errorf("unexpected argument %q", args[0]))
	}
	return nil
}

// check is one run of `crmgate check`.
type check struct {
	file   string
	json   bool
	env    func(string) (string, bool)
	online onlineCheck
}

// run prints the findings on stdout and one sentence about them on stderr.
func (c check) run(ctx context.Context, stdout, stderr io.Writer) error {
	if c.file == "" {
		return usageError(errors.New("name the configuration file: crmgate check -c crmgate.yaml"))
	}
	cfg, report := config.Load(c.file, c.env)
	if cfg != nil {
		for _, p := range cfg.RunAccessTests() {
			report.Add(config.Finding{Path: p.Path, Message: p.Message, Hint: p.Hint, Warning: p.Warning})
		}
		if c.online != nil {
			report.Add(c.online(ctx, cfg)...)
		}
	}
	if err := c.print(report, stdout, stderr); err != nil {
		return err
	}
	if !report.OK() {
		return exitError{code: exitWorld}
	}
	return nil
}

func (c check) print(report *config.Report, stdout, stderr io.Writer) error {
	if c.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		err := enc.Encode(struct {
			File     string           `json:"file"`
			OK       bool             `json:"ok"`
			Findings []config.Finding `json:"findings"`
		}{c.file, report.OK(), append([]config.Finding{}, report.Findings...)})
		if err != nil {
			return fmt.Errorf("print findings: %w", err)
		}
		return nil
	}
	if err := report.Print(stdout); err != nil {
		return err
	}
	faults := report.Faults()
	warnings := len(report.Findings) - faults
	switch {
	case faults > 0:
		fmt.Fprintf(stderr, "%s: %s. crmgate will not start with this file; correct the lines above.\n", c.file, count(faults, "fault"))
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
