package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
)

func newKeysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "Look after the gateway's own keys", RunE: needSubcommand}
	rotate := &cobra.Command{Use: "rotate", Short: "Make a new key for the signed assertion; the old one stays published for a day", Args: noArgs,
		Long: `Rotate makes a new key for the signed assertion (X-Crmgate-Assertion). Gateways sign with it within seconds and publish both at
/_gate/jwks.json; nobody is signed out. The old key goes after a day.

With --revoke-old the old keys go at once: gateways sign with the new one within seconds, and what the old ones signed is worth nothing as
soon as the CRM reads jwks.json again.`}
	file := configFlag(rotate)
	revokeOld := rotate.Flags().Bool("revoke-old", false, "withdraw the old keys at once, where one has become known")
	rotate.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			id, err := c.RotateKeys(ctx, actor, *revokeOld)
			if err != nil {
				return err
			}
			old := "The old one stays published for a day."
			if *revokeOld {
				old = "The old ones are withdrawn: let the CRM read jwks.json again where it keeps a copy."
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "New key %s. A running gateway signs with it within seconds. %s\n", id, old)
			return err
		})
	}
	cmd.AddCommand(rotate)
	return cmd
}
