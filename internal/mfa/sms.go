package mfa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/fault"
)

// smsTimeout bounds one request to the gateway: a person waits for it.
const smsTimeout = 10 * time.Second

// sms sends a code to a telephone through somebody's HTTP gateway.
type sms struct {
	cfg    SMSConfig
	client *http.Client
	now    func() time.Time
}

type smsKept struct {
	Number string `json:"number"`
}

func newSMS(e Env) (Factor, error) {
	if e.Config.SMS.URL == "" {
		return nil, nil
	}
	return &sms{cfg: e.Config.SMS, now: e.now, client: &http.Client{
		Timeout: smsTimeout,
		// A code and a key to the gateway go where the configuration says and nowhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (*sms) Info() Info {
	return Info{Kind: SMS, Name: "Code by text message", Way: "Get a code by text message", Sends: true, Guessable: true, Tries: codeTries, Single: true,
		About: "We send a code to your phone. Text messages can be intercepted; an app or a passkey is safer."}
}

func (f *sms) Enrol(ctx context.Context, _ Person, _ []Kept, form url.Values) ([]byte, error) {
	number, ok := phoneNumber(form.Get("phone"))
	if !ok {
		return nil, fault.New(fault.Invalid, "Type the number with its country code, such as +44 7700 900123.").WithReason("bad_number")
	}
	return f.send(ctx, number)
}

func (f *sms) Confirm(_ context.Context, _ Person, state []byte, form url.Values) (Fresh, error) {
	s, err := decode[sent]("code by text message", state)
	if err == nil {
		err = s.matches(form, f.now())
	}
	if err != nil {
		return Fresh{}, err
	}
	b, err := json.Marshal(smsKept{Number: s.To})
	return Fresh{Name: veilNumber(s.To), Secret: b, AMR: []string{"sms"}}, err
}

func (f *sms) Begin(ctx context.Context, _ Person, have []Kept) ([]byte, error) {
	k, err := f.kept(have)
	if err != nil {
		return nil, err
	}
	return f.send(ctx, k.Number)
}

func (f *sms) Check(_ context.Context, _ Person, have []Kept, state []byte, form url.Values) (Proof, error) {
	s, err := decode[sent]("code by text message", state)
	if err == nil {
		err = s.matches(form, f.now())
	}
	if err != nil {
		return Proof{}, err
	}
	return Proof{Kind: SMS, EnrolmentID: have[0].ID, AMR: []string{"sms"}}, nil
}

func (f *sms) View(_ Person, have []Kept, state []byte) (any, error) {
	v := SentView{Sent: len(state) > 0}
	if k, err := f.kept(have); err == nil {
		v.To = veilNumber(k.Number)
	} else if s, err := decode[sent]("code by text message", state); err == nil {
		v.To = veilNumber(s.To)
	}
	return v, nil
}

func (f *sms) kept(have []Kept) (smsKept, error) {
	if len(have) == 0 {
		return smsKept{}, errNotEnrolled
	}
	return decode[smsKept]("code by text message", have[0].Secret)
}

// send asks the gateway to send a code.
func (f *sms) send(ctx context.Context, number string) ([]byte, error) {
	code := newCode()
	state, err := newSent(number, code, f.now())
	if err != nil {
		return nil, err
	}
	if err := f.post(ctx, number, code); err != nil {
		return nil, fault.Wrap(fault.Unavailable, "The text message could not be sent. Try again in a minute, or choose another way.", err).WithReason("sms_gateway")
	}
	return state, nil
}

func (f *sms) post(ctx context.Context, number, code string) error {
	contentType := ""
	for _, h := range f.cfg.Headers {
		if strings.EqualFold(h.Name, "Content-Type") {
			contentType = h.Value.Reveal()
		}
	}
	body := fill(f.cfg.Body, number, code, escaper(contentType, f.cfg.Body))
	req, err := http.NewRequestWithContext(ctx, f.cfg.Method, fill(f.cfg.URL, number, code, url.QueryEscape), strings.NewReader(body))
	if err != nil {
		return errors.New("make request to SMS gateway") // the error of net/http would hold the address, and with it the code
	}
	for _, h := range f.cfg.Headers {
		req.Header.Set(h.Name, fill(h.Value.Reveal(), number, code, func(s string) string { return s }))
	}
	resp, err := f.client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address
		}
		return fmt.Errorf("ask SMS gateway: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("ask SMS gateway: it answered %d", resp.StatusCode)
	}
	return nil
}

// fill puts number and code into a template of the configuration.
func fill(template, number, code string, escape func(string) string) string {
	return strings.NewReplacer("{{to}}", escape(number), "{{code}}", escape(code)).Replace(template)
}

// escaper returns how values are written in a body: as Content-Type says, else as the body looks.
func escaper(contentType, body string) func(string) string {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch mediaType = strings.TrimSpace(mediaType); {
	case mediaType == "application/x-www-form-urlencoded":
		return url.QueryEscape
	case mediaType == "application/json", strings.HasSuffix(mediaType, "+json"), mediaType == "" && strings.HasPrefix(strings.TrimSpace(body), "{"):
		return escapeJSON
	case strings.HasSuffix(mediaType, "/xml"), strings.HasSuffix(mediaType, "+xml"):
		return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;").Replace
	case mediaType == "":
		return url.QueryEscape
	}
	return func(s string) string { return s }
}

// escapeJSON writes a value for the inside of a JSON string.
func escapeJSON(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return ""
	}
	return string(b[1 : len(b)-1])
}

// secure reports whether a code may go to an address: https, or this machine.
func secure(u *url.URL) bool {
	if u.Scheme == "https" {
		return true
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	return u.Scheme == "http" && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// phoneNumber returns a number as E.164 writes it. A number without its country is nobody's.
func phoneNumber(typed string) (string, bool) {
	s := strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "", "\u00a0", "").Replace(strings.TrimSpace(typed))
	if rest, ok := strings.CutPrefix(s, "00"); ok {
		s = "+" + rest
	}
	if len(s) < 8 || len(s) > 16 || s[0] != '+' || s[1] == '0' {
		return "", false
	}
	for _, c := range s[1:] {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return s, true
}

// veilNumber shows the country and the last two digits.
func veilNumber(number string) string {
	if len(number) < 6 {
		return "…"
	}
	return number[:3] + " … " + number[len(number)-2:]
}
