package session

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/sessions"
)

// paceCookie remembers how often a browser was sent to a provider without a click. It holds no secret: who changes it only deceives
// themselves.
const paceCookie = "crmgate_pace"

const (
	// sendsAllowed is how often within sendsWithin a browser is sent to a provider without a click. More is a loop: the CRM or the provider
	// sends it back each time.
	sendsAllowed = 3
	sendsWithin  = time.Minute
	// waiting is the cookie's value where the next start waits for a click.
	waiting = "wait"
)

// Pace says whether a browser may be sent to a provider without a click.
type Pace int

// The paces.
const (
	// PaceGo sends it on; this time is counted.
	PaceGo Pace = iota
	// PaceWait shows the sign-in page: the person has signed out and would be signed straight in again.
	PaceWait
	// PaceLoop explains: the browser was sent too often within a minute.
	PaceLoop
)

func (m *Manager) paceName() string {
	if m.Secure {
		return hostPrefix + paceCookie
	}
	return paceCookie
}

// Pace decides whether the browser may be sent to a provider without a click, and remembers it where it may.
func (m *Manager) Pace(w http.ResponseWriter, r *http.Request) Pace {
	value, n := find(r.Header["Cookie"], m.paceName())
	if n > 1 || value == waiting {
		return PaceWait
	}
	now := m.now()
	var recent []string
	for at := range strings.SplitSeq(value, ".") {
		seconds, err := strconv.ParseInt(at, 36, 64)
		if age := now.Sub(time.Unix(seconds, 0)); err == nil && age < sendsWithin && age > -sendsWithin {
			recent = append(recent, at)
		}
	}
	if len(recent) >= sendsAllowed {
		return PaceLoop
	}
	recent = append(recent, strconv.FormatInt(now.Unix(), 36))
	setCookie(w, sessions.NewCookie(m.paceName(), strings.Join(recent, "."), m.options(sendsWithin)))
	return PaceGo
}

// WaitForClick makes Pace say PaceWait until somebody has signed in again.
func (m *Manager) WaitForClick(w http.ResponseWriter) {
	setCookie(w, sessions.NewCookie(m.paceName(), waiting, m.options(0)))
}

// wentOn ends what WaitForClick began. What was counted stays: a loop goes through many sign-ins that succeed.
func (m *Manager) wentOn(w http.ResponseWriter, r *http.Request) {
	if value, n := find(r.Header["Cookie"], m.paceName()); n > 0 && value == waiting {
		options := m.options(0)
		options.MaxAge = -1
		setCookie(w, sessions.NewCookie(m.paceName(), "", options))
	}
}
