package provider

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"crmgate/internal/fault"
	"crmgate/internal/identity"
)

// state is why somebody with the right password may not sign in. It is the word of the audit trail, too.
type state string

const (
	stateGood       state = ""
	stateExpired    state = "password_expired"
	stateMustChange state = "password_must_change"
	stateDisabled   state = "account_disabled"
	stateEnded      state = "account_expired"
	stateLocked     state = "account_locked"
	stateHours      state = "sign_in_hours"
	statePlace      state = "sign_in_place"
)

// sentence says each state's truth and what to do. They are shown to whoever had the right password, and to nobody else.
func (d *directory) sentence(s state) string {
	name := d.cfg.displayName()
	switch s {
	case stateExpired:
		return fmt.Sprintf("Your password at %s has expired.", name)
	case stateMustChange:
		return fmt.Sprintf("%s wants you to set a new password before you go on.", name)
	case stateDisabled:
		return fmt.Sprintf("Your account at %s is disabled. Please ask your administrator.", name)
	case stateEnded:
		return fmt.Sprintf("Your account at %s has expired. Please ask your administrator.", name)
	case stateLocked:
		return fmt.Sprintf("Your account at %s is locked. Please ask your administrator.", name)
	case stateHours:
		return fmt.Sprintf("Your account at %s may not sign in at this time. Please try later, or ask your administrator.", name)
	case statePlace:
		return fmt.Sprintf("Your account at %s may not sign in from here. Please ask your administrator.", name)
	}
	return fmt.Sprintf("%s does not let your account sign in. Please ask your administrator.", name)
}

// refusal is a sign-in with the right password that the directory does not want.
func (d *directory) refusal(s state) error {
	err := fault.New(fault.Forbidden, d.sentence(s)).WithReason(string(s)).WithNext(fault.NextHelp)
	if s == stateExpired || s == stateMustChange {
		return &identity.MustChange{Here: d.cfg.PasswordChange, Expired: s == stateExpired, Err: err}
	}
	return err
}

// standing returns what speaks against somebody whose password was right: the answer to the bind, or what the entry says where the
// server does not look at it itself.
func (d *directory) standing(found proven) state {
	if found.state != stateGood {
		return found.state
	}
	for _, g := range d.schema.signs {
		if g.means == stateExpired && found.graced {
			continue // the server knows, and counts the sign-ins that are left
		}
		for _, value := range found.entry.GetEqualFoldAttributeValues(g.attribute) {
			if g.holds(value, d.env.Now()) {
				return g.means
			}
		}
	}
	return stateGood
}

// The errors of the password policy control (draft-behera-ldap-password-policy section 6.2): those that a bind gets, and those that a
// change of password gets.
const (
	policyExpired    = 0
	policyLocked     = 1
	policyMustChange = 2

	policyModNotAllowed = 3
	policyQuality       = 5
	policyShort         = 6
	policyYoung         = 7
	policyUsed          = 8
)

// bindUser proves a password, with one bind. identity.ErrWrongPassword is everything that could be told from a wrong name or password
// only by somebody who tries passwords, a locked account included. A state that the directory reveals after the right password
// stands in found. A connection that breaks is a *lostBind.
func (d *directory) bindUser(found *proven, password string) error {
	res, err := found.user.SimpleBind(&ldap.SimpleBindRequest{
		Username: found.entry.DN, Password: password, Controls: []ldap.Control{ldap.NewControlBeheraPasswordPolicy()},
	})
	locked := res != nil && d.readPolicy(found, res.Controls, err == nil) // controls come with a refusal, too
	switch {
	case err == nil:
		found.bound = true
		return nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultInvalidCredentials):
		if found.state == stateGood && d.bindState != nil {
			found.state = d.bindState(diagnosis(err))
		}
		switch {
		case locked || found.state == stateLocked:
			return identity.WrongPassword{Reason: string(stateLocked)}
		case found.state == stateGood:
			return identity.ErrWrongPassword
		}
		return nil
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultInappropriateAuthentication,
		ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform):
		// 389 Directory Server refuses a disabled account before it looks at the password.
		return identity.WrongPassword{Reason: string(d.standing(proven{entry: found.entry}))}
	case isTrouble(answered(err)):
		return &lostBind{trouble{fmt.Errorf("bind as the person: %w", err)}}
	}
	return fmt.Errorf("bind as the person: %w", err)
}

// readPolicy reads the controls that come with an answer, and reports a lock, which is told to anybody.
func (d *directory) readPolicy(found *proven, controls []ldap.Control, letIn bool) (locked bool) {
	left := int64(0)
	if p, ok := ldap.FindControl(controls, ldap.ControlTypeBeheraPasswordPolicy).(*ldap.ControlBeheraPasswordPolicy); ok {
		found.graced = letIn && p.Grace >= 0
		left = p.Expire
		switch {
		// With a sign-in left over an expired password still is the right one.
		case p.Error == policyExpired && !found.graced:
			found.state = stateExpired
		case p.Error == policyMustChange:
			found.state = stateMustChange
		}
		locked = p.Error == policyLocked
	}
	// 389 Directory Server lets the bind succeed and refuses everything after it, or refuses an expired password.
	if ldap.FindControl(controls, ldap.ControlTypeVChuPasswordMustChange) != nil && found.state == stateGood && !found.graced && !locked {
		found.state = stateExpired
		if letIn {
			found.state = stateMustChange
		}
	}
	if w, ok := ldap.FindControl(controls, ldap.ControlTypeVChuPasswordWarning).(*ldap.ControlVChuPasswordWarning); ok && left <= 0 {
		left = w.Expire
	}
	if left > 0 {
		found.expires = d.env.Now().Add(time.Duration(left) * time.Second)
	}
	return locked
}

// diagnosis returns what a server wrote beside a result code. It is for the log and for rules of ours, never for a page.
func diagnosis(err error) string {
	var e *ldap.Error
	if !errors.As(err, &e) || e.Err == nil {
		return ""
	}
	return e.Err.Error()
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
