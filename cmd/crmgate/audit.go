package main

import (
	"context"
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/audit"
)

func newAuditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Read the audit trail", RunE: needSubcommand}
	cmd.AddCommand(newAuditListCommand(), newAuditExportCommand())
	return cmd
}

func newAuditListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "Show the latest security events", Args: noArgs}
	file := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	limit := cmd.Flags().Int("limit", 50, "how many")
	reference := cmd.Flags().String("reference", "", "only the event with this reference `ID`, as an error page shows it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			events, err := c.DB.ListEvents(ctx, audit.Filter{Limit: *limit, Reference: *reference})
			if err != nil {
				return err
			}
			if *asJSON {
				if events == nil {
					events = []audit.Event{}
				}
				return printJSON(cmd.OutOrStdout(), events)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "TIME\tEVENT\tWHO\tPROVIDER\tREASON\tADDRESS\tREFERENCE")
			for _, e := range events {
				who := e.AccountID
				if who == "" {
					who = e.Identifier
				}
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", stamp(e.Time), e.Kind, printable(who), e.Provider, e.Reason, e.Address, e.Reference)
			}
			return tw.Flush()
		})
	}
	return cmd
}

func newAuditExportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "Write all security events as JSON lines, oldest first", Args: noArgs}
	file := configFlag(cmd)
	since := cmd.Flags().Duration("since", 0, "only the last `DURATION`, such as 720h")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			var f audit.Filter
			if *since > 0 {
				f.Since = time.Now().Add(-*since)
			}
			events, err := c.DB.ListEvents(ctx, f)
			if err != nil {
				return err
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			for i := len(events) - 1; i >= 0; i-- {
				if err := enc.Encode(events[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

// printable keeps what a stranger typed from writing control sequences to the administrator's terminal, or from turning text around.
func printable(s string) string {
	out := []rune(s)
	for i, c := range out {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			out[i] = '\ufffd'
		}
	}
	return string(out)
}
