package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"crmgate/internal/demo"
)

func newDemoCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "demo", Short: "Try everything in one process, without configuration", Args: noArgs}
	var opts demo.Options
	cmd.Flags().StringVar(&opts.Listen, "listen", "127.0.0.1:8080", "the loopback `ADDRESS` to listen on")
	cmd.Flags().StringVar(&opts.DataDir, "data", "", "keep the data in this `DIR`; default a temporary one that is removed")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.Out = cmd.OutOrStdout()
		opts.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		return demo.Run(cmd.Context(), opts)
	}
	return cmd
}
