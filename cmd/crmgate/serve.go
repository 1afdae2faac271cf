package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "serve", Short: "Run the gateway", Args: noArgs,
		Long: `Serve runs the gateway until SIGTERM or Ctrl-C and then lets requests finish for server.shutdown_grace. It logs to stderr. A changed file is
read at the next start; 'crmgate check' says before whether it is sound.`}
	file := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, warnings, err := loadConfig(*file, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		log := newLogger(cfg.Log, cmd.ErrOrStderr())
		for _, f := range warnings {
			log.Warn(f.Message, "file", f.File, "line", f.Line, "key", f.Path, "hint", f.Hint)
		}
		a, err := app.Open(cmd.Context(), cfg, log)
		if err != nil {
			return err
		}
		if err := a.Run(cmd.Context()); err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	}
	return cmd
}

// newLogger writes the log as the configuration says.
func newLogger(cfg config.LogConfig, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Level)); err != nil {
		level = slog.LevelInfo // Validate has refused everything else
	}
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}
