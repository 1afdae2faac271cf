package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/bearer"
	"crmgate/internal/config"
)

func newTokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Access tokens with which programs use the CRM in somebody's name", RunE: needSubcommand}
	cmd.AddCommand(newTokenListCommand(), newTokenCreateCommand(), newTokenRevokeCommand())
	return cmd
}

func newTokenListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List access tokens", Args: noArgs}
	file := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	email := cmd.Flags().String("email", "", "only those of this `ADDRESS` or user name")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withRecords(cmd, *file, func(ctx context.Context, c *app.Core) error {
			list, err := tokensOf(ctx, c, *email)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), append([]bearer.Token{}, list...))
			}
			name := names(ctx, c)
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "ID\tNAME\tOWNER\tPATHS\tMETHODS\tEXPIRES\tLAST USED\tFROM")
			for _, t := range list {
				methods := strings.Join(t.Methods, ",")
				if methods == "" {
					methods = "all"
				}
				expires := stamp(t.ExpiresAt)
				if !time.Now().Before(t.ExpiresAt) {
					expires = "ended " + expires
				}
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, printable(t.Name), printable(name(t.AccountID)), strings.Join(t.Paths, ","), methods,
					expires, stamp(t.LastUsedAt), t.LastUsedFrom)
			}
			return tw.Flush()
		})
	}
	return cmd
}

// tokensOf returns the tokens of every account with an address, or all for "".
func tokensOf(ctx context.Context, c *app.Core, email string) ([]bearer.Token, error) {
	if email == "" {
		return c.Tokens.List(ctx, "")
	}
	accounts, err := c.Accounts.Find(ctx, email)
	if err != nil {
		return nil, err
	}
	var all []bearer.Token
	for _, a := range accounts {
		list, err := c.Tokens.List(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

func newTokenCreateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create", Short: "Make an access token and print it, once", Args: noArgs,
		Long: `Create makes an access token for an account and prints it on a line of its own; it is not kept and cannot be shown again. A program sends it as

  Authorization: Bearer cmg_...

and the CRM is told the same about it as about its owner, within the paths and methods that the token names and under the same rules.`,
		Example: `  crmgate token create -c crmgate.yaml --email import@example.com --name "nightly import" --paths "/api/**" --methods GET,POST --expires 90d`,
	}
	file, who := configFlag(cmd), targetFlags(cmd)
	var w bearer.Wanted
	cmd.Flags().StringVar(&w.Name, "name", "", "what it is for, a `NAME` to recognise it by")
	cmd.Flags().StringSliceVar(&w.Paths, "paths", nil, "comma-separated path `PATTERNS`, as in access.rules; /** is every path")
	cmd.Flags().StringSliceVar(&w.Methods, "methods", nil, "comma-separated `METHODS`; default every one")
	expires := cmd.Flags().String("expires", "", "how long it lives, such as 90d; default tokens.max_lifetime")
	for _, name := range []string{"name", "paths"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			return nil
		}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *expires != "" {
			d, err := config.ParseDuration(*expires)
			if err != nil || d <= 0 {
				return usageError(errors.New("--expires wants a number with a unit, such as 90d"))
			}
			w.Lifetime = d
		}
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			a, err := who.find(ctx, c.Accounts)
			if err != nil {
				return err
			}
			w.AccountID = a.ID
			t, secret, err := c.Tokens.Create(ctx, w, actor)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "Token %s of %s, good until %s. It is shown this once:\n", t.ID, a.Email, stamp(t.ExpiresAt))
			_, err = fmt.Fprintln(cmd.OutOrStdout(), secret)
			return err
		})
	}
	return cmd
}

func newTokenRevokeCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "revoke", Short: "End one access token, or all of one person", Args: noArgs}
	file := configFlag(cmd)
	id := cmd.Flags().String("id", "", "the token's `ID`")
	email := cmd.Flags().String("email", "", "all tokens of this `ADDRESS` or user name")
	cmd.MarkFlagsMutuallyExclusive("id", "email")
	cmd.MarkFlagsOneRequired("id", "email")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			ids := []string{*id}
			if *email != "" {
				list, err := tokensOf(ctx, c, *email)
				if err != nil {
					return err
				}
				ids = nil
				for _, t := range list {
					ids = append(ids, t.ID)
				}
			}
			for _, id := range ids {
				if err := c.Tokens.Revoke(ctx, "", id, actor); err != nil {
					return err
				}
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s ended; a running gateway refuses within two seconds.\n", count(len(ids), "token"))
			return err
		})
	}
	return cmd
}
