package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/app"
	"crmgate/internal/audit"
	"crmgate/internal/fakeidp"
)

// claims is a gateway with three ways to one provider of identities: two that may connect accounts by address and one that may not.
type claims struct {
	gate string
	idp  *fakeidp.Running
	app  *app.App
}

func newClaims(t *testing.T) *claims {
	t.Helper()
	l, gate := listen(t)
	c := &claims{gate: gate}
	var back []string
	for _, id := range []string{"contoso", "second", "apart"} {
		back = append(back, gate+"/_gate/callback/"+id)
	}
	var err error
	c.idp, err = fakeidp.Listen(fakeidp.Config{
		Algs: []string{"ES256"}, Clients: []fakeidp.Client{{ID: "crm", Secret: "s", RedirectURIs: back}},
		Users: []fakeidp.User{{Subject: "u-eve", Email: "eve@contoso.test", Password: "p", Name: "Eve", Groups: []string{"sales"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.idp.Close() })
	c.idp.SignInAs("eve@contoso.test")
	provider := func(id, link string) string {
		return fmt.Sprintf(`
  - {id: %s, type: oidc, name: %s, domains: [%s.test], issuer: %q, client_id: crm, client_secret: s, link_by_email: %s}`,
			id, strings.ToUpper(id[:1])+id[1:], id, c.idp.Issuer(), link)
	}
	c.app = start(t, l, fmt.Sprintf(`
server: {public_url: %q, listen: "127.0.0.1:0", ops_listen: "", data_dir: %q}
upstreams: [{id: crm, urls: [%q]}]
branding: {support: {email: help@example.test}}
providers: %s%s%s
`, gate, t.TempDir(), recordingCRM(t).URL, provider("contoso", "verified"), provider("second", "verified"), provider("apart", "never")))
	return c
}

// exists makes an account before the sign-in.
func (c *claims) exists(t *testing.T, id, owner, email string) {
	t.Helper()
	now := time.Now()
	a := &account.Account{ID: id, Owner: owner, Email: email, State: account.Active, CreatedAt: now, UpdatedAt: now}
	var link *account.Link
	if owner != account.OwnerLocal {
		link = &account.Link{Provider: owner, Issuer: "https://former.test", Subject: id}
	}
	must(t, c.app.Accounts.Store.CreateAccount(t.Context(), a, link))
}

// signIn signs Eve in by a provider, whose token says about her what edit makes of it.
func (c *claims) signIn(t *testing.T, provider string, edit func(map[string]any)) *browser {
	t.Helper()
	c.idp.SetFaults(fakeidp.Faults{EditIDToken: edit, EditUserinfo: edit})
	b := newBrowser(t)
	must(t, b.open(c.gate+"/_gate/sign-in/"+provider))
	return b
}

// who is the account id of a browser's session.
func (c *claims) who(t *testing.T, b *browser) string {
	t.Helper()
	must(t, b.open(c.gate+"/_gate/session"))
	var s struct {
		Account struct{ ID string }
	}
	if b.status == http.StatusOK {
		must(t, json.Unmarshal([]byte(b.body), &s))
	}
	return s.Account.ID
}

// What of an address that a provider asserts may claim an account, and what is refused with a page that says whom to ask.
func TestClaimByAddress(t *testing.T) {
	says := func(email string, verified any) func(map[string]any) {
		return func(c map[string]any) {
			c["email"] = email
			if c["email_verified"] = verified; verified == nil {
				delete(c, "email_verified")
			}
		}
	}
	local := func(t *testing.T, c *claims) { c.exists(t, "local", account.OwnerLocal, "eve@contoso.test") }
	tests := []struct {
		name     string
		before   func(*testing.T, *claims)
		provider string
		says     func(map[string]any)
		as       string // the account that is signed in; "new" is one that was not there
		page     string // what the refusal says
		reason   string
	}{
		{"verified", local, "contoso", says("Eve@Contoso.test", true), "local", "", "adopted"},
		{"no claim", local, "contoso", says("eve@contoso.test", nil), "", "has not confirmed that the address is yours", "link_unverified"},
		{"the claim is false", local, "contoso", says("eve@contoso.test", false), "", "has not confirmed that the address is yours", "link_unverified"},
		{"the claim is a word", local, "contoso", says("eve@contoso.test", "true"), "", "has not confirmed that the address is yours", "link_unverified"},
		{"a domain that is nobody's", func(t *testing.T, c *claims) { c.exists(t, "local", account.OwnerLocal, "eve@partner.test") }, "contoso",
			says("eve@partner.test", true), "", "Contoso does not decide about addresses of partner.test", "link_foreign_domain"},
		{"a sub-domain", func(t *testing.T, c *claims) { c.exists(t, "local", account.OwnerLocal, "eve@mail.contoso.test") }, "contoso",
			says("eve@mail.contoso.test", true), "", "does not decide about addresses of mail.contoso.test", "link_foreign_domain"},
		{"another provider's domain", local, "second", says("eve@contoso.test", true), "", "Second does not decide about addresses of contoso.test", "link_foreign_domain"},
		{"owned by another provider", func(t *testing.T, c *claims) { c.exists(t, "other", "second", "eve@contoso.test") }, "contoso",
			says("eve@contoso.test", true), "", "signs in with Second, not with Contoso", "link_other_owner"},
		{"several", func(t *testing.T, c *claims) {
			local(t, c)
			c.exists(t, "other", "second", "eve@contoso.test")
		}, "contoso", says("eve@contoso.test", true), "", "Several accounts here have the address", "link_several"},
		{"disabled", func(t *testing.T, c *claims) {
			local(t, c)
			must(t, c.app.Accounts.Disable(t.Context(), "local", "cli"))
		}, "contoso", says("eve@contoso.test", true), "", "has been disabled", "disabled"},
		{"linking is off: kept apart, and in the trail", func(t *testing.T, c *claims) { c.exists(t, "local", account.OwnerLocal, "eve@apart.test") }, "apart",
			says("eve@apart.test", true), "new", "", "two_accounts"},
		{"nobody has the address", func(*testing.T, *claims) {}, "contoso", says("eve@contoso.test", nil), "new", "", "sign_up"},
		{"an address given away anew", func(t *testing.T, c *claims) { c.exists(t, "former", "contoso", "eve@contoso.test") }, "contoso",
			says("eve@contoso.test", true), "new", "", "sign_up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClaims(t)
			tt.before(t, c)
			b := c.signIn(t, tt.provider, tt.says)
			if tt.page != "" {
				text := b.parse().text
				if b.status != http.StatusForbidden || !strings.Contains(text, tt.page) || !strings.Contains(b.body, "help@example.test") ||
					!strings.Contains(strings.ToLower(text), "support") || !strings.Contains(text, "Reference") {
					t.Errorf("refused with %d: %s", b.status, text)
				}
			}
			switch got := c.who(t, b); {
			case tt.as == "new" && (got == "" || got == "local" || got == "other" || got == "former"), tt.as != "new" && got != tt.as:
				t.Errorf("signed in as %q, want %q", got, tt.as)
			}
			if tt.as != "local" {
				if a, err := c.app.Accounts.Store.GetAccount(t.Context(), "local"); err == nil && a.Owner != account.OwnerLocal {
					t.Errorf("the local account belongs to %s", a.Owner)
				}
			}
			events, err := c.app.DB.ListEvents(t.Context(), audit.Filter{})
			must(t, err)
			var reasons []string
			for _, e := range events {
				reasons = append(reasons, e.Reason)
			}
			if !strings.Contains(strings.Join(reasons, " "), tt.reason) {
				t.Errorf("audit trail: %q, want %s", reasons, tt.reason)
			}
		})
	}
}

// The key is the subject: a new address changes the profile, also to one that another account has.
func TestChangedAddressKeepsTheAccount(t *testing.T) {
	c := newClaims(t)
	c.exists(t, "local", account.OwnerLocal, "director@contoso.test")
	first := c.who(t, c.signIn(t, "contoso", nil))
	if first == "" {
		t.Fatal("not signed in")
	}
	for _, email := range []string{"eve.new@contoso.test", "director@contoso.test"} {
		b := c.signIn(t, "contoso", func(m map[string]any) { m["email"], m["email_verified"] = email, true })
		if got := c.who(t, b); got != first {
			t.Errorf("with the address %s she is account %q, want %q", email, got, first)
		}
		a, err := c.app.Accounts.Store.GetAccount(t.Context(), first)
		must(t, err)
		if a.Email != email || a.Owner != "contoso" {
			t.Errorf("account %+v, want the address %s", a, email)
		}
		must(t, b.open(c.gate+"/deals"))
		if !strings.Contains(b.body, "for "+email) {
			t.Errorf("the CRM is told %s", b.body)
		}
	}
	a, err := c.app.Accounts.Store.GetAccount(t.Context(), "local")
	must(t, err)
	if a.Owner != account.OwnerLocal {
		t.Errorf("the director's account belongs to %s", a.Owner)
	}
}
