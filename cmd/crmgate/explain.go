package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
)

func newExplainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "explain", Short: "Say where somebody signs in, which rule holds for a request, and what the CRM would be told", Args: noArgs,
		Long: `Explain says where somebody signs in, how each rule of access.rules takes a request, which one decides, which of its conditions hold, and
which headers the CRM would get.

It reads the file alone, so groups are those that --groups names. What is known about the account itself, whether it is disabled or
locked, and its groups, says 'crmgate user show'; what happened to a person says 'crmgate audit list --email'.`,
		Example: `  crmgate explain -c crmgate.yaml --email ann@contoso.com --groups crm-admins --request "GET /admin/users"`,
	}
	file := configFlag(cmd)
	var q app.Question
	cmd.Flags().StringVar(&q.Email, "email", "", "the person's `ADDRESS`")
	cmd.Flags().StringSliceVar(&q.Groups, "groups", nil, "the person's `GROUPS`, comma-separated")
	cmd.Flags().StringVar(&q.Provider, "provider", "", "the `PROVIDER` they signed in at; default where their address belongs")
	cmd.Flags().StringVar(&q.Host, "host", "", "the `HOST` that the browser asks for, where upstreams name hosts; default that of public_url")
	cmd.Flags().StringVar(&q.Address, "address", "", "the client's IP `ADDRESS`, for rules that name networks")
	cmd.Flags().BoolVar(&q.Factor, "factor", false, "a second factor was proven just before")
	at := cmd.Flags().String("at", "", "the `MOMENT` of the request, such as 2026-03-02T09:30:00+01:00; default now")
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
		q.Method = strings.ToUpper(q.Method)
		if _, err := netip.ParseAddr(q.Address); q.Address != "" && err != nil {
			return usageError(errors.New("--address wants an IP address, such as 203.0.113.7"))
		}
		if *at != "" {
			var err error
			if q.At, err = time.Parse(time.RFC3339, *at); err != nil {
				return usageError(errors.New("--at wants date, time and offset, such as 2026-03-02T09:30:00+01:00"))
			}
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
	groups := "none; name some with --groups"
	if len(q.Groups) > 0 {
		groups = strings.Join(q.Groups, ", ")
	}
	fmt.Fprintf(w, "%s %s: %s\n  groups:   %s\n", q.Method, q.Path, a.Outcome, groups)
	for _, row := range [][2]string{{"rule", a.Rule}, {"because", a.Reason}, {"upstream", a.Upstream}} {
		if row[1] != "" {
			fmt.Fprintf(w, "  %-9s %s\n", row[0]+":", row[1])
		}
	}
	printRules(w, a)
	for _, h := range a.Headers {
		fmt.Fprintf(w, "  header:   %s: %s\n", h.Name, h.Value)
	}
}

// printRules shows the rules in their order and what the one that decides asks for. Rules behind it are not asked any more.
func printRules(w io.Writer, a app.Explanation) {
	for _, c := range a.Conditions {
		verdict := "fails:  "
		if c.Holds {
			verdict = "holds:  "
		}
		fmt.Fprintf(w, "  %s  %s\n", verdict, c.Wants)
	}
	for i, s := range a.Rules {
		what := "matches too, but is not asked"
		switch {
		case s.Decides:
			what = "decides"
		case s.Misses != "":
			what = "is about another " + s.Misses
		case i == len(a.Rules)-1:
			what = "is not reached"
		}
		fmt.Fprintf(w, "  rule %2d:  %s %s\n", i+1, s.Rule, what)
	}
}
