package fakeidp

import (
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Config is what New and Listen need.
type Config struct {
	// Issuer is the issuer identifier, compared byte for byte, with or without a path and a closing slash. Every endpoint
	// lies below it. Listen takes a path or nothing here and puts its own origin in front.
	Issuer string
	// Address is where Listen listens, as host:port; default a free port of 127.0.0.1. With a fixed one the issuer outlives the process.
	Address string
	// Clients are the relying parties known from the start; PutClient adds more.
	Clients []Client
	// Users are the people who can sign in.
	Users []User
	// Name is the organisation on the pages; default "Contoso".
	Name string
	// Color is the accent of the pages as #rrggbb; default a deep violet that no gateway page uses.
	Color string
	// Hint is a line under the sign-in form, such as the password of the demo; empty shows none.
	Hint string
	// Algs are the algorithms offered, of RS256, PS256, ES256, ES384 and EdDSA; the first one signs unless a client wants
	// another. Default ES256 and RS256. An RSA key costs a fraction of a second: tests that need none leave it out.
	Algs []string
	// Lifetime is that of access and ID tokens; default 10 minutes.
	Lifetime time.Duration
	// AlwaysRefresh gives a refresh token to clients that did not ask for offline_access, too.
	AlwaysRefresh bool
	// PAR offers pushed authorization requests (RFC 9126); RequirePAR takes no others.
	PAR, RequirePAR bool
	// AutoLogin lets login_hint=auto:EMAIL sign that person in without a page. For tests.
	AutoLogin bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Client is a relying party.
type Client struct {
	ID string
	// Name is what the sign-in page calls it; default the ID.
	Name string
	// Secret is empty for a public client.
	Secret string
	// Auth is the only method accepted at the token endpoint: client_secret_basic, client_secret_post, private_key_jwt or
	// none. Empty accepts either secret method where there is a secret, and none where there is not.
	Auth string
	// PublicKey verifies the assertions of private_key_jwt.
	PublicKey crypto.PublicKey
	// RedirectURIs and PostLogoutRedirectURIs are compared byte for byte.
	RedirectURIs           []string
	PostLogoutRedirectURIs []string
	// BackchannelLogoutURI takes logout tokens when a session in which the client took part ends; empty sends none.
	BackchannelLogoutURI string
	// Alg signs this client's ID tokens; empty is the first of Config.Algs.
	Alg string
	// SignedUserinfo answers this client at the userinfo endpoint with a signed JWT (OpenID Connect Core section 5.3.2).
	SignedUserinfo bool
}

// User is a person with an account here.
type User struct {
	// Subject is the "sub" claim.
	Subject string
	// Email signs in, in any case, as does Username.
	Email    string
	Username string
	Password string
	Name     string
	// EmailUnverified turns the email_verified claim to false.
	EmailUnverified bool
	// Groups is the "groups" claim of ID token and userinfo; nil leaves it out.
	Groups []string
	// AMR is the "amr" claim; default ["pwd"].
	AMR []string
	// Disabled people cannot sign in, and their refresh tokens stop working.
	Disabled bool
	// Claims are added to ID token and userinfo, over the ones above; the map must not change afterwards.
	Claims map[string]any
}

const (
	defaultName  = "Contoso"
	defaultColor = "#5b3fa8"
	// codeLifetime is how long an authorization code waits for its exchange.
	codeLifetime = time.Minute
	// sessionLifetime is how long a sign-in at the provider is remembered.
	sessionLifetime = 8 * time.Hour
)

var colorPattern = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// New checks the configuration, makes the keys and returns a provider that is ready to serve.
func New(c Config) (*Server, error) {
	base := strings.TrimSuffix(c.Issuer, "/")
	u, err := url.Parse(base)
	if err != nil {
		return nil, fmt.Errorf("parse issuer: %w", err)
	}
	if u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("parse issuer: %q is not an http or https address without a query", c.Issuer)
	}
	if c.Color != "" && !colorPattern.MatchString(c.Color) {
		return nil, fmt.Errorf("check color: %q is not #rrggbb", c.Color)
	}
	if err := checkUsers(c.Users); err != nil {
		return nil, err
	}
	setDefaults(&c)
	for _, cl := range c.Clients {
		if err := checkClient(cl, c.Algs); err != nil {
			return nil, err
		}
	}
	keys, err := newKeyring(c.Algs)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(c.Issuer))
	s := &Server{
		cfg:    c,
		base:   base,
		path:   u.Path,
		secure: u.Scheme == "https",
		// Browsers keep one cookie jar for all ports of a host, so two providers on 127.0.0.1 need two names.
		cookie:  "idp_" + hex.EncodeToString(sum[:4]),
		keys:    keys,
		guard:   http.NewCrossOriginProtection(),
		clients: slices.Clone(c.Clients),
		users:   slices.Clone(c.Users),
		issued: issued{
			sessions: map[string]*session{}, codes: map[string]*grant{}, refreshes: map[string]*grant{}, accesses: map[string]*grant{},
			resets: map[string]string{}, assertions: map[string]bool{}, pushed: map[string]pushed{},
		},
		seen: seen{calls: map[string]int{}},
	}
	s.vendor.Store(&Vendor{})
	s.faults.Store(&faultState{released: make(chan struct{})})
	s.pages, err = newPages(s)
	if err != nil {
		return nil, err
	}
	s.mux = s.routes()
	return s, nil
}

func setDefaults(c *Config) {
	if c.Name == "" {
		c.Name = defaultName
	}
	if c.Color == "" {
		c.Color = defaultColor
	}
	if len(c.Algs) == 0 {
		c.Algs = []string{"ES256", "RS256"}
	}
	if c.Lifetime == 0 {
		c.Lifetime = 10 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

func checkUsers(users []User) error {
	seen := map[string]bool{}
	for _, u := range users {
		if u.Subject == "" || u.Email == "" {
			return fmt.Errorf("check user %q: subject and e-mail are required", u.Email)
		}
		for _, key := range []string{"sub:" + u.Subject, "mail:" + strings.ToLower(u.Email)} {
			if seen[key] {
				return fmt.Errorf("check user %q: another user has the same subject or e-mail", u.Email)
			}
			seen[key] = true
		}
	}
	return nil
}

func checkClient(c Client, algs []string) error {
	switch {
	case c.ID == "":
		return errors.New("check client: id is required")
	case c.Alg != "" && !slices.Contains(algs, c.Alg):
		return fmt.Errorf("check client %s: algorithm %s is not offered", c.ID, c.Alg)
	case c.Auth == authKeyJWT && c.PublicKey == nil:
		return fmt.Errorf("check client %s: private_key_jwt needs a public key", c.ID)
	}
	return nil
}
