package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
)

func newUserClearFactorsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "clear-mfa", Short: "Take every second factor of an account away", Args: noArgs,
		Long: `Clear-mfa takes passkeys, authenticator apps, phone numbers, recovery codes and remembered devices of an account away, and ends its sessions. Do
it only for somebody whom you know to be the owner: until they set up another factor, their password alone lets in. Somebody who has lost
everything only for today is better served by 'crmgate user recovery-code'.`}
	file, who := configFlag(cmd), targetFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			a, err := who.find(ctx, c.Accounts)
			if err != nil {
				return err
			}
			n, err := c.Factors.Clear(ctx, a.ID, actor)
			if err != nil {
				return err
			}
			if err := c.Accounts.Revoke(ctx, a.ID, actor); err != nil {
				return err
			}
			c.Accounts.FactorChanged(ctx, a.ID, "All second steps were removed.", actor)
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has no second factors any more (there were %d); its sessions have ended.\n", a.Email, n)
			return err
		})
	}
	return cmd
}

func newUserRecoveryCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "recovery-code", Short: "Print a code that lets somebody past a lost second factor once", Args: noArgs,
		Long: `Recovery-code prints one code on a line of its own. Read it out to somebody whom you know to be the owner of the account: it takes the place of
their second factor once, within a day. Their password is asked for all the same.`}
	file, who := configFlag(cmd), targetFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			a, err := who.find(ctx, c.Accounts)
			if err != nil {
				return err
			}
			code, err := c.Factors.IssueRecoveryCode(ctx, a.ID, actor)
			if err != nil {
				return err
			}
			c.Accounts.FactorChanged(ctx, a.ID, "A recovery code was made for you to use once, within a day.", actor)
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), code); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "It works once for %s, until this time tomorrow.\n", a.Email)
			return nil
		})
	}
	return cmd
}
