package session

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/sessions"
)

// deviceCookie holds the secrets of a browser that stands in for the second factor, one for each account that asked for it.
const deviceCookie = "crmgate_device"

// knownCookie holds the secrets by which accounts know a browser that has signed in before, one for each account. They open nothing.
const knownCookie = "crmgate_known"

// knownLifetime is how long a browser stays known without a sign-in; browsers keep no cookie for longer.
const knownLifetime = 400 * 24 * time.Hour

// maxDeviceSecrets is for how many accounts one browser is remembered; the oldest gives way.
const maxDeviceSecrets = 4

func (m *Manager) prefixed(name string) string {
	if m.Secure {
		return hostPrefix + name
	}
	return name
}

// DeviceSecrets returns the secrets of remembered devices that a browser holds, newest first. A cookie that comes twice holds none.
func (m *Manager) DeviceSecrets(r *http.Request) []string { return m.secrets(r, deviceCookie) }

// AddDeviceSecret gives a browser one more secret. It is always a fresh one: a cookie that somebody planted before is worth nothing.
func (m *Manager) AddDeviceSecret(w http.ResponseWriter, r *http.Request, secret string, lifetime time.Duration) {
	m.addSecret(w, r, deviceCookie, secret, lifetime)
}

// KnownSecrets returns the secrets by which accounts know a browser, newest first. A cookie that comes twice holds none.
func (m *Manager) KnownSecrets(r *http.Request) []string { return m.secrets(r, knownCookie) }

// KeepKnownSecret makes a browser hold the secret by which the account knows it that has just signed in, for as long as browsers keep
// anything.
func (m *Manager) KeepKnownSecret(w http.ResponseWriter, r *http.Request, secret string) {
	m.addSecret(w, r, knownCookie, secret, knownLifetime)
}

func (m *Manager) secrets(r *http.Request, name string) []string {
	value, n := find(r.Header["Cookie"], m.prefixed(name))
	if n != 1 {
		return nil
	}
	all := strings.Split(value, ".")
	if len(all) > maxDeviceSecrets {
		return nil
	}
	for _, s := range all {
		if !wellFormed(s) {
			return nil
		}
	}
	return all
}

func (m *Manager) addSecret(w http.ResponseWriter, r *http.Request, name, secret string, lifetime time.Duration) {
	others := slices.DeleteFunc(m.secrets(r, name), func(s string) bool { return s == secret })
	all := append([]string{secret}, others...)
	all = all[:min(len(all), maxDeviceSecrets)]
	setCookie(w, sessions.NewCookie(m.prefixed(name), strings.Join(all, "."), m.options(lifetime)))
}
