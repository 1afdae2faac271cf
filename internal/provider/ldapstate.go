package provider

import (
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// The errors of the password policy control (draft-behera-ldap-password-policy section 6.2) that come only after the right
// password. Locked (1) is not one of them.
const (
	policyExpired    = 0
	policyMustChange = 2
)

// adState finds the reason that Active Directory hides in the text of result 49.
var adState = regexp.MustCompile(`AcceptSecurityContext error, data ([0-9a-fA-F]+)`)

// bindUser proves a password, with one bind. Nil is the right one. identity.ErrWrongPassword is everything that could be told
// from a wrong name or password only by somebody who tries passwords, a locked account included. States that the
// directory reveals after the right password are a fault with a sentence. A connection that breaks is a *lostBind.
func (d *directory) bindUser(c *conn, dn, password string) error {
	res, err := c.SimpleBind(&ldap.SimpleBindRequest{
		Username: dn, Password: password, Controls: []ldap.Control{ldap.NewControlBeheraPasswordPolicy()},
	})
	state := d.policyState(res)
	switch {
	case err == nil:
		return state
	case ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials):
		if state == nil {
			state = d.adState(err)
		}
		if state != nil {
			return state
		}
		return identity.ErrWrongPassword
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform):
		return identity.ErrWrongPassword
	case isTrouble(answered(err)):
		return &lostBind{trouble{fmt.Errorf("bind as the person: %w", err)}}
	}
	return fmt.Errorf("bind as the person: %w", err)
}

// policyState reads the controls that come with an answer, also with a refusal.
func (d *directory) policyState(res *ldap.SimpleBindResult) error {
	if res == nil {
		return nil
	}
	if p, ok := ldap.FindControl(res.Controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy); ok {
		switch {
		// With sign-ins left over an expired password still is the right one.
		case p.Error == policyExpired && p.Grace <= 0:
			return d.expired()
		case p.Error == policyMustChange:
			return d.mustChange()
		}
	}
	// 389 Directory Server lets the bind succeed and refuses everything after it.
	if ldap.FindControl(res.Controls, ldap.ControlTypeVChuPasswordMustChange) != nil {
		return d.mustChange()
	}
	return nil
}

// adState names the states that Active Directory reveals after the right password. 525, 52e and 775 (locked) come without it.
func (d *directory) adState(err error) error {
	var e *ldap.Error
	if !errors.As(err, &e) || e.Err == nil {
		return nil
	}
	found := adState.FindStringSubmatch(e.Err.Error())
	if found == nil {
		return nil
	}
	name := d.cfg.displayName()
	switch found[1] {
	case "532":
		return d.expired()
	case "773":
		return d.mustChange()
	case "533":
		return d.stopped("account_disabled", "Your account at %s is disabled. Please ask your administrator.", name)
	case "701":
		return d.stopped("account_expired", "Your account at %s has expired. Please ask your administrator.", name)
	case "530":
		return d.stopped("sign_in_hours", "Your account at %s may not sign in at this time. Please try later, or ask your administrator.", name)
	case "531":
		return d.stopped("sign_in_place", "Your account at %s may not sign in from here. Please ask your administrator.", name)
	}
	return nil
}

func (d *directory) expired() error {
	return d.stopped("password_expired", "Your password at %s has expired. Change it there, then sign in again.", d.cfg.displayName())
}

func (d *directory) mustChange() error {
	return d.stopped("password_must_change", "%s wants you to set a new password first. Change it there, then sign in again.", d.cfg.displayName())
}

// stopped is a sign-in with the right password that the directory does not want. The help page has the links.
func (d *directory) stopped(reason, format, name string) error {
	return fault.New(fault.Forbidden, fmt.Sprintf(format, name)).WithReason(reason).WithNext(fault.NextHelp)
}

// maxPace bounds how long an unknown name waits.
const maxPace = 2 * time.Second

// pace knows about how long the directory takes to judge a password.
type pace struct{ typical atomic.Int64 }

// observe learns from a real bind: an eighth of the difference, so that one slow answer does not count much.
func (p *pace) observe(took time.Duration) {
	old := p.typical.Load()
	if old == 0 {
		p.typical.Store(int64(took))
		return
	}
	p.typical.Store(old + (int64(took)-old)/8) // two at once may lose one; it is an estimate
}

// rest returns how long to wait still when a pretended bind took that long.
func (p *pace) rest(took time.Duration) time.Duration {
	return max(0, min(time.Duration(p.typical.Load()), maxPace)-took)
}
