package mail_test

import (
	netmail "net/mail"
	"strings"
	"testing"

	"crmgate/internal/mail"
)

func TestCheckAddress(t *testing.T) {
	long := strings.Repeat("a", 64)
	label := strings.Repeat("b", 63)
	tests := []struct {
		name, address string
		ok            bool
	}{
		{name: "plain", address: "ann@example.com", ok: true},
		{name: "tag", address: "ann+crm@example.com", ok: true},
		{name: "signs of RFC 5322", address: "o'hara_a/b=c{d}@example.com", ok: true},
		{name: "one label", address: "ann@localhost", ok: true},
		{name: "letters beyond ASCII", address: "jürgen@bücher.example", ok: true},
		{name: "longest local part", address: long + "@example.com", ok: true},
		{name: "longest address", address: long + "@" + label + "." + label + "." + label[:61], ok: true},
		{name: "one too long", address: long + "@" + label + "." + label + "." + label[:62]},
		{name: "local part too long", address: long + "a@example.com"},
		{name: "empty"},
		{name: "no at", address: "ann"},
		{name: "two ats", address: "a@evil.test@corp.test"},
		{name: "quoted at", address: `"a@b"@c.test`},
		{name: "quoted", address: `"ann"@example.com`},
		{name: "no local part", address: "@example.com"},
		{name: "no domain", address: "ann@"},
		{name: "dot at the end", address: "ann@example.com."},
		{name: "double dot", address: "ann@example..com"},
		{name: "dot first", address: ".ann@example.com"},
		{name: "double dot in front", address: "a..b@example.com"},
		{name: "address literal", address: "ann@[192.0.2.1]"},
		{name: "hyphen first", address: "ann@-example.com"},
		{name: "underscore in domain", address: "ann@ex_ample.com"},
		{name: "display name", address: "Ann <ann@example.com>"},
		{name: "brackets", address: "<ann@example.com>"},
		{name: "two addresses", address: "ann@example.com,bob@example.com"},
		{name: "comment", address: "ann@example.com(comment)"},
		{name: "space", address: "ann @example.com"},
		{name: "line feed", address: "ann@example.com\nBcc: eve@evil.test"},
		{name: "command", address: "a@b\r\nRCPT TO:<eve@evil.test>"},
		{name: "line feed in front", address: "a\n@example.com"},
		{name: "NUL", address: "a\x00b@example.com"},
		{name: "bad UTF-8", address: "a\xff@example.com"},
		{name: "bidi override", address: "ann\u202e@example.com"},
		{name: "no-break space", address: "ann\u00a0@example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := mail.CheckAddress(tt.address); (err == nil) != tt.ok {
				t.Errorf("CheckAddress(%q) = %v, want ok %v", tt.address, err, tt.ok)
			}
		})
	}
}

func FuzzCheckAddress(f *testing.F) {
	for _, s := range []string{"ann@example.com", "\"a@b\"@c", "a@b\r\nRCPT TO:x", "jürgen@bücher.example", "<a@b>,c@d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if mail.CheckAddress(s) != nil {
			return
		}
		a, err := netmail.ParseAddress(s)
		if err != nil || a.Address != s || a.Name != "" {
			t.Errorf("%q was taken, and parses as %+v, %v", s, a, err)
		}
		if strings.ContainsAny(s, "\r\n<>, \"()\\;:") || strings.Count(s, "@") != 1 {
			t.Errorf("%q was taken", s)
		}
	})
}
