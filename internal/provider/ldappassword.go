package provider

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// ChangePassword proves the current password with one bind and sets the new one: as the person, or, where the directory does not let
// them in before the change, as the service account. The old password goes along either way, and the directory's rules hold.
func (d *directory) ChangePassword(ctx context.Context, login, current, fresh string) error {
	name := d.cfg.displayName()
	if !d.cfg.PasswordChange {
		return fault.New(fault.Forbidden, fmt.Sprintf("Passwords of %s are not changed here.", name)).WithReason("password_change_off").WithNext(fault.NextHelp)
	}
	switch {
	case !possible(login, current):
		return identity.ErrWrongPassword
	case fresh == "" || len(fresh) > maxPassword || strings.ContainsRune(fresh, 0):
		return d.newRefused(changeRefused, "the new password cannot be one")
	}
	err := d.withServer(ctx, func(s *server) error {
		found, err := d.prove(ctx, s, login, current)
		if err != nil {
			return err
		}
		defer found.user.Close()
		switch s := d.standing(found); s {
		case stateGood, stateExpired, stateMustChange:
		default:
			return d.refusal(s)
		}
		if fresh == current {
			return d.newRefused(changeSame, "the new password is the old one") // only now: before, it would tell that the old one was not looked at
		}
		by := found.user
		if !found.bound {
			// Not one of the pool: this must not be done twice.
			if by, err = d.service(ctx, s); err != nil {
				return err
			}
			defer by.Close()
		}
		return d.explain(found, by, d.setPassword(d, by, found.entry, current, fresh))
	})
	if err != nil {
		return d.translate(err)
	}
	return nil
}

// change is why a directory did not take a new password. It is the word of the audit trail, too.
type change string

const (
	changeRefused    change = "password_refused" // and nobody said why
	changeShort      change = "password_short"
	changeWeak       change = "password_weak"
	changeUsed       change = "password_used"
	changeYoung      change = "password_young"
	changeSame       change = "password_same"
	changeNotAllowed change = "password_not_allowed"
)

// sentence says what to do; the name is the directory's.
func (c change) sentence(name string) string {
	switch c {
	case changeShort:
		return fmt.Sprintf("The new password is too short for %s. Choose a longer one.", name)
	case changeWeak:
		return fmt.Sprintf("The new password is too simple for %s. Mix capital and small letters, digits and symbols, and leave out your name.", name)
	case changeUsed:
		return fmt.Sprintf("You have used this password at %s before. Choose one that is new.", name)
	case changeYoung:
		return fmt.Sprintf("Your password at %s was changed only a short time ago and cannot be changed again yet. Use it until tomorrow, or ask your administrator.", name)
	case changeSame:
		return "The new password is the old one. Choose another."
	}
	return fmt.Sprintf("%s did not accept the new password. Choose a longer one that you have not used before, with letters, digits and symbols.", name)
}

// newRefused is a new password that is not taken; the cause is for the log.
func (d *directory) newRefused(c change, cause string) *fault.Error {
	return fault.Wrap(fault.Invalid, c.sentence(d.cfg.displayName()), errors.New(cause)).WithReason(string(c))
}

// explain turns the directory's answer to a change into ours.
func (d *directory) explain(found proven, by *conn, err error) error {
	name := d.cfg.displayName()
	var e *ldap.Error
	switch {
	case err == nil:
		return nil
	case isTrouble(answered(err)):
		// It may have been done. Nothing is sent twice, and the person finds out by signing in.
		return &lostBind{trouble{fault.Wrap(fault.Unavailable, fmt.Sprintf("%s did not confirm the change. Try to sign in with the new password, and if that "+
			"is refused, with the old one.", name), err).WithReason("change_unconfirmed").WithNext(fault.NextSignIn)}}
	case !errors.As(err, &e):
		return fmt.Errorf("change password: %w", err)
	}
	text := diagnosis(err)
	why := changeIn(text)
	if code, ok := policyError(e); ok {
		why = code
	}
	switch {
	case strings.Contains(text, "00000056"): // ERROR_INVALID_PASSWORD: somebody else changed it in this moment
		return identity.ErrWrongPassword
	case e.ResultCode == ldap.LDAPResultInsufficientAccessRights || e.ResultCode == ldap.LDAPResultStrongAuthRequired || why == changeNotAllowed:
		why = changeNotAllowed
		return fault.Wrap(fault.Forbidden, fmt.Sprintf("%s does not let this password be changed here. Please ask your administrator.", name), err).
			WithReason(string(why)).WithNext(fault.NextHelp)
	case e.ResultCode == ldap.LDAPResultConstraintViolation || e.ResultCode == ldap.LDAPResultUnwillingToPerform || why != changeRefused:
		sentence := why.sentence(name)
		if length := leastLength.FindStringSubmatch(text); why == changeShort && length != nil {
			sentence = fmt.Sprintf("The new password is too short for %s. It needs at least %s characters.", name, length[1])
		}
		if why == changeRefused && strings.Contains(text, "0000052D") {
			if rules := adRules(by, domainBase(found.entry.DN)); rules != "" {
				sentence = fmt.Sprintf("%s did not accept the new password. What it asks for: %s.", name, rules)
			}
		}
		return fault.Wrap(fault.Invalid, sentence, err).WithReason(string(why))
	}
	return fmt.Errorf("change password: %w", err)
}

// leastLength finds the length in a refusal.
var leastLength = regexp.MustCompile(`(\d{1,3}) char`)

// changeIn reads the words of OpenLDAP, 389 Directory Server, FreeIPA and Samba. What they do not say stays changeRefused; Active
// Directory on Windows never says more.
func changeIn(text string) change {
	text = strings.ToLower(text)
	for _, w := range []struct {
		why   change
		words []string
	}{
		{changeNotAllowed, []string{"unwilling to verify", "not allowed", "insufficient"}},
		{changeShort, []string{"too short", "equal or longer", "characters long"}},
		{changeUsed, []string{"history", "already used", "reuse", "previous"}},
		{changeYoung, []string{"too young", "too soon", "minimum age"}},
		{changeWeak, []string{"complex", "quality", "too simple", "syntax", "dictionary", "palindrome", "trivial", "based on"}},
	} {
		for _, word := range w.words {
			if strings.Contains(text, word) {
				return w.why
			}
		}
	}
	return changeRefused
}

// policyError reads the password policy control of a refused change (draft-behera-ldap-password-policy section 6.2).
func policyError(e *ldap.Error) (change, bool) {
	if e.Packet == nil || len(e.Packet.Children) < 3 {
		return "", false
	}
	for _, child := range e.Packet.Children[2].Children {
		control, err := ldap.DecodeControl(child)
		p, ok := control.(*ldap.ControlBeheraPasswordPolicy)
		if err != nil || !ok {
			continue
		}
		switch p.Error {
		case policyModNotAllowed:
			return changeNotAllowed, true
		case policyQuality:
			return changeWeak, true
		case policyShort:
			return changeShort, true
		case policyYoung:
			return changeYoung, true
		case policyUsed:
			return changeUsed, true
		}
	}
	return "", false
}

// passwordModify is the extended operation of RFC 3062, with the control that makes a password policy give its reason.
func passwordModify(_ *directory, c *conn, entry *ldap.Entry, current, fresh string) error {
	value := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "PasswdModifyRequestValue")
	for tag, field := range []string{entry.DN, current, fresh} {
		value.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, ber.Tag(tag), field, ""))
	}
	req := ldap.NewExtendedRequest("1.3.6.1.4.1.4203.1.11.1", value)
	req.Controls = []ldap.Control{ldap.NewControlBeheraPasswordPolicy()}
	_, err := c.Extended(req)
	return err
}

// unicodePwd is the change of Active Directory (MS-ADTS 3.1.1.3.1.5.1): the old value out and the new one in, in one step, which needs no
// other right than the old password.
func unicodePwd(_ *directory, c *conn, entry *ldap.Entry, current, fresh string) error {
	req := ldap.NewModifyRequest(entry.DN, nil)
	req.Delete("unicodePwd", []string{quoted16(current)})
	req.Add("unicodePwd", []string{quoted16(fresh)})
	return c.Modify(req)
}

// quoted16 writes a password in quotes, as UTF-16 with the low byte first.
func quoted16(password string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b.WriteByte(byte(u))
		b.WriteByte(byte(u >> 8))
	}
	return b.String()
}
