package mfa

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"crmgate/internal/fault"
)

// Courier carries a code to a mailbox; account.Service is one.
type Courier interface {
	// MailCode queues a mail with a code that is good for a while.
	MailCode(ctx context.Context, who Person, to, code string, lifetime time.Duration) error
}

// email sends a code to the account's own address, never to one from a form.
type email struct {
	mail Courier
	now  func() time.Time
}

type emailKept struct {
	Address string `json:"address"`
}

// SentView is what the pages of codes that are sent show.
type SentView struct {
	// To is where the code goes, with most of it hidden.
	To string
	// Sent is true once a code is on its way.
	Sent bool
}

func newEmail(e Env) (Factor, error) {
	if e.Mail == nil {
		return nil, nil
	}
	return &email{mail: e.Mail, now: e.now}, nil
}

func (*email) Info() Info {
	return Info{Kind: Email, Name: "Code by e-mail", Way: "Get a code by e-mail", Sends: true, Guessable: true, Tries: codeTries, Weak: true, Single: true,
		About: "We mail you a code at each sign-in. Safer than nothing: whoever reads your mail reads the code."}
}

func (f *email) Enrol(ctx context.Context, who Person, _ []Kept, _ url.Values) ([]byte, error) {
	if who.Email == "" {
		return nil, fault.New(fault.Conflict, "Your account has no e-mail address. Choose another way.").WithReason("no_address")
	}
	return f.send(ctx, who, who.Email)
}

func (f *email) Confirm(_ context.Context, _ Person, state []byte, form url.Values) (Fresh, error) {
	s, err := decode[sent]("code by e-mail", state)
	if err == nil {
		err = s.matches(form, f.now())
	}
	if err != nil {
		return Fresh{}, err
	}
	b, err := json.Marshal(emailKept{Address: s.To})
	return Fresh{Name: s.To, Secret: b, AMR: []string{"otp"}}, err
}

func (f *email) Begin(ctx context.Context, who Person, have []Kept) ([]byte, error) {
	k, err := f.kept(have)
	if err != nil {
		return nil, err
	}
	return f.send(ctx, who, k.Address)
}

func (f *email) Check(_ context.Context, _ Person, have []Kept, state []byte, form url.Values) (Proof, error) {
	s, err := decode[sent]("code by e-mail", state)
	if err == nil {
		err = s.matches(form, f.now())
	}
	if err != nil {
		return Proof{}, err
	}
	return Proof{Kind: Email, EnrolmentID: have[0].ID, AMR: []string{"otp"}}, nil
}

func (f *email) View(who Person, have []Kept, state []byte) (any, error) {
	to := who.Email
	if k, err := f.kept(have); err == nil {
		to = k.Address
	}
	return SentView{To: veilAddress(to), Sent: len(state) > 0}, nil
}

func (f *email) kept(have []Kept) (emailKept, error) {
	if len(have) == 0 {
		return emailKept{}, errNotEnrolled
	}
	return decode[emailKept]("code by e-mail", have[0].Secret)
}

func (f *email) send(ctx context.Context, who Person, to string) ([]byte, error) {
	code := newCode()
	state, err := newSent(to, code, f.now())
	if err != nil {
		return nil, err
	}
	return state, f.mail.MailCode(ctx, who, to, code, CodeLifetime)
}

// veilAddress shows enough of an address for its owner, and little to whoever has only the password.
func veilAddress(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" {
		return "…"
	}
	return string([]rune(local)[:1]) + "…@" + domain
}
