package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
)

func newExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain", Short: "Say where somebody signs in, which rule holds for a request, and what the CRM would be told", Args: noArgs,
		Example: `  crmgate explain -c crmgate.yaml --email ann@contoso.com --groups crm-admins --request "GET /admin/users"`,
	}
	file := configFlag(cmd)
	var q app.Question
	cmd.Flags().StringVar(&q.Email, "email", "", "the person's `ADDRESS`")
	cmd.Flags().StringSliceVar(&q.Groups, "groups", nil, "the person's `GROUPS`, comma-separated")
	cmd.Flags().StringVar(&q.Provider, "provider", "", "the `PROVIDER` they signed in at; default where their address belongs")
	request := cmd.Flags().String("request", "", "the `REQUEST`, such as \"GET /admin\"")
	for _, name := range []string{"email", "request"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			return nil
		}
	}
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var ok bool
		if q.Method, q.Path, ok = strings.Cut(*request, " "); !ok || !strings.HasPrefix(q.Path, "/") {
			return usageError(errors.New(`--request wants a method and a path, such as "GET /admin"`))
		}
		cfg, _, err := loadConfig(*file, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		answer, err := app.Explain(cfg, q)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), answer)
		}
		printExplanation(cmd.OutOrStdout(), q, answer)
		return nil
	}
	return cmd
}

func printExplanation(w io.Writer, q app.Question, a app.Explanation) {
	fmt.Fprintf(w, "%s signs in: %s\n", q.Email, a.SignIn)
	fmt.Fprintf(w, "%s %s: %s\n", q.Method, q.Path, a.Outcome)
	fmt.Fprintf(w, "  rule:     %s\n  because:  %s\n  upstream: %s\n", a.Rule, a.Reason, a.Upstream)
	for _, h := range a.Headers {
		fmt.Fprintf(w, "  header:   %s: %s\n", h.Name, h.Value)
	}
}
