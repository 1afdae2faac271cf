package main

import (
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"crmgate/internal/demo"
)

func newDemoCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "demo", Short: "Try everything in one process, without configuration", Args: noArgs,
		Long: `Demo runs the gateway in front of a small CRM, with a company's OpenID Provider and an inbox that catches all mail, on loopback addresses
only. It prints who can sign in and what to try. Ctrl-C ends it and removes everything, except what --data keeps.`}
	var opts demo.Options
	cmd.Flags().StringVar(&opts.Listen, "listen", "127.0.0.1:8080", "the loopback `ADDRESS` to listen on")
	cmd.Flags().StringVar(&opts.DataDir, "data", "", "keep the data in this `DIR` for the next time; default a temporary one that is removed")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.Program = called(os.Args[0])
		opts.Out = cmd.OutOrStdout()
		opts.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		return demo.Run(cmd.Context(), opts)
	}
	return cmd
}

// called is how to start this program again: as it was started, or with `go run` where that built it.
func called(program string) string {
	if strings.Contains(program, "/go-build") {
		return "go run ./cmd/crmgate"
	}
	return program
}
