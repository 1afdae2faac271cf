package account

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"crmgate/internal/audit"
	"crmgate/internal/fault"
	"crmgate/internal/throttle"
	"crmgate/internal/token"
)

// The names of the mails about what happens to an account in templates/mail.
const (
	mailNewDevice   = "new_device"
	mailTokenMade   = "token_made"
	mailNotMe       = "not_me"
	mailNotMeReport = "not_me_report"
)

// NoticeConfig is the `notices` section.
type NoticeConfig struct {
	NewDevice    bool          `json:"new_device" jsonschema:"Mail people when somebody signs in to their account with a browser that was not used for it before."`
	NewNetwork   bool          `json:"new_network" jsonschema:"Mail them also when the browser is known and its network is not."`
	LinkLifetime time.Duration `json:"link_lifetime" jsonschema:"How long the link in such a mail works by which people say that it was not them."`
}

// mostNoticeLifetime bounds how long an old mail can lock an account.
const mostNoticeLifetime = 31 * 24 * time.Hour

// Default returns the section's defaults.
func (NoticeConfig) Default() NoticeConfig {
	return NoticeConfig{NewDevice: true, NewNetwork: true, LinkLifetime: 3 * 24 * time.Hour}
}

// Validate names every fault.
func (c NoticeConfig) Validate() fault.Problems {
	var p fault.Problems
	if c.LinkLifetime < time.Minute || c.LinkLifetime > mostNoticeLifetime {
		p.Add("link_lifetime", "Write a duration such as 3d, at most 31d.", "%s is no lifetime for a link", c.LinkLifetime)
	}
	return p
}

// Notice is a one-time link in a mail about an account, as it is stored: never the token, only its digest. It does one thing: it locks the
// account (Service.NotMeByLink).
type Notice struct {
	Digest, AccountID string
	// About is the mail that it stands in, such as "new_device".
	About     string
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Closing is what locks an account.
type Closing struct {
	AccountID string
	// Digest names the notice whose link was used; empty where the owner was signed in.
	Digest string
	// Hash takes the place of a local password: the one that somebody else knows must not open the account when it is enabled again.
	// History is how many former ones are kept.
	Hash    string
	History int
	Now     time.Time
}

// NoticeStore keeps the links of notices. Implementations are safe for concurrent use by several processes.
type NoticeStore interface {
	// CreateNotice stores a link and removes the account's oldest beyond keep. A disabled account is fault.Forbidden.
	CreateNotice(ctx context.Context, n Notice, keep int) error
	// GetNotice returns a link that is good at now, without using it. One of an account that is disabled is fault.NotFound.
	GetNotice(ctx context.Context, digest string, now time.Time) (Notice, error)
	// CloseAccount disables an account in one step: its local password, one-time tokens, notices, remembered devices, access tokens and known
	// places are gone with it. Where a notice is used it goes in the same step: of many callers with one link exactly one succeeds, and
	// the others get fault.NotFound. It returns the account as written, and what the notice was about.
	CloseAccount(ctx context.Context, c Closing) (a *Account, about string, err error)
	// SweepNotices removes what expired before now and returns how many.
	SweepNotices(ctx context.Context, now time.Time) (int, error)
}

// Place is where somebody has just signed in from.
type Place struct {
	// Browsers are the digests of the secrets that the browser holds; Fresh is that of the one it gets where the account knows none of them.
	Browsers []string
	Fresh    string
	// Network is the client's network, empty where it has none.
	Network string
}

// Known is what an account knew of a Place.
type Known struct {
	// First is true for the first sign-in that was ever noted.
	First bool
	// Browser is the digest that is known, empty for a new browser.
	Browser string
	Network bool
}

// PlaceStore remembers where accounts are signed in to from. Implementations are safe for concurrent use by several processes.
type PlaceStore interface {
	// LastArrival returns when an account was last signed in to, zero for never.
	LastArrival(ctx context.Context, accountID string) (time.Time, error)
	// NotePlace notes a sign-in, remembers its place and returns what was known before, in one step. Of browsers and of networks it keeps the
	// newest.
	NotePlace(ctx context.Context, accountID string, p Place, now time.Time, keep int) (Known, error)
	// SweepPlaces forgets what was not used since a moment and returns how many.
	SweepPlaces(ctx context.Context, since time.Time) (int, error)
}

const (
	// keepNotices and keepPlaces are how many of each one account may have.
	keepNotices = 30
	keepPlaces  = 50
	// forgetPlaces is how long a place stays known without a sign-in; browsers keep a cookie no longer either.
	forgetPlaces = 400 * 24 * time.Hour
	// noticeLimit mails about new places go to one account within noticeWindow.
	noticeLimit  = 10
	noticeWindow = time.Hour
)

// NewDeviceMail is the data of templates/mail/new_device.
type NewDeviceMail struct {
	About
	// Device and Network say what is new: the browser, its network, or both.
	Device, Network bool
	// How is what the person signed in with: the provider's name, or empty for a password of ours.
	How string
	// AccountURL is the person's own page.
	AccountURL string
}

// TokenMadeMail is the data of templates/mail/token_made.
type TokenMadeMail struct {
	About
	// Token is the name that its owner gave it; Until is its end.
	Token, Until string
	// TokensURL is the page with all of them.
	TokensURL string
}

// TokenMade tells a person by mail that an access token was made on their own page.
func (s *Service) TokenMade(ctx context.Context, accountID, name string, until time.Time) {
	a, err := s.Store.GetAccount(ctx, accountID)
	if err != nil {
		s.log().ErrorContext(ctx, "mail about an access token not sent", "account", accountID, "error", err)
		return
	}
	if a.Email == "" {
		return
	}
	s.notify(ctx, a, mailTokenMade, TokenMadeMail{About: s.noticed(ctx, a, "", mailTokenMade), Token: name, Until: clockTime(until), TokensURL: s.url("/account/tokens")})
}

// LastArrival returns when an account was last signed in to, all steps done; zero for never, and where nobody can know.
func (s *Service) LastArrival(ctx context.Context, accountID string) time.Time {
	if s.Places == nil {
		return time.Time{}
	}
	t, err := s.Places.LastArrival(ctx, accountID)
	if err != nil {
		s.log().ErrorContext(ctx, "last sign-in not known", "account", accountID, "error", err)
	}
	return t
}

// Arrival is a sign-in that was noted.
type Arrival struct {
	// Secret is what the browser holds for this account from now on; empty where the sign-in could not be noted.
	Secret string

	account         *Account
	device, network bool
}

// Arrived notes that an account was signed in to. Secrets are those that the browser holds to be known by. It is for the step in which the
// session begins; Tell is for afterwards. A sign-in is not refused for what cannot be noted, unless nothing else can be written either.
func (s *Service) Arrived(ctx context.Context, a *Account, secrets []string) Arrival {
	if s.Places == nil {
		return Arrival{}
	}
	fresh := token.NewSecret()
	p := Place{Fresh: token.Digest(fresh), Network: networkOf(audit.OriginOf(ctx).Address)}
	for _, v := range secrets {
		p.Browsers = append(p.Browsers, token.Digest(v))
	}
	known, err := s.Places.NotePlace(ctx, a.ID, p, s.now(), keepPlaces)
	if err != nil {
		s.log().ErrorContext(ctx, "sign-in not noted", "account", a.ID, "error", err)
		return Arrival{}
	}
	here := Arrival{Secret: fresh, account: a}
	for i, digest := range p.Browsers {
		if digest == known.Browser {
			here.Secret = secrets[i]
		}
	}
	if !known.First {
		here.device, here.network = known.Browser == "", !known.Network
	}
	if here.device || here.network {
		reason := map[[2]bool]string{{true, false}: "browser", {false, true}: "network", {true, true}: "browser_and_network"}[[2]bool{here.device, here.network}]
		s.record(ctx, audit.Event{Kind: audit.NewDevice, AccountID: a.ID, Provider: a.Owner, Reason: reason})
	}
	return here
}

// Tell tells the owner of an account by mail of a sign-in from a new browser or network.
func (s *Service) Tell(ctx context.Context, here Arrival) {
	a, device, network := here.account, here.device, here.network
	wanted := device && s.Notices.NewDevice || network && s.Notices.NewNetwork
	if !wanted || a.Email == "" || s.Mail == nil {
		return
	}
	at := s.now()
	s.later(ctx, "mail about a new device", func(ctx context.Context) {
		pause := throttle.Lockout{Store: s.Lockout.Store, Now: s.now, Config: throttle.Config{Failures: noticeLimit, Window: noticeWindow, Duration: noticeWindow}}
		if ok, _, err := pause.Begin(ctx, throttle.Key("notice-mail", a.ID)); err != nil || !ok {
			s.log().WarnContext(ctx, "mail about a new device not sent", "account", a.ID, "error", err)
			return
		}
		about := s.noticed(ctx, a, "", mailNewDevice)
		about.At = clockTime(at)
		m := NewDeviceMail{About: about, Device: device, Network: network, AccountURL: s.url("/account")}
		if info, ok := s.providerInfo(a); ok {
			m.How = info.Name
		}
		s.notify(ctx, a, mailNewDevice, m)
	})
}

// networkOf returns the network of a client that counts as one place: what a household or an office has, /24 for IPv4 and /64 for IPv6.
func networkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	ip, bits := ip.Unmap().WithZone(""), 64
	if ip.Is4() {
		bits = 24
	}
	n, err := ip.Prefix(bits)
	if err != nil {
		return ""
	}
	return n.String()
}

// noticed is about, with a link by which the reader says that it was not them.
func (s *Service) noticed(ctx context.Context, a *Account, actor, mail string) About {
	about := s.about(ctx, a, actor)
	if s.NoticeLinks == nil || s.Mail == nil {
		return about
	}
	secret, now, life := token.NewSecret(), s.now(), s.Notices.LinkLifetime
	err := s.NoticeLinks.CreateNotice(ctx, Notice{Digest: token.Digest(secret), AccountID: a.ID, About: mail, CreatedAt: now, ExpiresAt: now.Add(life)}, keepNotices)
	switch {
	case fault.Is(err, fault.Forbidden), fault.Is(err, fault.NotFound):
		// Locked or gone already: the mail goes out without a link.
	case err != nil:
		s.log().ErrorContext(ctx, "mail without its link", "account", a.ID, "error", err)
	default:
		about.NotMeLink, about.NotMeLifetime = s.url("/not-me/")+secret, Lifetime(life)
	}
	return about
}

// SweepNotices removes links that have expired and places that nobody has signed in from for long, and returns how many.
func (s *Service) SweepNotices(ctx context.Context, now time.Time) (int, error) {
	links, err := s.NoticeLinks.SweepNotices(ctx, now)
	places, placeErr := s.Places.SweepPlaces(ctx, now.Add(-forgetPlaces))
	if err = errors.Join(err, placeErr); err != nil {
		return links + places, fmt.Errorf("sweep notices: %w", err)
	}
	return links + places, nil
}
