package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

// configFlag adds -c to a command.
func configFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("config", "c", "", "the configuration `FILE`")
}

// loadConfig reads the file and prints every fault to stderr. Warnings alone do not stop it.
func loadConfig(path string, stderr io.Writer) (*config.Config, error) {
	if path == "" {
		return nil, usageError(errors.New("name the configuration with -c FILE"))
	}
	cfg, report := config.Load(path, os.LookupEnv)
	if err := report.Print(stderr); err != nil {
		return nil, err
	}
	if n := report.Faults(); n > 0 {
		return nil, exitError{code: 1, err: fmt.Errorf("%s has %d fault(s); nothing was started", path, n)}
	}
	return cfg, nil
}

// withCore opens the stores for one administrative command and closes them again.
func withCore(cmd *cobra.Command, path string, do func(ctx context.Context, c *app.Core) error) error {
	cfg, err := loadConfig(path, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	core, err := app.OpenCore(cmd.Context(), cfg, log)
	if err != nil {
		return err
	}
	err = core.WithMail(cmd.Context(), func(ctx context.Context) error { return do(ctx, core) })
	return errors.Join(err, core.Close())
}

// printJSON writes v for machines.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
