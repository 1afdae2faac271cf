package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/mail"
)

func newMailCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "mail", Short: "Look after mails on their way", RunE: needSubcommand}
	list := &cobra.Command{Use: "list", Short: "List mails that wait and those that were given up", Args: noArgs,
		Long: `List shows the mails that wait for the mail server, with the reason of the last failure, and for a week those that were given up. What a
mail says is not shown: it may hold a link that opens an account.`}
	file := configFlag(list)
	asJSON := list.Flags().Bool("json", false, "print JSON")
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		return withRecords(cmd, *file, func(ctx context.Context, c *app.Core) error {
			all, err := c.DB.ListMails(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				if all == nil {
					all = []mail.Letter{}
				}
				return printJSON(cmd.OutOrStdout(), all)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "MADE\tTO\tMAIL\tTRIES\tSTATE\tREASON")
			for _, l := range all {
				state := "next try " + stamp(l.DueAt)
				if !l.DeadAt.IsZero() {
					state = "given up " + stamp(l.DeadAt)
				}
				fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\n", stamp(l.CreatedAt), l.To, l.Template, l.Tries, state, l.Reason)
			}
			return tw.Flush()
		})
	}
	cmd.AddCommand(list)
	return cmd
}
