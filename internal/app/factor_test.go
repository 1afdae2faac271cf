package app_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// phone is a gateway for text messages and the telephone behind it. It knows one key and takes JSON.
type phone struct {
	mu       sync.Mutex
	messages []map[string]string
	secret   []byte // of the authenticator app on it
}

func (p *phone) start(t *testing.T) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m map[string]string
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer sms-key" || json.NewDecoder(r.Body).Decode(&m) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.messages = append(p.messages, m)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// authenticator is RFC 6238, written once more so that the test does not believe the code.
func authenticator(secret []byte, at time.Time) string {
	var step [8]byte
	binary.BigEndian.PutUint64(step[:], uint64(at.Unix()/30))
	h := hmac.New(sha1.New, secret)
	h.Write(step[:])
	sum := h.Sum(nil)
	o := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[o:])&0x7fffffff)%1_000_000)
}

// cmdTOTP is an authenticator app: `totp scan` reads the key from the page, `totp N` puts the code of N half minutes from now into $CODE.
func (w *world) cmdTOTP(ts *testscript.TestScript, args []string) error {
	if args[0] == "scan" {
		m := regexp.MustCompile(`id="key">([A-Z2-7 ]+)<`).FindStringSubmatch(w.b.body)
		if m == nil {
			return fmt.Errorf("no key on %s\n%s", w.b.url, w.b.parse().text)
		}
		var err error
		w.phone.secret, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m[1], " ", ""))
		return err
	}
	n, err := strconv.Atoi(args[0])
	ts.Setenv("CODE", authenticator(w.phone.secret, time.Now().Add(time.Duration(n)*30*time.Second)))
	return err
}

// cmdCode puts the first match of a pattern on the page, or in the last mail for `code mail PATTERN`, into $CODE.
func (w *world) cmdCode(ts *testscript.TestScript, args []string) error {
	text := w.b.body
	if args[0] == "mail" {
		text, args = w.lastMail.Text, args[1:]
	}
	m := regexp.MustCompile(args[0]).FindString(text)
	if m == "" {
		return fmt.Errorf("no %s in\n%s", args[0], text)
	}
	ts.Setenv("CODE", m)
	return nil
}

// cmdSMS waits for the next text message to a number and puts its code into $CODE: `sms NUMBER`.
func (w *world) cmdSMS(ts *testscript.TestScript, args []string) error {
	w.phone.mu.Lock()
	defer w.phone.mu.Unlock()
	if len(w.phone.messages) == 0 {
		return fmt.Errorf("no text message came")
	}
	m := w.phone.messages[0]
	w.phone.messages = w.phone.messages[1:]
	if m["to"] != args[0] {
		return fmt.Errorf("a message went to %q", m["to"])
	}
	ts.Setenv("CODE", regexp.MustCompile(`\d{6}`).FindString(m["text"]))
	return nil
}

// cmdSubmitTo sends the form whose address contains what is given, as it stands: `submit-to send`.
func (w *world) cmdSubmitTo(_ *testscript.TestScript, args []string) error {
	for _, f := range w.b.parse().forms {
		if !strings.Contains(f.action, args[0]) {
			continue
		}
		values := url.Values{}
		for name, v := range f.fields {
			if v != unchecked {
				values.Set(name, v)
			}
		}
		for _, a := range args[1:] {
			k, v, _ := strings.Cut(a, "=")
			values.Set(k, v)
		}
		return w.b.send(f, values)
	}
	return fmt.Errorf("no form to %q on %s", args[0], w.b.url)
}

// factorOf is an authenticator app for a browser test: it remembers the key it is given once and returns the code some steps from now.
func factorOf(t *testing.T) func(key string, steps int) string {
	var secret []byte
	return func(key string, steps int) string {
		t.Helper()
		if key != "" {
			var err error
			if secret, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(key, " ", "")); err != nil {
				t.Fatal(err)
			}
		}
		return authenticator(secret, time.Now().Add(time.Duration(steps)*30*time.Second))
	}
}
