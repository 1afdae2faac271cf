package demo

import (
	"cmp"
	"fmt"
	"io"
	"strings"
)

// tour prints who can sign in and what to try.
func tour(out io.Writer, w *world) error {
	ends := "; the data stays in " + w.DataDir
	if w.scratch != "" {
		ends = " and removes all its data"
	}
	_, err := fmt.Fprintf(out, `crmgate demo is running. Ctrl-C ends it%s.

  the CRM, behind the gateway    %[2]s/
  mail that was sent             %[2]s/mail
  the company's sign-in page     %[3]s
  the configuration              %[4]s

  Who can sign in
    ann@contoso.example          password: %[5]s    corporate, CRM administrator
    ben@contoso.example          password: %[5]s    corporate
    kim@fabrikam.example         password: %[5]s    corporate, though the address does not say so: use the Contoso button
    %[6]s          password: %[7]s    local account

  What to try
    1. Open %[2]s/deals and sign in as ann@contoso.example: the company's page asks for the password, and you land on the deals.
    2. Sign out, open it again as %[6]s: the gateway itself asks for the password. /admin/reports is closed to Pat and says why.
    3. Forgot the password? At %[2]s/_gate/reset try
         ann@contoso.example     the page says that Contoso resets it, and where
         %[6]s     a mail with a link that works once
         kim@fabrikam.example    the same page as for Pat, but the mail names Contoso
         nobody@nowhere.example  the same page, and no mail
    4. From another terminal, put Pat out; within two seconds Pat is signed out:
         %[8]s user disable -c %[9]s --email %[6]s
       and let Pat in again:
         %[8]s user enable -c %[9]s --email %[6]s
`, ends, w.URL(), w.company.Issuer(), w.configFile(), companyPassword, localEmail, localPassword, cmp.Or(w.Program, "crmgate"), shellWord(w.configFile()))
	return err
}

// shellWord quotes a path that a shell would take apart.
func shellWord(path string) string {
	if !strings.ContainsFunc(path, func(r rune) bool { return !strings.ContainsRune(plainInShell, r) }) {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}

const plainInShell = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@%="
