package session

import (
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/sessions"
)

// deviceCookie holds the secrets of a browser that stands in for the second factor, one for each account that asked for it.
const deviceCookie = "crmgate_device"

// maxDeviceSecrets is for how many accounts one browser is remembered; the oldest gives way.
const maxDeviceSecrets = 4

func (m *Manager) deviceName() string {
	if m.Secure {
		return hostPrefix + deviceCookie
	}
	return deviceCookie
}

// DeviceSecrets returns the secrets of remembered devices that a browser holds, newest first. A cookie that comes twice holds none.
func (m *Manager) DeviceSecrets(r *http.Request) []string {
	value, n := find(r.Header["Cookie"], m.deviceName())
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

// AddDeviceSecret gives a browser one more secret. It is always a fresh one: a cookie that somebody planted before is worth nothing.
func (m *Manager) AddDeviceSecret(w http.ResponseWriter, r *http.Request, secret string, lifetime time.Duration) {
	all := append([]string{secret}, m.DeviceSecrets(r)...)
	all = all[:min(len(all), maxDeviceSecrets)]
	setCookie(w, sessions.NewCookie(m.deviceName(), strings.Join(all, "."), m.options(lifetime)))
}
