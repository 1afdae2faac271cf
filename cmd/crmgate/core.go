package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

// actor is how the audit trail names the command line.
const actor = "cli"

// configFlag adds -c to a command, and to the line that shows how to use it: nothing works without.
func configFlag(cmd *cobra.Command) *string {
	cmd.Use += " -c FILE"
	return cmd.Flags().StringP("config", "c", "", "the configuration `FILE`")
}

// loadConfig reads the file and prints everything it found to stderr where there is a fault. Warnings alone do not stop it and are
// returned: the server logs them, an administrative command with one thing to say does not.
func loadConfig(path string, stderr io.Writer) (cfg *config.Config, warnings []config.Finding, err error) {
	if path == "" {
		return nil, nil, usageError(errors.New("name the configuration with -c FILE"))
	}
	cfg, report := config.Load(path, os.LookupEnv)
	if n := report.Faults(); n > 0 {
		if err := report.Print(stderr); err != nil {
			return nil, nil, err
		}
		return nil, nil, exitError{code: 1, err: fmt.Errorf("%s has %s; nothing was started", path, count(n, "fault"))}
	}
	return cfg, report.Findings, nil
}

// withCore opens the stores for one administrative command and closes them again.
func withCore(cmd *cobra.Command, path string, do func(ctx context.Context, c *app.Core) error) error {
	cfg, _, err := loadConfig(path, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	return useCore(cmd, cfg, do)
}

// withRecords is withCore for commands that read accounts, events or mails and have no business with sessions: they work, too, on the day on
// which the store of sessions is what people ask about.
func withRecords(cmd *cobra.Command, path string, do func(ctx context.Context, c *app.Core) error) error {
	cfg, _, err := loadConfig(path, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	alone := *cfg
	alone.Session.Store = "sql"
	return useCore(cmd, &alone, do)
}

func useCore(cmd *cobra.Command, cfg *config.Config, do func(ctx context.Context, c *app.Core) error) error {
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	core, err := app.OpenCore(cmd.Context(), cfg, log)
	if err != nil {
		return err
	}
	core.SendAtOnce()
	return errors.Join(do(cmd.Context(), core), core.Close())
}

// printJSON writes v for machines.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// stamp prints a time for people, "never" for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04 MST")
}
