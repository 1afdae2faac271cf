package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"crmgate/internal/account"
	"crmgate/internal/app"
	"crmgate/internal/identity"
)

// newUserActCommand is a command that does one thing to one account.
func newUserActCommand(name, short, done string, act func(s *account.Service, ctx context.Context, id, actor string) error) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: noArgs}
	file, who := configFlag(cmd), targetFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			a, err := who.find(ctx, c.Accounts)
			if err != nil {
				return err
			}
			if err := act(c.Accounts, ctx, a.ID, actor); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s.\n", a.Email, done)
			return err
		})
	}
	return cmd
}

func newUserUnlockCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "unlock", Short: "End a lockout after wrong passwords", Args: noArgs,
		Long: `Unlock opens an account that is locked after wrong passwords, or with --network lets the network of a client address sign in again.`}
	file := configFlag(cmd)
	cmd.Use += " --email ADDRESS|--id ID|--network IP"
	who := target{
		email: cmd.Flags().String("email", "", "the account's `ADDRESS` (or the user name of a local account)"),
		id:    cmd.Flags().String("id", "", "the account's `ID`"),
	}
	network := cmd.Flags().String("network", "", "a client address, an `IP`")
	cmd.MarkFlagsMutuallyExclusive("email", "id", "network")
	cmd.MarkFlagsOneRequired("email", "id", "network")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			name := *network
			if name != "" {
				if err := c.Accounts.UnlockNetwork(ctx, name, actor); err != nil {
					return err
				}
			} else {
				a, err := who.find(ctx, c.Accounts)
				if err != nil {
					return err
				}
				if err := c.Accounts.Unlock(ctx, a.ID, actor); err != nil {
					return err
				}
				name = a.Email
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s is unlocked.\n", name)
			return err
		})
	}
	return cmd
}

func newUserRestoreCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "restore", Short: "Bring a removed account back", Args: noArgs,
		Long: `Restore brings an account back that was removed within the last 30 days, with its password and groups. 'crmgate user list --deleted' shows them.`}
	file, who := configFlag(cmd), targetFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			id := *who.id
			if id == "" {
				found, err := c.Accounts.FindRemoved(ctx, identity.Normalize(*who.email))
				if err != nil {
					return err
				}
				a, err := one(found, *who.email, "no removed account has the address or user name %s; 'crmgate user list --deleted' shows who was removed")
				if err != nil {
					return err
				}
				id = a.ID
			}
			if err := c.Accounts.Restore(ctx, id, actor); err != nil {
				return err
			}
			a, err := c.Accounts.Store.GetAccount(ctx, id)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is back.\n", a.Email)
			return err
		})
	}
	return cmd
}
