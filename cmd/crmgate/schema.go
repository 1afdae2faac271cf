package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"crmgate/internal/config"
)

// newSchemaCommand returns `crmgate schema`.
func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the configuration file",
		Long: `Schema prints the JSON Schema of the configuration file, for completion and checking in editors. With the YAML language server:

  crmgate schema > crmgate.schema.json
  # yaml-language-server: $schema=crmgate.schema.json      (as the first line of crmgate.yaml)`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := config.Schema()
			if err != nil {
				return err
			}
			if _, err := cmd.OutOrStdout().Write(b); err != nil {
				return fmt.Errorf("print schema: %w", err)
			}
			return nil
		},
	}
}
