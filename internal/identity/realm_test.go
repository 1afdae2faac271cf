package identity

import "testing"

type known Info

func (k known) Info() Info { return Info(k) }

func TestFind(t *testing.T) {
	contoso := known{ID: "contoso", Domains: []string{"Contoso.com"}, Emails: []string{"Eve@partner.test"}}
	directory := known{ID: "directory", Domains: []string{"corp.test", "contoso.com"}, Emails: []string{"eve@partner.test"}}
	rest := known{ID: "rest", Domains: []string{"*"}}
	second := known{ID: "second", Domains: []string{"*"}}
	tests := []struct {
		name       string
		providers  []Provider
		identifier string
		want       string // provider id; empty for nobody
	}{
		{"by domain", []Provider{contoso, directory}, "ann@contoso.com", "contoso"},
		{"by domain in capitals", []Provider{contoso, directory}, " Ann@CONTOSO.com ", "contoso"},
		{"by domain in full width", []Provider{contoso}, "ann＠ｃｏｎｔｏｓｏ.com", "contoso"},
		{"the first of two", []Provider{directory, contoso}, "ann@contoso.com", "directory"},
		{"single address", []Provider{contoso, directory}, "eve@partner.test", "contoso"},
		{"single address before domain", []Provider{known{ID: "p", Domains: []string{"partner.test"}}, contoso}, "eve@partner.test", "contoso"},
		{"neighbour of a single address", []Provider{contoso}, "adam@partner.test", ""},
		{"subdomain", []Provider{contoso, rest}, "ann@de.mail.contoso.com", "contoso"},
		{"subdomain of another provider", []Provider{contoso, known{ID: "sub", Domains: []string{"mail.contoso.com"}}}, "ann@de.mail.contoso.com", "sub"},
		{"domain above", []Provider{known{ID: "sub", Domains: []string{"mail.contoso.com"}}}, "ann@contoso.com", ""},
		{"the same letters at the end", []Provider{contoso}, "ann@notcontoso.com", ""},
		{"dots alone", []Provider{contoso}, "ann@..contoso.com", "contoso"},
		{"unknown domain", []Provider{contoso}, "ann@nowhere.test", ""},
		{"unknown domain, one takes the rest", []Provider{rest, contoso}, "ann@nowhere.test", "rest"},
		{"own domain before the rest", []Provider{rest, contoso}, "ann@contoso.com", "contoso"},
		{"the first of two that take the rest", []Provider{rest, second}, "ann@nowhere.test", "rest"},
		{"bare name", []Provider{rest, contoso}, "ann", ""},
		{"nothing", []Provider{rest}, "", ""},
		{"two @", []Provider{rest, contoso}, "ann@evil.test@contoso.com", ""},
		{"the asterisk is no domain", []Provider{rest}, "ann@", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, ok := NewRealms(tt.providers...).Find(tt.identifier)
			got := ""
			if ok {
				got = p.Info().ID
			}
			if got != tt.want || ok != (p != nil) {
				t.Errorf("Find(%q) = %q, %v; want %q", tt.identifier, got, ok, tt.want)
			}
		})
	}
}

func TestOwner(t *testing.T) {
	r := NewRealms(known{ID: "rest", Domains: []string{"*"}}, known{ID: "contoso", Domains: []string{"contoso.com"}})
	if p, ok := r.Owner("ann@sub.contoso.com"); !ok || p.Info().ID != "contoso" {
		t.Errorf("Owner of a subdomain = %v, %v", p, ok)
	}
	if p, ok := r.Owner("ann@nowhere.test"); ok || p != nil {
		t.Errorf("Owner of a domain that only the rest has = %v, %v", p, ok)
	}
}

func TestDomain(t *testing.T) {
	tests := []struct {
		name, address, want string // want is empty where there is no domain
	}{
		{"plain", "ann@contoso.com", "contoso.com"},
		{"none", "ann", ""},
		{"empty", "", ""},
		{"no local part", "@contoso.com", ""},
		{"no domain", "ann@", ""},
		{"two", "ann@evil.test@contoso.com", ""},
		{"two at the end", "ann@contoso.com@", ""},
		{"space", "ann@contoso.com evil", ""},
		{"line break", "ann@contoso.com\n", ""},
		{"dot at the end", "ann@contoso.com.", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := Domain(tt.address); got != tt.want || ok != (tt.want != "") {
				t.Errorf("Domain(%q) = %q, %v; want %q", tt.address, got, ok, tt.want)
			}
		})
	}
}
