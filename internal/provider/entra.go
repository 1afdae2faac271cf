package provider

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Entra ID, one tenant per provider. The tenant's own issuer is used, never "common": there every tenant of the world, and
// whoever opens one, would be a colleague.
//
// The person is keyed by the object id ("oid"), which is the same in every application of the tenant and never reused; "sub"
// is the key only where oid does not come. An address of Entra ID is a text that an administrator can type: it counts as
// verified in a domain of this provider's list, or with "xms_edov".
const entraHost = "https://login.microsoftonline.com/"

var guidPattern = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func presetEntra(c Config) Config {
	c.TenantID = strings.ToLower(c.TenantID)
	c.Issuer = cmp.Or(c.Issuer, entraIssuer(c.TenantID))
	c.ClientAuth = cmp.Or(c.ClientAuth, authPost)
	reset := "https://passwordreset.microsoftonline.com/"
	if own := c.ownDomains(); len(own) > 0 {
		reset += "?whr=" + url.QueryEscape(own[0])
	}
	c.Password.ResetURL = cmp.Or(c.Password.ResetURL, reset)
	c.Password.ChangeURL = cmp.Or(c.Password.ChangeURL, "https://mysignins.microsoft.com/security-info/password/change")
	return c
}

func entraIssuer(tenant string) string { return entraHost + tenant + "/v2.0" }

func validateEntra(c Config, p *fault.Problems) {
	switch {
	case c.TenantID == "":
		p.Add("tenant_id", "Copy the directory (tenant) ID from the Entra admin center.", "the tenant is missing")
	case !guidPattern.MatchString(c.TenantID):
		p.Add("tenant_id", "Use the directory (tenant) ID, a GUID; not a domain, not common.", "%q is not a GUID", c.TenantID)
	}
	validateFixedIssuer(c, entraIssuer(c.TenantID), p)
	validateClient(c, p)
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
	return newRedirector(c, env, dialect{
		check: checkTenant, subject: entraSubject, emailVerified: entraEmailVerified, explain: explainEntra,
		sidAlone: true,
	})
}

// checkTenant refuses a token of another tenant. The issuer says the same; a key that serves many tenants signs both.
func checkTenant(c Config, token claims) *fault.Error {
	if tid, _ := token.text("tid"); token.has("tid") && tid != c.TenantID {
		return fault.Wrap(fault.Unauthenticated, fmt.Sprintf("You used an account from another organisation than %s. Please choose another account.", c.displayName()),
			fmt.Errorf("the token is of tenant %q", clip(tid))).WithReason("wrong_tenant").WithNext(fault.NextSignIn)
	}
	return nil
}

func entraSubject(c Config, token claims) string {
	oid, _ := token.text("oid")
	if tid, _ := token.text("tid"); oid != "" && len(oid) <= maxSubject && tid == c.TenantID {
		return oid
	}
	sub, _ := token.text("sub")
	return sub
}

func entraEmailVerified(c Config, all claims, email string) bool {
	if all.has("email_verified") && !all.isTrue("email_verified") {
		return false
	}
	return c.ownsAddress(email) || all.isTrue("xms_edov")
}

var aadstsPattern = regexp.MustCompile(`\bAADSTS([0-9]{4,8})\b`)

// explainEntra finds a sentence by the number in the description. Microsoft warns that numbers change, so an unknown one
// falls back to the standard error.
func explainEntra(c Config, params url.Values) *fault.Error {
	found := aadstsPattern.FindStringSubmatch(params.Get("error_description"))
	if found == nil {
		return nil
	}
	var (
		number = found[1]
		name   = c.displayName()
		kind   = fault.Forbidden
		next   = fault.NextSignIn
		text   string
	)
	switch number {
	case "50105":
		text, next = "Your sign-in at "+name+" worked, but you have not been given access to this application. Please ask your administrator to assign you to it.", fault.NextHelp
	case "50034", "50020", "90072", "51004", "16003":
		text = "You used an account from another organisation than " + name + ". Please choose another account."
	case "65001", "65004", "90094", "90095":
		text, next = "An administrator of "+name+" must approve this application first.", fault.NextHelp
	case "53000", "53001", "53002", "53003", "50131", "530032", "530035":
		text, next = "The access policy of "+name+" blocked this sign-in because of the device, the place or the application. Please ask your administrator.", fault.NextHelp
	case "50053":
		text, next = "Your account at "+name+" is locked for a while. Please wait, or reset your password there.", fault.NextHelp
	case "50055", "50144":
		text, next = "Your password at "+name+" has expired. Change it there, then sign in again.", fault.NextHelp
	case "50057":
		text, next = "Your account at "+name+" is disabled. Please ask your administrator.", fault.NextHelp
	case "50072", "50074", "50076", "50078", "50079", "50158":
		text = name + " asks for a second proof of who you are. Please sign in again and follow its pages."
	case "700016", "90002", "50194", "500011", "50011", "7000215", "7000222", "7000218":
		text, kind, next = "Sign-in with "+name+" is not set up correctly. Please tell your administrator.", fault.Unavailable, fault.NextHelp
	default:
		return nil
	}
	// The number is digits, so it is safe to show; the help desk asks for it.
	return fault.New(kind, text+" (AADSTS"+number+")").WithReason("aadsts_" + number).WithNext(next)
}
