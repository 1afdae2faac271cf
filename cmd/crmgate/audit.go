package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"crmgate/internal/app"
	"crmgate/internal/audit"
	"crmgate/internal/config"
)

func newAuditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Read the audit trail", RunE: needSubcommand}
	cmd.AddCommand(newAuditListCommand(), newAuditExportCommand())
	return cmd
}

func newAuditListCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "Show the latest security events", Args: noArgs,
		Long: `List shows the latest security events, newest first: sign-ins and refusals with their reason, invitations, resets, and what
administrators did. An error page shows a reference; --reference tells everything about it: for a page that was refused the rule, the conditions
that failed and the request. Where it is not found here, the gateway's log has a line with it.`,
		Example: `  crmgate audit list -c crmgate.yaml --email pat@partner.example --since 1d
  crmgate audit list -c crmgate.yaml --event sign_in_refused,access_refused --since 2h
  crmgate audit list -c crmgate.yaml --reference 1f1439b6413593baf9e2e642cc0ca9a5`,
	}
	file := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	limit := cmd.Flags().Uint("limit", 50, "show `N` of them; 0 is all")
	email := cmd.Flags().String("email", "", "only what concerns this `ADDRESS` or user name")
	kinds := cmd.Flags().StringSlice("event", nil, "only these `EVENTS`, comma-separated, as the column shows them: sign_in_refused,access_refused")
	reference := cmd.Flags().String("reference", "", "only the events with this reference `ID`, as an error page shows it")
	since := sinceFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withRecords(cmd, *file, func(ctx context.Context, c *app.Core) error {
			f := audit.Filter{Limit: int(*limit), Reference: *reference, Since: since.start(time.Now())}
			for _, k := range *kinds {
				f.Kinds = append(f.Kinds, audit.Kind(k))
			}
			events, err := eventsOf(ctx, c, *email, f)
			if err != nil {
				return err
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), append([]audit.Event{}, events...))
			}
			if len(events) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "No security event fits.")
				return nil
			}
			if *reference != "" {
				return printEventsInFull(ctx, cmd.OutOrStdout(), c, events)
			}
			return printEvents(ctx, cmd.OutOrStdout(), c, events)
		})
	}
	return cmd
}

// eventsOf lists events, newest first. With an email they are those of every account that has it, and those where it was typed and
// nobody was recognised.
func eventsOf(ctx context.Context, c *app.Core, email string, f audit.Filter) ([]audit.Event, error) {
	if email == "" {
		return c.DB.ListEvents(ctx, f)
	}
	accounts, err := c.Accounts.Find(ctx, email)
	if err != nil {
		return nil, err
	}
	typed := f
	typed.Identifier = email
	filters := []audit.Filter{typed}
	for _, a := range accounts {
		g := f
		g.AccountID = a.ID
		filters = append(filters, g)
	}
	var events []audit.Event
	for _, f := range filters {
		found, err := c.DB.ListEvents(ctx, f)
		if err != nil {
			return nil, err
		}
		events = append(events, found...)
	}
	slices.SortStableFunc(events, func(a, b audit.Event) int { return b.Time.Compare(a.Time) })
	if f.Limit > 0 && len(events) > f.Limit {
		events = events[:f.Limit]
	}
	return events, nil
}

// names returns what people are called: by their address as it is now; an id tells nobody anything.
func names(ctx context.Context, c *app.Core) func(id string) string {
	emails := map[string]string{"": "", actor: actor}
	return func(id string) string {
		if _, known := emails[id]; !known {
			emails[id] = id // an account that is gone
			if a, err := c.Accounts.Store.GetAccount(ctx, id); err == nil {
				emails[id] = a.Email
			}
		}
		return emails[id]
	}
}

// printEventsInFull writes what somebody who has a reference in hand wants to know, one line for each fact.
func printEventsInFull(ctx context.Context, w io.Writer, c *app.Core, events []audit.Event) error {
	name := names(ctx, c)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for i, e := range events {
		if i > 0 {
			fmt.Fprintln(tw)
		}
		for _, row := range [][2]string{
			{"event", string(e.Kind)}, {"time", e.Time.UTC().Format("2006-01-02 15:04:05 MST")}, {"who", name(e.AccountID)}, {"typed", e.Identifier},
			{"by", name(e.Actor)}, {"provider", e.Provider}, {"request", e.Request}, {"rule", e.Rule}, {"reason", e.Reason}, {"detail", e.Detail},
			{"address", e.Address}, {"browser", e.UserAgent}, {"reference", e.Reference},
		} {
			if row[1] != "" {
				fmt.Fprintf(tw, "%s:\t%s\n", row[0], printable(row[1]))
			}
		}
	}
	return tw.Flush()
}

// printEvents writes a table.
func printEvents(ctx context.Context, w io.Writer, c *app.Core, events []audit.Event) error {
	name := names(ctx, c)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "TIME\tEVENT\tWHO\tBY\tPROVIDER\tREASON\tADDRESS\tREFERENCE\tREQUEST")
	for _, e := range events {
		who := name(e.AccountID)
		if who == "" {
			who = e.Identifier
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Time.UTC().Format("2006-01-02 15:04:05 MST"), e.Kind, printable(who),
			name(e.Actor), e.Provider, e.Reason, e.Address, e.Reference, printable(e.Request))
	}
	return tw.Flush()
}

func newAuditExportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "export", Short: "Write all security events as JSON lines, oldest first", Args: noArgs}
	file := configFlag(cmd)
	since := sinceFlag(cmd)
	cmd.Flags().Bool("json", true, "as every listing has it; there is nothing else")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withRecords(cmd, *file, func(ctx context.Context, c *app.Core) error {
			events, err := c.DB.ListEvents(ctx, audit.Filter{Since: since.start(time.Now())})
			if err != nil {
				return err
			}
			enc := json.NewEncoder(cmd.OutOrStdout())
			for i := len(events) - 1; i >= 0; i-- {
				if err := enc.Encode(events[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

// since is a flag with a duration as the configuration writes it, days too.
type since time.Duration

func sinceFlag(cmd *cobra.Command) *since {
	var s since
	cmd.Flags().Var(&s, "since", "only the last `DURATION`, such as 12h or 30d")
	return &s
}

// start is the moment from which on events are wanted; zero for all.
func (s *since) start(now time.Time) time.Time {
	if *s == 0 {
		return time.Time{}
	}
	return now.Add(-time.Duration(*s))
}

// Set implements pflag.Value.
func (s *since) Set(text string) error {
	d, err := config.ParseDuration(text)
	if err != nil {
		return errors.New("write a number with a unit, such as 12h or 30d")
	}
	*s = since(d)
	return nil
}

// String and Type implement pflag.Value; without a default there is nothing to show.
func (s *since) String() string { return "" }

// Type is what help calls the value.
func (s *since) Type() string { return "DURATION" }

// printable keeps what a stranger typed from writing control sequences to the administrator's terminal, or from turning text around.
func printable(s string) string {
	out := []rune(s)
	for i, c := range out {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			out[i] = '\ufffd'
		}
	}
	return string(out)
}
