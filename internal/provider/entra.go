package provider

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Entra ID. Every tenant is named by its id; "common" is never used alone, because there every tenant of the world, and whoever opens
// one, would be a colleague. Several tenants: entratenants.go. Groups that a token does not hold: graph.go.
//
// The person is keyed by the tenant, which is in the issuer, and the object id ("oid"), which is the same in every application of the
// tenant and never reused; "sub" is the key only where oid does not come. So an entry that one tenant was enough for keeps its links when
// others join it. An address of Entra ID is a text that an administrator can type: it counts as verified with "xms_edov", and in a domain
// of this provider's list where there is one tenant alone, for with several one could claim the addresses of the other.

// entraPlaces are where people sign in, in Microsoft's clouds.
var entraPlaces = []string{"https://login.microsoftonline.com/", "https://login.microsoftonline.us/", "https://login.partner.microsoftonline.cn/"}

// entraChangeURL is where a known password is changed.
const entraChangeURL = "https://mysignins.microsoft.com/security-info/password/change"

// privateAccounts is the tenant of everybody's private Microsoft account.
const privateAccounts = "9188040d-6c67-4c5b-b112-36a304b66dad"

var guidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func presetEntra(c Config) Config {
	tenants := c.allTenants()
	c.TenantID, c.Tenants = "", tenants
	if len(tenants) == 1 {
		c.TenantID = tenants[0]
	}
	c.Issuer = cmp.Or(c.Issuer, entraPlaces[0]+cmp.Or(c.TenantID, anyTenant)+"/v2.0")
	if c.ClientKeyFile != "" {
		c.ClientAuth = cmp.Or(c.ClientAuth, authKeyJWT)
	}
	c.ClientAuth = cmp.Or(c.ClientAuth, authPost)
	reset := "https://passwordreset.microsoftonline.com/"
	if own := c.ownDomains(); len(own) > 0 {
		reset += "?whr=" + url.QueryEscape(own[0])
	}
	c.Password.ResetURL = cmp.Or(c.Password.ResetURL, reset)
	c.Password.ChangeURL = cmp.Or(c.Password.ChangeURL, entraChangeURL)
	return presetGraph(c)
}

// allTenants are the allowed tenants in lower case, once each.
func (c Config) allTenants() []string {
	var all []string
	for _, t := range append([]string{c.TenantID}, c.Tenants...) {
		if t != "" {
			all = add(all, strings.ToLower(t))
		}
	}
	return all
}

func validateEntra(c Config, p *fault.Problems) {
	if len(c.Tenants) == 0 {
		p.Add("tenant_id", "Copy the directory (tenant) ID from the Entra admin center.", "the tenant is missing")
	}
	for _, t := range c.Tenants {
		path := "tenants"
		if len(c.Tenants) == 1 {
			path = "tenant_id"
		}
		switch {
		case !guidPattern.MatchString(t):
			p.Add(path, "Use the directory (tenant) ID, a GUID; not a domain, not common.", "%q is not a GUID", t)
		case t == privateAccounts:
			p.Add(path, "Name the tenants of organisations.", "%q is the tenant of everybody's private account", t)
		}
	}
	if !slices.ContainsFunc(entraPlaces, func(place string) bool { return c.Issuer == place+cmp.Or(c.TenantID, anyTenant)+"/v2.0" }) {
		validateFixedIssuer(c, "", p)
	}
	validateClient(c.RedirectConfig, p)
	if c.ClientAuth == authKeyJWT && c.ClientCertificateFile == "" {
		p.Add("client_certificate_file", "Upload the certificate to the app registration and name it here.", "Entra ID knows keys by their certificate alone")
	}
	validateGraph(c, p)
}

// validateFixedIssuer lets another issuer than the type's own stand only on this machine, for trials.
func validateFixedIssuer(c Config, fixed string, p *fault.Problems) {
	if c.Issuer == fixed {
		return
	}
	u, err := url.Parse(c.Issuer)
	if err != nil || checkIssuer(c.Issuer) != nil || !isLoopback(u.Hostname()) {
		p.Add("issuer", "Leave it out, or use type oidc.", "type %s knows its issuer", c.Type)
	}
}

func openEntra(c Config, env Env) (identity.Provider, error) {
	r, err := newRedirector(c, env, dialect{
		check: checkTenant, subject: entraSubject, emailVerified: entraEmailVerified, enrich: entraPassword,
		sidAlone: true,
	})
	if err != nil {
		return nil, err
	}
	r.dialect.moreGroups = newGraph(r).groups
	if len(c.Tenants) > 1 {
		r.dialect.authority = newTenants(r)
	}
	return r, nil
}

// checkTenant refuses a token of another tenant. The issuer says the same; a key that serves many tenants signs both.
func checkTenant(c Config, token claims) *fault.Error {
	tid, _ := token.text("tid")
	if slices.Contains(c.Tenants, tid) || (!token.has("tid") && len(c.Tenants) == 1) {
		return nil
	}
	return wrongTenant(c, tid)
}

func wrongTenant(c Config, tenant string) *fault.Error {
	return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("You used an account from another organisation than %s. Please choose another account.", c.displayName()),
		fmt.Errorf("the token is of tenant %q", clip(tenant))).WithReason("wrong_tenant").
		WithTitle("This is an account of another organisation").WithNext(fault.Next{Label: "Use another account", Path: "/sign-in/" + c.ID + "?switch=1"})
}

func entraSubject(c Config, token claims) string {
	oid, _ := token.text("oid")
	if tid, _ := token.text("tid"); oid != "" && len(oid) <= maxSubject && slices.Contains(c.Tenants, tid) {
		return oid
	}
	sub, _ := token.text("sub")
	return sub
}

func entraEmailVerified(c Config, all claims, email string) bool {
	if all.has("email_verified") && !all.isTrue("email_verified") {
		return false
	}
	return (len(c.Tenants) == 1 && c.ownsAddress(email)) || edov(all)
}

// edov reads "xms_edov", which comes as true, 1 or either as a string; anything else is no.
func edov(all claims) bool {
	switch string(all["xms_edov"]) {
	case `true`, `1`, `"true"`, `"1"`:
		return true
	}
	return false
}

// passwordHosts are where Microsoft lets people change a password.
var passwordHosts = []string{"mysignins.microsoft.com", "account.activedirectory.windowsazure.com", "portal.microsoftonline.com", "account.microsoft.com",
	"passwordreset.microsoftonline.com", "login.microsoftonline.com", "mysignins.azure.us", "portal.microsoftonline.us", "passwordreset.microsoftonline.us"}

// maxPasswordDays is longer than a password policy counts; a larger number is none.
const maxPasswordDays = 3 * 366

// entraPassword reads "pwd_exp", seconds after the token was issued, and "pwd_url" (learn.microsoft.com/entra/identity-platform/optional-claims-reference).
// Both come only when the end is near. The address is believed on Microsoft's hosts and on the one that this entry resets passwords at, such
// as an AD FS; where the administrator wrote where passwords are changed, that counts and no other.
func entraPassword(c Config, token claims, id *identity.Identity) {
	var seconds int64
	if n, _ := token.text("pwd_exp"); n != "" { // comes as a string from older tenants
		seconds, _ = strconv.ParseInt(n, 10, 64)
	} else if at := token.seconds("pwd_exp"); !at.IsZero() {
		seconds = at.Unix()
	}
	issued := token.seconds("iat")
	if seconds <= 0 || seconds > maxPasswordDays*24*60*60 || issued.IsZero() {
		return
	}
	id.PasswordExpires = issued.Add(time.Duration(seconds) * time.Second)
	address, _ := token.text("pwd_url")
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return
	}
	trusted := slices.Contains(passwordHosts, u.Host) || (u.Host != "" && u.Host == hostOf(c.Password.ResetURL))
	if trusted && c.Password.ChangeURL == entraChangeURL {
		id.PasswordChangeURL = address
	}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}
