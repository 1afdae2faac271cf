package provider

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// Revalidate reads the entry of somebody who is signed in. A session lives on only while its person could sign in again; a lock
// that ends by itself is no reason, because strangers cause those.
func (d *directory) Revalidate(ctx context.Context, g identity.Grant) (identity.Identity, error) {
	if g.Issuer != d.issuer() || g.Subject == "" {
		return identity.Identity{}, identity.ErrNothingToAsk
	}
	var id identity.Identity
	err := d.withServer(ctx, func(s *server) error {
		return d.withService(ctx, s, func(service *conn) (err error) {
			id, err = d.again(service, g.Subject)
			return err
		})
	})
	if err != nil {
		return identity.Identity{}, d.translate(err)
	}
	return id, nil
}

func (d *directory) again(service *conn, subject string) (identity.Identity, error) {
	entry, err := d.same(service, subject)
	if err != nil {
		return identity.Identity{}, err
	}
	if entry == nil {
		return identity.Identity{}, d.ended("account_gone", "%s no longer has your account, or no longer lets it in here. Please ask your administrator.")
	}
	found := proven{entry: entry}
	if s := d.standing(found); s != stateGood {
		return identity.Identity{}, d.ended(string(s), "Your account at %s may not sign in any more as it is. Sign in again to see why.")
	}
	id, err := d.identify(service, entry)
	d.expiry(&id, found)
	return id, err
}

// same returns the entry with an id if user_filter still takes it, whatever its name is by now.
func (d *directory) same(service *conn, subject string) (*ldap.Entry, error) {
	a, id := d.cfg.Attributes, idFilter(d.cfg.Attributes.ID, subject)
	named := func(value string) string {
		return strings.NewReplacer(holdLogin, value, holdName, value).Replace(d.cfg.UserFilter)
	}
	wanted := "(&" + id + named("*") + ")" // (uid=*) is any name at all
	if strings.Contains(d.cfg.UserFilter, ":="+holdLogin) || strings.Contains(d.cfg.UserFilter, ":="+holdName) {
		// An extensible match takes the asterisk for a name.
		entry, err := d.one(service, id)
		if entry == nil || err != nil {
			return nil, err
		}
		wanted = "(&" + id + "(|" + named(ldap.EscapeFilter(entry.GetEqualFoldAttributeValue(a.Username))) +
			named(ldap.EscapeFilter(entry.GetEqualFoldAttributeValue(a.Email))) + "))"
	}
	entry, err := d.one(service, wanted)
	if entry == nil || err != nil || stableID(a.ID, entry.GetEqualFoldRawAttributeValue(a.ID)) != subject {
		return nil, err
	}
	return entry, nil
}

// ended is the end of a session.
func (d *directory) ended(reason, sentence string) error {
	return fault.New(fault.Unauthenticated, fmt.Sprintf(sentence, d.cfg.displayName())).WithReason(reason).WithNext(fault.NextSignIn)
}

// idFilter finds what stableID wrote.
func idFilter(attribute, subject string) string {
	if strings.EqualFold(attribute, "objectGUID") {
		if raw, err := hex.DecodeString(strings.ReplaceAll(subject, "-", "")); err == nil && len(raw) == 16 {
			raw[0], raw[1], raw[2], raw[3] = raw[3], raw[2], raw[1], raw[0]
			raw[4], raw[5], raw[6], raw[7] = raw[5], raw[4], raw[7], raw[6]
			return "(" + attribute + "=" + escapeBytes(raw) + ")"
		}
	}
	text := "(" + attribute + "=" + ldap.EscapeFilter(subject) + ")"
	if raw, err := hex.DecodeString(subject); err == nil && subject != "" {
		// Bytes that are no text were written in hexadecimal; what is found is compared again.
		return "(|" + text + "(" + attribute + "=" + escapeBytes(raw) + "))"
	}
	return text
}

// escapeBytes writes bytes for a filter (RFC 4515 section 3).
func escapeBytes(raw []byte) string {
	var b strings.Builder
	for _, c := range raw {
		fmt.Fprintf(&b, `\%02x`, c)
	}
	return b.String()
}
