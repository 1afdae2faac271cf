package provider

import (
	"regexp"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// refusal is what is known about one or several codes. {name} in its texts stands for the provider.
type refusal struct {
	codes []string
	// kind is the answer's kind; the zero value, Internal, is not used.
	kind        fault.Kind
	title, text string
	step        identity.Step
	// forIT is what an administrator mends; empty where there is nothing to mend, or the text says so.
	forIT string
}

// family is the codes of one maker.
type family struct {
	// kinds are the provider types that use them; none for the standard's, which all do.
	kinds  []string
	vendor string
	// prefix stands before a number, as in AADSTS50105, or is empty where the codes are words; reason stands before the code in the log.
	prefix, reason string
	// strict finds a number where a provider wrote it, loose where a person typed it; both without regard to case. Nil where the codes are words.
	strict, loose *regexp.Regexp
	// phrases are sentences that some providers send instead of a code, with the code that we give them.
	phrases map[string]string
	// more is the maker's own page about a number, which is put at its end; may be empty.
	more     string
	refusals []refusal
}

// The kinds and steps in short, so that the table below reads as one.
const (
	kindDenied = fault.Forbidden
	kindProof  = fault.Unauthenticated
	kindDown   = fault.Unavailable

	stepAgain  = identity.StepAgain
	stepSwitch = identity.StepSwitch
	stepReset  = identity.StepReset
	stepChange = identity.StepChange
	stepAsk    = identity.StepAsk
)

// What the makers' numbers look like, where a provider wrote them and where a person typed them.
var (
	aadstsStrict, aadstsLoose     = regexp.MustCompile(`\bAADSTS([0-9]{4,8})\b`), regexp.MustCompile(`(?i)AADSTS\s*[-:#]?\s*([0-9]{4,8})\b`)
	oktaCodeStrict, oktaCodeLoose = regexp.MustCompile(`\bE(0000[0-9]{3})\b`), regexp.MustCompile(`(?i)\bE\s*(0000[0-9]{3})\b`)
	msisStrict, msisLoose         = regexp.MustCompile(`\bMSIS([0-9]{4})\b`), regexp.MustCompile(`(?i)MSIS\s*[-:#]?\s*([0-9]{4})\b`)
)

// families returns the table, by maker. The makers warn that codes change: an unknown one is answered by the standard's error, and by none at all
// the sign-in still ends in a plain sentence.
//
// Sources: learn.microsoft.com/entra/identity-platform/reference-error-codes; developer.okta.com/docs/reference/error-codes;
// support.google.com/accounts/answer/16668185 and developers.google.com/identity/protocols/oauth2/web-server; the AD FS event texts;
// keycloak.org/securing-apps/oidc-layers; RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6.
func families() []family {
	return []family{entraFamily(), oktaFamily(), googleFamily(), adfsFamily(), keycloakFamily(), standardFamily()}
}

func entraFamily() family {
	return family{
		kinds: []string{"entra"}, vendor: "Microsoft", prefix: "AADSTS", reason: "aadsts_",
		strict: aadstsStrict, loose: aadstsLoose,
		more: "https://login.microsoftonline.com/error?code=",
		refusals: []refusal{
			{[]string{"50126", "50064", "50056"}, kindProof, "The user name or password was wrong",
				"{name} did not recognise the user name or the password. Try again there, or reset your password.", stepReset, ""},
			{[]string{"50055", "50144"}, kindDenied, "Your password has expired",
				"Your password at {name} has expired. Change it there, then sign in again.", stepChange, ""},
			{[]string{"50053"}, kindDenied, "Your account is locked for a while",
				"{name} has locked your account after too many tries, or does not trust the network you are in. Wait a quarter of an hour, or reset your password there.", stepReset,
				"Smart lockout, or a blocked address: see the sign-in log of the person."},
			{[]string{"50057"}, kindDenied, "Your account is disabled",
				"Your account at {name} is disabled. Please ask your IT department.", stepAsk, ""},
			{[]string{"50034", "50020", "90072", "51004", "16000", "16003", "50014", "50059", "50128", "500208", "50177", "50178", "90084"}, kindDenied,
				"This is an account of another organisation",
				"The account you used is not known at {name}. Choose your work account.", stepSwitch,
				"The account is not in the tenant. A guest has to be invited there first."},
			{[]string{"16001", "81012", "50143"}, kindProof, "Two accounts got mixed up", "{name} saw another account than the one you chose. Choose your work account again.", stepSwitch, ""},
			{[]string{"50105"}, kindDenied, "You have no access to this application yet",
				"Your sign-in at {name} worked, but you have not been given access to this application. Please ask your administrator to assign you to it.", stepAsk,
				"The enterprise application requires assignment: assign the person, or a group they are a direct member of."},
			{[]string{"65001", "65004", "90008", "90094", "90095", "90099", "9002341"}, kindDenied, "The application is not approved yet",
				"An administrator of {name} must approve this application first.", stepAsk,
				"Grant admin consent for the application's permissions."},
			{[]string{"50002", "50005", "50097", "50127", "50129", "50131", "50155", "50187", "53000", "53001", "53002", "53003", "53010", "53011", "530032", "530034", "530035",
				"500021", "500022", "500212", "500213", "135011"}, kindDenied, "A company rule blocked this sign-in",
				"The access policy of {name} blocked this sign-in because of the device, the place or the application. Try from a company device, or ask your IT department.", stepAsk,
				"Conditional Access, tenant restrictions or security defaults; the sign-in log names the policy."},
			{[]string{"50072", "50079", "53004"}, kindProof, "A second proof has to be set up first",
				"{name} wants you to set up a second way to prove who you are. Sign in again and follow its pages.", stepAgain, ""},
			{[]string{"50074", "50076", "50078", "50088", "50158", "50161", "500121"}, kindProof, "The second proof is missing",
				"{name} asks for a second proof of who you are, and it was not given in time. Sign in again and follow its pages.", stepAgain, ""},
			{[]string{"50125", "50135"}, kindProof, "Your password has to be changed first",
				"{name} wants you to change your password. Finish that on its pages, then sign in again.", stepChange, ""},
			{[]string{"50132", "50133", "50173", "70000", "70008", "70043", "700082", "700084", "50013", "500133", "50085", "50089", "50196", "50197", "51006", "54005",
				"81004", "81009", "81010", "501481", "700005", "700020"}, kindProof, "This sign-in is too old",
				"What {name} knew of your sign-in has ended, for example because the password changed. Sign in again.", stepAgain, ""},
			{[]string{"50058", "50140", "50168"}, kindProof, "Please sign in again",
				"{name} needs you to sign in on its own page first.", stepAgain, ""},
			{[]string{"50011", "70004", "900971"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not accept the address it was to answer to. It is nothing you did; please tell your administrator.", stepAsk,
				"Register the gateway's callback address, exactly as in its configuration, as a redirect URI of type Web."},
			{[]string{"700016", "700011", "70001", "7000112", "90002", "90019", "50194", "500011", "50001", "1000031"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not know this application, or has switched it off. It is nothing you did; please tell your administrator.", stepAsk,
				"Compare client_id and tenant_id with the app registration, and see that the enterprise application is enabled."},
			{[]string{"7000215", "7000222", "7000218", "700027", "700025", "700030", "70002", "50012", "50048"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not accept the application's own credentials. It is nothing you did; please tell your administrator.", stepAsk,
				"The client secret or certificate is wrong or has expired. Make a new one in the app registration and put it into client_secret or the key file."},
			{[]string{"70011", "28002", "28003", "65005", "650052", "650054", "650056", "650057", "501461", "700022", "700023", "50146"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not offer what this application asks for. It is nothing you did; please tell your administrator.", stepAsk,
				"Compare scopes with the permissions of the app registration, and grant them."},
			{[]string{"70003", "70005", "70007", "700054", "90004", "90005", "90009", "90013", "90014", "90015", "90023", "90100", "900144", "900561", "9002313"}, kindDown,
				"The request did not arrive as it should",
				"{name} could not read what this application asked. Start again; if it stays so, tell your administrator.", stepAgain, ""},
			{[]string{"80001", "80002", "80005", "80007", "80010", "80013", "80014"}, kindDown, "Your company's directory cannot be reached",
				"{name} cannot reach your company's directory at the moment. Please try again in a few minutes.", stepAgain,
				"The on-premises authentication agents, or their clocks."},
			{[]string{"80012"}, kindDenied, "Not at this hour", "Your account at {name} may not sign in at this time of the day.", stepAsk, ""},
			{[]string{"20001", "20012", "20033", "40008", "40009", "40010", "40015", "50008", "50107", "5000819", "90123"}, kindDown, "Your company's own sign-in has trouble",
				"{name} hands you on to another sign-in of your company, and that one did not answer as it should. Try again; if it stays so, tell your IT department.", stepAgain,
				"The federated identity provider, for example AD FS: its certificate, clock and claim rules."},
			{[]string{"50000", "50033", "50087", "90006", "90012", "90024", "90033", "90036", "90055", "90090", "90091"}, kindDown, "{name} has trouble",
				"{name} has trouble at the moment. Please try again in a few minutes.", stepAgain, ""},
			{[]string{"120000", "120002", "120003", "120004", "120018"}, kindProof, "The new password was not accepted",
				"{name} did not change your password: it may be too short, too easy or used before, or the old one was wrong. Try again there.", stepChange, ""},
			{[]string{"120005", "120008", "120011", "120012", "120013", "120014", "120015", "120016", "120020", "120021"}, kindDenied, "The password could not be changed",
				"{name} could not change your password. Please ask your IT department to do it.", stepAsk,
				"Password writeback, or an account that is locked or disabled in the on-premises directory."},
		},
	}
}

func oktaFamily() family {
	return family{
		kinds: []string{"okta"}, vendor: "Okta", reason: "okta_", prefix: "E",
		strict: oktaCodeStrict, loose: oktaCodeLoose,
		phrases: map[string]string{
			"user is not assigned to the client application": "not_assigned",
			"policy evaluation failed for this request":      "policy_evaluation_failed",
			"you are not allowed to access this app":         "not_assigned",
		},
		refusals: []refusal{
			{[]string{"not_assigned"}, kindDenied, "You have no access to this application yet",
				"Your sign-in at {name} worked, but you have not been given access to this application. Please ask your administrator to assign you to it, or use another account.", stepSwitch,
				"Assign the person, or one of their groups, to the application."},
			{[]string{"policy_evaluation_failed"}, kindDenied, "A company rule blocked this sign-in",
				"No rule of {name} lets you into this application. Please ask your administrator.", stepAsk,
				"The authorization server needs an access policy with a rule that fits the person and the application."},
			{[]string{"0000004"}, kindProof, "The user name or password was wrong",
				"{name} did not recognise the user name or the password. Try again there, or reset your password.", stepReset, ""},
			{[]string{"0000069", "0000119"}, kindDenied, "Your account is locked for a while",
				"{name} has locked your account after too many tries. Unlock it there, or ask your IT department.", stepReset, ""},
			{[]string{"0000064"}, kindDenied, "Your password has expired",
				"Your password at {name} has expired. Change it there, then sign in again.", stepChange, ""},
			{[]string{"0000006", "0000015", "0000038"}, kindDenied, "You have no access to this application yet",
				"{name} does not let your account do this. Please ask your administrator.", stepAsk, ""},
			{[]string{"0000057"}, kindDenied, "A company rule blocked this sign-in",
				"The access policy of {name} blocked this sign-in. Try from a company device, or ask your IT department.", stepAsk, "The sign-on policy of the application."},
			{[]string{"0000058"}, kindProof, "The second proof is missing",
				"{name} asks for a second proof of who you are. Sign in again and follow its pages.", stepAgain, ""},
			{[]string{"0000068", "0000079", "0000082"}, kindProof, "The second proof was not accepted",
				"{name} did not accept the code of your second proof, or cannot go on from there. Sign in again with a fresh one.", stepAgain, ""},
			{[]string{"0000005", "0000011"}, kindProof, "This sign-in is too old",
				"What {name} knew of your sign-in has ended. Sign in again.", stepAgain, ""},
			{[]string{"0000014", "0000017"}, kindProof, "The password could not be changed",
				"{name} did not accept the new password. Try again there with another one.", stepChange, ""},
			{[]string{"0000032", "0000034", "0000035", "0000023"}, kindDenied, "Your password is kept elsewhere",
				"{name} cannot unlock your account or change your password, because they are kept in another system of your company. Please ask your IT department.", stepAsk,
				"Active Directory or LDAP is the source of these accounts, or the password policy does not allow it."},
			{[]string{"0000047"}, kindDown, "A little too fast", "{name} counts too many tries at the moment. Wait a minute, then try again.", stepAgain, ""},
			{[]string{"0000007", "0000008", "0000013"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not offer what this application asks for. It is nothing you did; please tell your administrator.", stepAsk,
				"Compare issuer and client_id with the application; a custom authorization server needs API Access Management."},
			{[]string{"0000009", "0000010"}, kindDown, "{name} has trouble", "{name} has trouble at the moment. Please try again in a few minutes.", stepAgain, ""},
		},
	}
}

func adfsFamily() family {
	return family{
		kinds: []string{"adfs", "oidc"}, vendor: "AD FS", prefix: "MSIS", reason: "msis_",
		strict: msisStrict, loose: msisLoose,
		refusals: []refusal{
			{[]string{"9605", "7068"}, kindDenied, "You have no access to this application yet",
				"{name} does not let you, or this application, in. Please ask your administrator.", stepAsk,
				"Check the access control policy of the application group, and Grant-AdfsApplicationPermission."},
			{[]string{"9659"}, kindProof, "The user name or password was wrong",
				"{name} did not recognise the user name or the password. Try again there, or reset your password.", stepReset, ""},
			{[]string{"9221", "9223", "9224", "9602", "9607", "9611"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not know this application or the address it was to answer to. It is nothing you did; please tell your administrator.", stepAsk,
				"Compare client id, redirect URI and scopes with the application group."},
			{[]string{"9622"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not accept the application's own credentials. It is nothing you did; please tell your administrator.", stepAsk,
				"The secret of the server application is wrong or has been reset."},
			{[]string{"9612"}, kindProof, "This sign-in is too old",
				"What {name} knew of your sign-in has ended. Sign in again.", stepAgain, ""},
			{[]string{"7042"}, kindDenied, "The sign-in went in a circle",
				"{name} stopped because the same sign-in was asked for again and again. Close the browser, wait a minute, then try again.", stepAgain,
				"Something sends people back before they are signed in: compare clocks and the gateway's public_url."},
			{[]string{"7065", "7012"}, kindDown, "{name} could not do this",
				"{name} could not handle the sign-in. Please try again, and tell your administrator if it stays so.", stepAgain,
				"The event log of the AD FS server has the cause under the activity id."},
			{[]string{"3173"}, kindDown, "Your company's directory did not agree",
				"{name} could not check your account in your company's directory. Please try again in a few minutes, or ask your IT department.", stepAgain, ""},
		},
	}
}

// keycloakFamily is the one code of its own that Keycloak sends on (beside temporarily_unavailable); the others stay on its pages, as texts.
func keycloakFamily() family {
	return family{
		kinds: []string{"keycloak", "oidc"}, vendor: "Keycloak", reason: "keycloak_",
		phrases: map[string]string{
			"authentication_expired":                  "authentication_expired",
			"your login attempt timed out":            "authentication_expired",
			"action expired":                          "authentication_expired",
			"invalid parameter: redirect_uri":         "invalid_redirect_uri",
			"account is disabled":                     "account_disabled",
			"invalid username or password":            "invalid_user_credentials",
			"account is temporarily disabled":         "user_temporarily_disabled",
			"client not found":                        "client_not_found",
			"you are already logged in":               "already_logged_in",
			"different_user_authenticated":            "different_user_authenticated",
			"already authenticated as different user": "different_user_authenticated",
		},
		refusals: []refusal{
			{[]string{"authentication_expired", "expired_code"}, kindProof, "The sign-in took too long", "{name} waited too long for this sign-in. Start again.", stepAgain, ""},
			{[]string{"already_logged_in"}, kindProof, "You are signed in there already", "{name} knows you from another window. Start again from here.", stepAgain, ""},
			{[]string{"different_user_authenticated"}, kindProof, "Two accounts got mixed up", "{name} knows you under another account in this browser. Choose your work account.", stepSwitch, ""},
			{[]string{"invalid_user_credentials", "user_not_found"}, kindProof, "The user name or password was wrong",
				"{name} did not recognise the user name or the password. Try again there, or reset your password.", stepReset, ""},
			{[]string{"user_disabled", "account_disabled"}, kindDenied, "Your account is disabled",
				"Your account at {name} is disabled. Please ask your IT department.", stepAsk, ""},
			{[]string{"user_temporarily_disabled"}, kindDenied, "Your account is locked for a while",
				"{name} has locked your account after too many tries. Wait a quarter of an hour, or reset your password there.", stepReset, ""},
			{[]string{"invalid_redirect_uri", "client_not_found"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not know this application or the address it was to answer to. It is nothing you did; please tell your administrator.", stepAsk,
				"Compare client id and Valid redirect URIs of the client with the gateway's configuration."},
		},
	}
}

func googleFamily() family {
	return family{
		kinds: []string{"google"}, vendor: "Google", reason: "google_",
		refusals: []refusal{
			{[]string{"admin_policy_enforced"}, kindDenied, "Your organisation has not allowed this application",
				"The administrator of {name} has not allowed this application for your account. Please ask them to.", stepAsk,
				"Admin console: Security, API controls, App access control: mark the client id as trusted."},
			{[]string{"access_not_configured"}, kindDenied, "Your organisation has not allowed this application",
				"{name} has not decided yet whether accounts like yours may use this application. Please ask your administrator.", stepAsk,
				"Admin console: Security, API controls, App access control: configure access for the client id."},
			{[]string{"org_internal"}, kindDenied, "This is an account of another organisation",
				"Only accounts of the organisation itself may use this application. Choose your work account.", stepSwitch,
				"The consent screen is of user type Internal."},
			{[]string{"disallowed_useragent"}, kindDenied, "This browser cannot be used for it",
				"{name} does not let people sign in inside another app's window. Open the page in your normal browser.", stepAgain, ""},
			{[]string{"redirect_uri_mismatch", "origin_mismatch"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not accept the address it was to answer to. It is nothing you did; please tell your administrator.", stepAsk,
				"Add the gateway's callback address, exactly as in its configuration, to the authorized redirect URIs of the client."},
			{[]string{"invalid_client", "deleted_client", "disabled_client"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not know this application any more. It is nothing you did; please tell your administrator.", stepAsk,
				"Compare client_id and the secret with the credentials page of the project."},
		},
	}
}

// standardFamily is the words that every provider may send.
func standardFamily() family {
	return family{
		vendor: "the sign-in page",
		refusals: []refusal{
			{[]string{"access_denied"}, kindDenied, "{name} did not let you in",
				"The sign-in was cancelled, or your account has not been given access. Try another account, or ask your administrator for access.", stepSwitch, ""},
			{[]string{"login_required", "interaction_required", "account_selection_required", "consent_required"}, kindProof, "Please sign in again",
				"{name} needs you to sign in on its own page first.", stepAgain, ""},
			{[]string{"temporarily_unavailable", "server_error"}, kindDown, "{name} has trouble",
				"{name} has trouble at the moment. Please try again in a minute.", stepAgain, ""},
			{[]string{"unmet_authentication_requirements"}, kindDenied, "The second proof is missing",
				"{name} could not ask you for the kind of proof that this application wants. Please ask your administrator.", stepAsk, ""},
			{[]string{"invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "request_not_supported", "request_uri_not_supported",
				"registration_not_supported", "invalid_request_uri", "invalid_request_object"}, kindDown, "Sign-in is not set up correctly",
				"{name} does not accept the way this application asks. It is nothing you did; please tell your administrator.", stepAsk, ""},
		},
	}
}
