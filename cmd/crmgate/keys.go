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
		Long: `Rotate makes a new key for the signed assertion (X-Crmgate-Assertion). Gateways sign with it within a minute and publish both at
/_gate/jwks.json; nobody is signed out.`}
	file := configFlag(rotate)
	rotate.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			id, err := c.RotateKeys(ctx, actor)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "New key %s. A running gateway signs with it within a minute.\n", id)
			return err
		})
	}
	cmd.AddCommand(rotate)
	return cmd
}
