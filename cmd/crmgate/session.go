package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/audit"
	"crmgate/internal/session"
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
			lines := sessionLines(list, time.Now())
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

// sessionLine is a session as listings show it: nothing that opens one.
type sessionLine struct {
	ID         string    `json:"id"`
	AccountID  string    `json:"account_id"`
	Email      string    `json:"email"`
	Provider   string    `json:"provider"`
	SignedInAt time.Time `json:"signed_in_at"`
	LastSeen   time.Time `json:"last_seen"`
	ExpiresAt  time.Time `json:"expires_at"`
	Address    string    `json:"address"`
	UserAgent  string    `json:"user_agent"`
}

// sessionLines leaves out what has ended by itself and is only not swept away yet: nobody is signed in with it.
func sessionLines(list []*session.Session, now time.Time) []sessionLine {
	out := make([]sessionLine, 0, len(list))
	for _, s := range list {
		if !s.Live(now) {
			continue
		}
		out = append(out, sessionLine{
			ID: s.ID, AccountID: s.AccountID, Email: s.Email, Provider: s.Provider, SignedInAt: s.SignedInAt,
			LastSeen: s.LastSeen, ExpiresAt: s.ExpiresAt, Address: s.Address, UserAgent: s.UserAgent,
		})
	}
	return out
}
