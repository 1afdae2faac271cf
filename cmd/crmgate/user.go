package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"crmgate/internal/account"
	"crmgate/internal/app"
	"crmgate/internal/identity"
	"crmgate/internal/mfa"
	"crmgate/internal/throttle"
)

func newUserCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "Invite people and look after their accounts", RunE: needSubcommand}
	cmd.AddCommand(newUserListCommand(), newUserShowCommand(), newUserInviteCommand(), newUserResetCommand(),
		newUserUnlockCommand(), newUserImportCommand(),
		newUserActCommand("disable", "Keep an account out and end its sessions", "is disabled; its sessions have ended", (*account.Service).Disable),
		newUserActCommand("enable", "Let a disabled account in again", "is enabled", (*account.Service).Enable),
		newUserActCommand("delete", "Remove an account; for 30 days it can be restored", "is removed; 'crmgate user restore' brings it back within 30 days", (*account.Service).Remove),
		newUserRestoreCommand(),
		newUserActCommand("revoke", "End every session of an account", "has no sessions any more", (*account.Service).Revoke),
		newUserClearFactorsCommand(), newUserRecoveryCommand(),
	)
	return cmd
}

// target names one account on the command line.
type target struct{ email, id *string }

func targetFlags(cmd *cobra.Command) target {
	cmd.Use += " --email ADDRESS|--id ID"
	t := target{
		email: cmd.Flags().String("email", "", "the account's `ADDRESS` (or the user name of a local account)"),
		id:    cmd.Flags().String("id", "", "the account's `ID`"),
	}
	cmd.MarkFlagsMutuallyExclusive("email", "id")
	cmd.MarkFlagsOneRequired("email", "id")
	return t
}

// listed is one account as `user list` prints it.
type listed struct {
	*account.Account
	LockedUntil time.Time `json:"locked_until,omitzero"`
}

// lockNote is what a lock is called beside the state.
func lockNote(until time.Time) string {
	switch {
	case until.IsZero():
		return ""
	case throttle.Endless(until, time.Now()):
		return "locked until a new password or unlock"
	}
	return "locked until " + stamp(until)
}

// find returns the one account that t names.
func (t target) find(ctx context.Context, s *account.Service) (*account.Account, error) {
	if *t.id != "" {
		return s.Store.GetAccount(ctx, *t.id)
	}
	found, err := s.Find(ctx, *t.email)
	if err != nil {
		return nil, err
	}
	return one(found, *t.email, "nobody has the address or user name %s; 'crmgate user list' shows who is there, and with --deleted who was removed")
}

// one returns the only account that was found.
func one(found []*account.Account, email, none string) (*account.Account, error) {
	switch len(found) {
	case 0:
		return nil, fmt.Errorf(none, email)
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, a := range found {
		ids = append(ids, fmt.Sprintf("--id %s (%s)", a.ID, a.Owner))
	}
	return nil, fmt.Errorf("several accounts have the address %s; choose one: %s", email, strings.Join(ids, ", "))
}

func newUserListCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List accounts", Args: noArgs}
	file := configFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	email := cmd.Flags().String("email", "", "only this `ADDRESS`")
	deleted := cmd.Flags().Bool("deleted", false, "list removed accounts, which can be restored")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withRecords(cmd, *file, func(ctx context.Context, c *app.Core) error {
			list, err := c.Accounts.Store.ListAccounts(ctx, account.Filter{Email: identity.Normalize(*email), Deleted: *deleted})
			if err != nil {
				return err
			}
			locks, err := c.Accounts.ListLocked(ctx, list)
			if err != nil {
				return err
			}
			if *asJSON {
				out := []listed{}
				for _, a := range list {
					out = append(out, listed{a, locks[a.ID]})
				}
				return printJSON(cmd.OutOrStdout(), out)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "ID\tEMAIL\tNAME\tOWNER\tSTATE\tLAST SIGN-IN")
			for _, a := range list {
				state := string(a.State)
				if !a.DeletedAt.IsZero() {
					state = "removed " + stamp(a.DeletedAt)
				}
				if note := lockNote(locks[a.ID]); note != "" {
					state += ", " + note
				}
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", a.ID, a.Email, a.Name, a.Owner, state, stamp(a.LastSignIn))
			}
			return tw.Flush()
		})
	}
	return cmd
}

// shown is one account as `user show` prints it.
type shown struct {
	*account.Account
	LockedUntil time.Time       `json:"locked_until,omitzero"`
	Factors     []mfa.Enrolment `json:"factors"`
	Sessions    []sessionLine   `json:"sessions"`
}

func newUserShowCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Show one account and its sessions", Args: noArgs}
	file, who := configFlag(cmd), targetFlags(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			a, err := who.find(ctx, c.Accounts)
			if err != nil {
				return err
			}
			locked, err := c.Accounts.LockedUntil(ctx, a)
			if err != nil {
				return err
			}
			list, err := c.Sessions.Store.ListSessions(ctx, a.ID)
			if err != nil {
				return err
			}
			factors, err := c.Factors.List(ctx, a.ID)
			if err != nil {
				return err
			}
			v := shown{Account: a, LockedUntil: locked, Factors: append([]mfa.Enrolment{}, factors...), Sessions: sessionLines(list, time.Now())}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), v)
			}
			printAccount(cmd.OutOrStdout(), v)
			return nil
		})
	}
	return cmd
}

func printAccount(w io.Writer, v shown) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	defer tw.Flush()
	row := func(k, s string) { fmt.Fprintf(tw, "%s:\t%s\n", k, s) }
	row("id", v.ID)
	row("email", v.Email)
	row("name", v.Name)
	row("username", v.Username)
	row("owner", v.Owner)
	row("state", string(v.State))
	if !v.DeletedAt.IsZero() {
		row("removed", stamp(v.DeletedAt))
	}
	row("groups", strings.Join(v.Groups, ", "))
	row("created", stamp(v.CreatedAt))
	row("last sign-in", stamp(v.LastSignIn))
	if !v.LockedUntil.IsZero() {
		row("lock", lockNote(v.LockedUntil))
	}
	for _, e := range v.Factors {
		row("second factor", fmt.Sprintf("%s (%s), since %s, last used %s", e.Name, e.Kind, stamp(e.CreatedAt), stamp(e.UsedAt)))
	}
	for _, s := range v.Sessions {
		row("session", fmt.Sprintf("%s  from %s, last seen %s", s.ID, s.Address, stamp(s.LastSeen)))
	}
}

func newUserInviteCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "invite", Short: "Create a local account and mail the invitation", Args: noArgs,
		Long: `Invite creates a local account without a password and mails a link with which the person chooses one. Somebody who was invited and never
came is invited again. Where mail is off the link is printed: give it to the person yourself.`}
	file := configFlag(cmd)
	var inv account.Invitation
	cmd.Flags().StringVar(&inv.Email, "email", "", "the person's `ADDRESS`")
	cmd.Flags().StringVar(&inv.Name, "name", "", "the person's `NAME`")
	cmd.Flags().StringVar(&inv.Username, "username", "", "a `NAME` to sign in with beside the address")
	cmd.Flags().StringSliceVar(&inv.Groups, "groups", nil, "comma-separated `GROUPS`")
	printLink := cmd.Flags().Bool("print-link", false, "print the link on a line of its own")
	if err := cmd.MarkFlagRequired("email"); err != nil {
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			a, link, err := c.Accounts.Invite(ctx, inv, actor)
			if link == "" {
				return err
			}
			if gone, err := c.Accounts.FindRemoved(ctx, a.Email); err == nil && len(gone) > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "Note: a removed account had this address. This is a new one; to have the former back, delete this one and use 'crmgate user restore --id %s'.\n", gone[0].ID)
			}
			noteElsewhere(cmd, c, a, "invite this person once more with --username")
			return tellLink(cmd, c, *printLink, link, "An invitation", a.Email, err)
		})
	}
	return cmd
}

func newUserResetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "reset", Short: "Mail a link for a new password to a local account", Args: noArgs,
		Long: `Reset mails a link with which a local account gets a new password; the old one works until then. A corporate account has no password here:
its provider resets it. Break glass: with --print-link, and where mail is off, the link is printed on a line of its own.`}
	file, who := configFlag(cmd), targetFlags(cmd)
	printLink := cmd.Flags().Bool("print-link", false, "print the link on a line of its own")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withCore(cmd, *file, func(ctx context.Context, c *app.Core) error {
			a, err := who.find(ctx, c.Accounts)
			if err != nil {
				return err
			}
			link, err := c.Accounts.IssueReset(ctx, a.ID, actor)
			if link == "" {
				return err
			}
			noteElsewhere(cmd, c, a, "it cannot use a password until it has one, or "+a.Email+" leads here again")
			return tellLink(cmd, c, *printLink, link, "A link for a new password", a.Email, err)
		})
	}
	return cmd
}

// noteElsewhere tells whoever makes a link for a local account that the sign-in page sends its address to a provider, and what is to do
// where it has no user name.
func noteElsewhere(cmd *cobra.Command, c *app.Core, a *account.Account, otherwise string) {
	p, ok := c.Realms.Find(a.Email)
	if !ok {
		return
	}
	if _, stranded := a.Stranded(c.Realms); stranded {
		otherwise = ", and has none: " + otherwise
	} else {
		otherwise = ""
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Note: %s is sent to %s to sign in. This local account signs in by its user name only%s.\n", a.Email, p.Info().Name, otherwise)
}

// tellLink prints the link where it was asked for or cannot be mailed, and says on stderr where it went. A link that was asked for
// on the terminal is worth having whatever the mail server says.
func tellLink(cmd *cobra.Command, c *app.Core, print bool, link, what, email string, mailErr error) error {
	mailed := c.Config.Mail.Enabled() && mailErr == nil
	if print || !mailed {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), link); err != nil {
			return err
		}
	}
	switch {
	case mailed:
		fmt.Fprintf(cmd.ErrOrStderr(), "%s is on its way to %s.\n", what, email)
	case mailErr != nil && !print:
		return mailErr
	case mailErr != nil:
		fmt.Fprintln(cmd.ErrOrStderr(), "crmgate: "+sentence(mailErr))
	default:
		fmt.Fprintf(cmd.ErrOrStderr(), "Mail is off: give the link above to %s yourself. It works once.\n", email)
	}
	return nil
}
