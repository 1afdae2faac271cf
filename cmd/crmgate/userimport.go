package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"crmgate/internal/account"
	"crmgate/internal/app"
)

func newUserImportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "import --in FILE", Short: "Create local accounts from a CSV or htpasswd file, with their passwords", Args: noArgs,
		Long: `Import creates local accounts with the passwords that people have elsewhere, as hashes: argon2, bcrypt, PBKDF2, {SSHA} and the like. At the
first sign-in a hash of another program becomes one of crmgate's. Nobody is told by mail.

CSV: the first line names the columns, of email,username,name,groups,password_hash; all but email may be left out. Several groups stand
between quotes with commas, and so does a hash with commas. Who has no hash waits for 'crmgate user invite'.
htpasswd: user:hash a line; --domain makes addresses of users that are none.

Every line is looked at first. Where one has a fault nothing is written, and each is named with its line. Who is there already stays as
they are, so that the same file may be imported again.`}
	file := configFlag(cmd)
	in := cmd.Flags().String("in", "", "the people, a `FILE`; - reads standard input")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	o := account.ImportOptions{Actor: actor}
	cmd.Flags().StringVar(&o.Format, "format", "", "csv or htpasswd; told by the first line where it is left out")
	cmd.Flags().StringVar(&o.Domain, "domain", "", "the mail `DOMAIN` of htpasswd users without one")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "say what would be done and write nothing")
	if err := cmd.MarkFlagRequired("in"); err != nil {
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if o.Format != "" && o.Format != account.FormatCSV && o.Format != account.FormatHtpasswd {
			return usageError(fmt.Errorf("--format %s: write csv or htpasswd", o.Format))
		}
		people, name := io.NopCloser(cmd.InOrStdin()), "standard input"
		if *in != "-" {
			f, err := os.Open(*in)
			if err != nil {
				return err
			}
			people, name = f, *in
		}
		defer people.Close()
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			report, err := c.Accounts.ImportFile(ctx, people, o)
			if err != nil && report.Written == 0 {
				return err
			}
			return errors.Join(printImport(cmd, report, name, *asJSON), err, importError(report, name))
		})
	}
	return cmd
}

// importError is the error of a file with faults.
func importError(r account.ImportReport, name string) error {
	if n := len(r.Faults); n > 0 {
		return fmt.Errorf("%s has %s; nothing was written", name, count(n, "fault"))
	}
	return nil
}

// printImport names faults on stderr, who was there already and a summary on stdout.
func printImport(cmd *cobra.Command, r account.ImportReport, name string, asJSON bool) error {
	out := cmd.OutOrStdout()
	if asJSON {
		return printJSON(out, r)
	}
	for _, f := range r.Faults {
		if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "%s:%d: %s\n", name, f.Line, f.Sentence); err != nil {
			return err
		}
	}
	if len(r.Faults) > 0 {
		return nil
	}
	did := map[account.ImportResult]int{}
	for _, l := range r.Lines {
		did[l.Result]++
		if l.Result == account.ImportThere {
			fmt.Fprintf(out, "%s:%d: %s is already there and stays as it is.\n", name, l.Line, l.Email)
		}
	}
	if r.DryRun {
		fmt.Fprint(out, "Nothing was written. Without --dry-run: ")
	} else if pending := did[account.ImportCreated] + did[account.ImportInvited] + did[account.ImportPasswordSet]; r.Written < pending {
		fmt.Fprintf(out, "%d of %d were written. Of the whole file: ", r.Written, pending)
	}
	_, err := fmt.Fprintf(out, "%d created with a password, %d created without, %d invited before and given a password, %d already there.\n",
		did[account.ImportCreated], did[account.ImportInvited], did[account.ImportPasswordSet], did[account.ImportThere])
	if n := did[account.ImportInvited]; n > 0 && err == nil {
		_, err = fmt.Fprintln(out, "Who has no password chooses one after 'crmgate user invite -c FILE --email ADDRESS'.")
	}
	return err
}
