package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/config"
)

func newServeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "serve", Short: "Run the gateway", Args: noArgs,
		Long: `Serve runs the gateway until SIGTERM or Ctrl-C and then lets requests finish for server.shutdown_grace. It logs to stderr. A changed file is
read at the next start, not at SIGHUP; 'crmgate check' says before whether it is sound. Certificates are read again when they change.`}
	file := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, warnings, err := loadConfig(*file, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		log := newLogger(cfg.Log, cmd.ErrOrStderr())
		defer takeLibraryLog(log)()
		for _, f := range warnings {
			log.Warn(f.Message, "file", f.File, "line", f.Line, "key", f.Path, "hint", f.Hint)
		}
		stop := answerHangup(*file, log)
		defer stop()
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

// answerHangup keeps SIGHUP, which says "read your configuration again" to many servers, from ending this one. It tells whether the file is
// fit for the restart that is needed.
func answerHangup(file string, log *slog.Logger) (stop func()) {
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-hangups:
			}
			if _, report := config.Load(file, os.LookupEnv); !report.OK() {
				log.Error("SIGHUP: the configuration is read at a restart only, and as it is now the gateway would not start", "file", file, "faults", report.Faults(), "hint", "crmgate check -c "+file)
				continue
			}
			log.Warn("SIGHUP: the configuration is read at a restart only; certificates are read again when they change", "file", file)
		}
	}()
	return func() { signal.Stop(hangups); close(done) }
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
