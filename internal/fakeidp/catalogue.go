package fakeidp

import (
	"net/url"
	"strings"
	"time"
)

// Case is a misbehaviour with a name, for table tests.
type Case struct {
	Name   string
	Faults Faults
}

// BadIDTokens are ID tokens that a relying party must refuse, every one.
func BadIDTokens() []Case {
	edit := func(name string, f func(c map[string]any)) Case { return Case{name, Faults{EditIDToken: f}} }
	sign := func(name string, how Signing) Case { return Case{name, Faults{Signing: how}} }
	return []Case{
		edit("nonce wrong", func(c map[string]any) { c["nonce"] = "of-somebody-else" }),
		edit("nonce missing", func(c map[string]any) { delete(c, "nonce") }),
		edit("nonce empty", func(c map[string]any) { c["nonce"] = "" }),
		edit("iss wrong", func(c map[string]any) { c["iss"] = "https://login.evil.example" }),
		edit("iss with a closing slash more", func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" }),
		edit("iss missing", func(c map[string]any) { delete(c, "iss") }),
		edit("aud wrong", func(c map[string]any) { c["aud"] = "another-client" }),
		edit("aud missing", func(c map[string]any) { delete(c, "aud") }),
		edit("aud empty list", func(c map[string]any) { c["aud"] = []string{} }),
		edit("second aud without azp", func(c map[string]any) { c["aud"] = []any{c["aud"], "another-client"} }),
		edit("second aud with wrong azp", func(c map[string]any) {
			c["aud"], c["azp"] = []any{c["aud"], "another-client"}, "another-client"
		}),
		edit("azp wrong", func(c map[string]any) { c["azp"] = "another-client" }),
		edit("expired", func(c map[string]any) { shift(c, -time.Hour, "iat", "exp") }),
		edit("exp missing", func(c map[string]any) { delete(c, "exp") }),
		edit("iat an hour in the future", func(c map[string]any) { shift(c, time.Hour, "iat", "exp") }),
		edit("sub empty", func(c map[string]any) { c["sub"] = "" }),
		edit("sub missing", func(c map[string]any) { delete(c, "sub") }),
		edit("sub a number", func(c map[string]any) { c["sub"] = 7 }),
		edit("a logout token", func(c map[string]any) {
			c["events"] = map[string]any{LogoutEvent: map[string]any{}}
		}),
		sign("alg none", SignNone),
		sign("HS256 under the client secret", SignHS256Secret),
		sign("HS256 under the public key", SignHS256PublicKey),
		sign("foreign key under a known kid", SignForeignKey),
		sign("unknown kid", SignUnknownKid),
		sign("signature broken", SignBroken),
		sign("key in the jwk header", SignHeaderJWK),
		sign("key behind the jku header", SignHeaderJKU),
		{"ID token missing", Faults{EditToken: func(b map[string]any) { delete(b, "id_token") }}},
		{"ID token empty", Faults{EditToken: func(b map[string]any) { b["id_token"] = "" }}},
		{"ID token not a string", Faults{EditToken: func(b map[string]any) { b["id_token"] = 7 }}},
		{"ID token of many dots", Faults{EditToken: func(b map[string]any) { b["id_token"] = strings.Repeat(".", 500_000) }}},
		{"ID token not JSON", Faults{EditToken: func(b map[string]any) { b["id_token"] = "eyJhbGciOiJFUzI1NiJ9.bm90IGpzb24.AAAA" }}},
	}
}

// OddClaims are answers that are legal, or common enough, and yet not what one expects; what a relying party makes of each is
// its decision, but none may crash it or give anybody more than they have.
func OddClaims() []Case {
	both := func(name string, f func(c map[string]any)) Case {
		return Case{name, Faults{EditIDToken: f, EditUserinfo: f}}
	}
	id := func(name string, f func(c map[string]any)) Case { return Case{name, Faults{EditIDToken: f}} }
	return []Case{
		both("email_verified a string", func(c map[string]any) { c["email_verified"] = "true" }),
		both("email_verified a number", func(c map[string]any) { c["email_verified"] = 1 }),
		both("email_verified null", func(c map[string]any) { c["email_verified"] = nil }),
		both("email_verified absent", func(c map[string]any) { delete(c, "email_verified") }),
		id("email only in userinfo", func(c map[string]any) { delete(c, "email"); delete(c, "email_verified") }),
		both("email absent", func(c map[string]any) { delete(c, "email") }),
		id("groups only in userinfo", func(c map[string]any) { delete(c, "groups") }),
		both("groups a string", func(c map[string]any) { c["groups"] = "staff" }),
		both("groups empty", func(c map[string]any) { c["groups"] = []string{} }),
		both("groups null", func(c map[string]any) { c["groups"] = nil }),
		both("groups of numbers", func(c map[string]any) { c["groups"] = []any{1, nil, map[string]any{}} }),
		both("groups absent", func(c map[string]any) { delete(c, "groups") }),
		both("groups over the limit", func(c map[string]any) { // Entra ID sends this instead of more than 200
			delete(c, "groups")
			c["_claim_names"] = map[string]any{"groups": "src1"}
			c["_claim_sources"] = map[string]any{"src1": map[string]any{"endpoint": "https://graph.invalid/getMemberObjects"}}
		}),
		id("iat ten years ago", func(c map[string]any) { shift(c, -10*365*24*time.Hour, "iat") }),
		id("exp half a minute ago", func(c map[string]any) { c["exp"] = c["iat"].(int64) - 30 }),
		id("iat half a minute ahead", func(c map[string]any) { shift(c, 30*time.Second, "iat") }),
		id("azp right", func(c map[string]any) { c["azp"] = c["aud"] }),
		id("aud a list of one", func(c map[string]any) { c["aud"] = []any{c["aud"]} }),
	}
}

// BadUserinfo are userinfo troubles that must not end in a sign-in with what it would have said.
func BadUserinfo() []Case {
	return []Case{
		{"sub differs", Faults{EditUserinfo: func(c map[string]any) { c["sub"] = "somebody-else" }}},
		{"sub missing", Faults{EditUserinfo: func(c map[string]any) { delete(c, "sub") }}},
		{"500", Faults{Userinfo: Trouble{Status: 500}}},
		{"401", Faults{Userinfo: Trouble{Status: 401}}},
		{"not JSON", Faults{Userinfo: Trouble{Body: "<p>Hello"}}},
		{"over 1 MB", Faults{Userinfo: Trouble{Pad: 1 << 20}}},
	}
}

// BadResponses are authorization responses that a relying party must refuse before it asks the token endpoint.
func BadResponses() []Case {
	edit := func(name string, f func(v url.Values)) Case { return Case{name, Faults{EditResponse: f}} }
	return []Case{
		edit("iss wrong", func(v url.Values) { v.Set("iss", "https://login.evil.example") }),
		edit("iss empty", func(v url.Values) { v.Set("iss", "") }),
		edit("iss missing although advertised", func(v url.Values) { v.Del("iss") }),
		edit("iss twice", func(v url.Values) { v.Add("iss", v.Get("iss")) }),
		edit("state wrong", func(v url.Values) { v.Set("state", "of-somebody-else") }),
		edit("state missing", func(v url.Values) { v.Del("state") }),
		edit("state twice", func(v url.Values) { v.Add("state", v.Get("state")) }),
		edit("code missing", func(v url.Values) { v.Del("code") }),
		edit("code twice", func(v url.Values) { v.Add("code", "another") }),
		edit("code with an error", func(v url.Values) { v.Set("error", "access_denied") }),
		edit("access denied", func(v url.Values) { v.Del("code"); v.Set("error", "access_denied") }),
	}
}

// BadTokenEndpoints are troubles of the token endpoint; elsewhere is the address to which one of them redirects. The one that
// hangs lasts until the client gives up.
func BadTokenEndpoints(elsewhere string) []Case {
	return []Case{
		{"500", Faults{Token: Trouble{Status: 500}}},
		{"503", Faults{Token: Trouble{Status: 503}}},
		{"not JSON", Faults{Token: Trouble{Body: "<p>Hello"}}},
		{"redirect elsewhere", Faults{Token: Trouble{Redirect: elsewhere}}},
		{"over 1 MB", Faults{Token: Trouble{Pad: 1 << 20}}},
		{"hangs", Faults{Token: Trouble{Hang: true}}},
	}
}

// BadDiscovery are troubles of the metadata document. The one that hangs lasts until the client gives up.
func BadDiscovery() []Case {
	edit := func(name string, f func(m map[string]any)) Case { return Case{name, Faults{EditDiscovery: f}} }
	return []Case{
		{"500", Faults{Discovery: Trouble{Status: 500}}},
		{"404", Faults{Discovery: Trouble{Status: 404}}},
		{"not JSON", Faults{Discovery: Trouble{Body: "<p>Hello"}}},
		{"over 1 MB", Faults{Discovery: Trouble{Pad: 1 << 20}}},
		{"hangs", Faults{Discovery: Trouble{Hang: true}}},
		edit("issuer differs", func(m map[string]any) { m["issuer"] = "https://login.evil.example" }),
		edit("issuer with a closing slash more", func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "/" }),
		edit("no authorization endpoint", func(m map[string]any) { delete(m, "authorization_endpoint") }),
		edit("no token endpoint", func(m map[string]any) { delete(m, "token_endpoint") }),
		edit("no keys", func(m map[string]any) { delete(m, "jwks_uri") }),
		edit("token endpoint in the clear", func(m map[string]any) { m["token_endpoint"] = "http://login.evil.example/token" }),
	}
}

// WithoutResponseIss makes a provider that does not know RFC 9207, as Entra ID.
func WithoutResponseIss() Faults {
	return Faults{
		EditDiscovery: func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") },
		EditResponse:  func(v url.Values) { v.Del("iss") },
	}
}

// shift moves times among the claims.
func shift(c map[string]any, by time.Duration, names ...string) {
	for _, name := range names {
		if t, ok := c[name].(int64); ok {
			c[name] = t + int64(by.Seconds())
		}
	}
}
