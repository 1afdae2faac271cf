package provider

import (
	"reflect"
	"slices"
	"strings"

	"crmgate/internal/fault"
)

// use says which kinds of provider read a key.
type use int

const (
	withIDToken use = 1 << iota // every type with an ID token
	ofGitHub                    // github
	ofDirectory                 // ldap and active_directory
	ofEntra                     // entra
)

func useOf(kind string) use {
	switch kind {
	case "ldap", "active_directory":
		return ofDirectory
	case "github":
		return ofGitHub
	case "entra":
		return withIDToken | ofEntra
	}
	return withIDToken
}

func (u use) String() string {
	switch u {
	case ofDirectory:
		return "directories"
	case ofGitHub:
		return "github"
	case ofEntra:
		return "entra"
	}
	return "OpenID Providers"
}

// scopedKeys are the keys that only some types read; those with a check of their own elsewhere are not listed. Where a key looks as if it
// kept people out (keepsOut), setting it for a type that does not read it is a fault and no warning: nobody would notice that
// "organizations" for type oidc lets everybody in.
var scopedKeys = []struct {
	path     string
	by       use
	keepsOut bool
}{
	{"organizations", ofGitHub, true},
	{"tenant_id", ofEntra, true},
	{"request.max_age", withIDToken, true},
	{"request.acr_values", withIDToken, true},
	{"request", withIDToken, false},
	{"claims", withIDToken, false},
	{"issuer", withIDToken | ofGitHub, false},
	{"client_id", withIDToken | ofGitHub, false},
	{"client_secret_file", withIDToken | ofGitHub, false},
	{"client_secret", withIDToken | ofGitHub, false},
	{"client_auth", withIDToken | ofGitHub, false},
	{"client_key_file", withIDToken | ofGitHub, false},
	{"client_certificate_file", withIDToken | ofGitHub, false},
	{"scopes", withIDToken | ofGitHub, false},
	{"urls", ofDirectory, false},
	{"start_tls", ofDirectory, false},
	{"bind_dn", ofDirectory, false},
	{"bind_password_file", ofDirectory, false},
	{"bind_password", ofDirectory, false},
	{"user_base", ofDirectory, false},
	{"user_filter", ofDirectory, false},
	{"attributes", ofDirectory, false},
	{"timeout", ofDirectory, false},
	{"groups.base", ofDirectory, false},
	{"groups.filter", ofDirectory, false},
	{"groups.nested", ofDirectory, false},
}

// validateIdle names what is set and does nothing for the type of c. What stands at its default cannot be told from what was left out.
func validateIdle(c Config, p *fault.Problems) {
	kind := useOf(c.Type)
	var said []string
	for _, k := range scopedKeys {
		if k.by&kind != 0 || slices.Contains(said, k.path+"_file") || slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, k.path+".") }) {
			continue
		}
		if v := at(c, k.path); isEmpty(v) || alike(v, at(c.Default(), k.path)) {
			continue
		}
		said = append(said, k.path)
		problem := fault.Problem{Path: k.path, Warning: !k.keepsOut, Message: "does nothing for type " + c.Type + ": it is for " + k.by.String(), Hint: "Remove it, or look whether type is right."}
		if k.keepsOut {
			problem.Message = "is not looked at for type " + c.Type + ", so it would keep nobody out: it is for " + k.by.String()
		}
		*p = append(*p, problem)
	}
}

// at is the value of a key, by its path in the file.
func at(c Config, path string) reflect.Value {
	v := reflect.ValueOf(c)
	for key := range strings.SplitSeq(path, ".") {
		of := v.Type()
		v = v.FieldByNameFunc(func(name string) bool {
			f, ok := of.FieldByName(name)
			return ok && f.Tag.Get("json") == key
		})
	}
	return v
}

func isEmpty(v reflect.Value) bool { return v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 }

// alike is equality to which a list that is empty and one that is not there are the same.
func alike(a, b reflect.Value) bool {
	if a.Kind() != reflect.Struct {
		return isEmpty(a) && isEmpty(b) || reflect.DeepEqual(a.Interface(), b.Interface())
	}
	for i := range a.NumField() {
		if !alike(a.Field(i), b.Field(i)) {
			return false
		}
	}
	return true
}
