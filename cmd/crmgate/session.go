package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/audit"
)

func newSessionCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "session", Short: "See who is signed in, and end sessions", RunE: needSubcommand}
	cmd.AddCommand(newSessionListCommand(), newSessionRevokeCommand())
	return cmd
}

func newSessionListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List sessions", Args: noArgs}
	file := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			list, err := c.Sessions.Store.ListSessions(ctx, "")
			if err != nil {
				return err
			}
			lines := sessionLines(list)
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), lines)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "ID\tEMAIL\tPROVIDER\tSIGNED IN\tLAST SEEN\tADDRESS")
			for _, s := range lines {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Email, s.Provider, stamp(s.SignedInAt), stamp(s.LastSeen), s.Address)
			}
			return tw.Flush()
		})
	}
	return cmd
}

func newSessionRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "revoke", Short: "End one session", Args: noArgs}
	file := configFlag(cmd)
	id := cmd.Flags().String("id", "", "the session's `ID`")
	if err := cmd.MarkFlagRequired("id"); err != nil {
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			s, err := c.Sessions.Store.GetSession(ctx, *id)
			if err != nil {
				return err
			}
			if err := c.Sessions.Revoke(ctx, s.ID); err != nil {
				return err
			}
			c.Audit.Record(ctx, audit.Event{Kind: audit.SessionRevoked, AccountID: s.AccountID, Actor: actor, Provider: s.Provider})
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The session of %s has ended.\n", s.Email)
			return err
		})
	}
	return cmd
}
