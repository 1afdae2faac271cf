package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"text/template"
	"time"

	"crmgate/internal/account"
	"crmgate/internal/app"
	"crmgate/internal/config"
	"crmgate/internal/fakeidp"
	"crmgate/internal/identity"
)

// Options are the flags of `crmgate demo`.
type Options struct {
	// Listen is a loopback address.
	Listen string
	// DataDir keeps the data; empty uses a directory that is removed at the end.
	DataDir string
	// Program is how the tour calls this program; empty is "crmgate".
	Program string
	// Out gets the addresses and what to try.
	Out io.Writer
	Log *slog.Logger
}

const (
	companyPassword = "contoso"
	localPassword   = "violet otter sings twice"
	localEmail      = "pat@partner.example"
	clientSecret    = "a-secret-of-the-demonstration"
)

// people are the employees of the demo company. Kim's address is not one of the company's domain: the account is the company's all
// the same, which is what the second sort of forgotten password is about.
func people() []fakeidp.User {
	return []fakeidp.User{
		{Subject: "u-ann", Email: "ann@contoso.example", Username: "ann", Password: companyPassword, Name: "Ann Archer", Groups: []string{"sales", "crm-admins"}},
		{Subject: "u-ben", Email: "ben@contoso.example", Username: "ben", Password: companyPassword, Name: "Ben Baker", Groups: []string{"sales"}},
		{Subject: "u-kim", Email: "kim@fabrikam.example", Username: "kim", Password: companyPassword, Name: "Kim Kane", Groups: []string{"sales"}},
	}
}

// Run starts the whole world, tells on Out what there is, and serves until ctx ends.
func Run(ctx context.Context, o Options) error {
	w := &world{Options: o}
	defer w.close()
	if err := w.open(ctx); err != nil {
		return err
	}
	if err := tour(o.Out, w); err != nil {
		return fmt.Errorf("print the tour: %w", err)
	}
	return w.app.Serve(ctx, w.listener)
}

// world is everything that runs.
type world struct {
	Options
	listener net.Listener
	app      *app.App
	company  *fakeidp.Running
	inbox    *Inbox
	crm      *http.Server
	crmURL   string
	scratch  string
	// companyAddress is where the company was when the data was made; empty for new data.
	companyAddress string
}

// URL is the address of the gateway.
func (w *world) URL() string { return "http://" + w.listener.Addr().String() }

func (w *world) open(ctx context.Context) error {
	var err error
	if w.listener, err = listenLoopback(ctx, w.Listen); err != nil {
		return err
	}
	if w.DataDir == "" {
		if w.DataDir, err = os.MkdirTemp("", "crmgate-demo-"); err != nil {
			return fmt.Errorf("make a directory for the data: %w", err)
		}
		w.scratch = w.DataDir
	}
	if err := w.claim(); err != nil {
		return err
	}
	if w.inbox, err = OpenInbox(nil); err != nil {
		return err
	}
	if err := w.openCRM(ctx); err != nil {
		return err
	}
	w.company, err = fakeidp.Listen(fakeidp.Config{
		Issuer: "/contoso", Address: w.companyAddress, Name: "Contoso", Hint: "In this demonstration everybody's password is “" + companyPassword + "”.", Users: people(),
		Clients: []fakeidp.Client{{
			ID: "crm", Name: "Lantern CRM", Secret: clientSecret, RedirectURIs: []string{w.URL() + "/_gate/callback/contoso"},
			PostLogoutRedirectURIs: []string{w.URL() + "/_gate/signed-out"},
		}},
	})
	if err != nil && w.companyAddress != "" {
		return fmt.Errorf("the data in %s belongs to a company at %s, which cannot be used; end the demo that is running there, or begin anew with another --data: %w",
			w.DataDir, w.companyAddress, err)
	}
	if err != nil {
		return err
	}
	if w.app, err = w.openGateway(ctx); err != nil {
		return err
	}
	w.app.Wrap(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/mail" || strings.HasPrefix(r.URL.Path, "/mail/") {
				w.inbox.ServeHTTP(rw, r)
				return
			}
			next.ServeHTTP(rw, r)
		})
	})
	return w.seed(ctx)
}

func listenLoopback(ctx context.Context, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--listen wants host:port, such as 127.0.0.1:8080: %w", err)
	}
	// The demo's passwords are printed on its pages: it must not be reached from elsewhere.
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !a.IsLoopback()) {
		return nil, fmt.Errorf("--listen wants a loopback address, such as 127.0.0.1:8080, not %q", address)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot use %s; choose another address with --listen: %w", address, err)
	}
	return l, nil
}

func (w *world) openCRM(ctx context.Context) error {
	crm, err := NewCRM(nil)
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the CRM: %w", err)
	}
	w.crm = &http.Server{Handler: crm, ReadHeaderTimeout: 10 * time.Second}
	w.crmURL = "http://" + l.Addr().String()
	go func() {
		if err := w.crm.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			w.Log.Error("the demo CRM stopped", "error", err)
		}
	}()
	return nil
}

//go:embed crmgate.yaml
var configTemplate string

// openGateway writes the configuration into the data directory, where a curious person finds it, and opens the gateway with it.
func (w *world) openGateway(ctx context.Context) (*app.App, error) {
	t, err := template.New("crmgate.yaml").Parse(configTemplate)
	if err != nil {
		return nil, fmt.Errorf("read the demo's configuration: %w", err)
	}
	_, smtpPort, err := net.SplitHostPort(w.inbox.Addr())
	if err != nil {
		return nil, fmt.Errorf("find the mail port: %w", err)
	}
	var b strings.Builder
	err = t.Execute(&b, map[string]string{
		"URL": w.URL(), "DataDir": w.DataDir, "CRM": w.crmURL, "Issuer": w.company.Issuer(), "ClientSecret": clientSecret, "SMTPPort": smtpPort,
	})
	if err != nil {
		return nil, fmt.Errorf("fill the demo's configuration: %w", err)
	}
	path := w.configFile()
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return nil, fmt.Errorf("write the demo's configuration: %w", err)
	}
	cfg, report := config.Load(path, os.LookupEnv)
	if !report.OK() {
		return nil, fmt.Errorf("the demo's own configuration is wrong: %v", report.Findings)
	}
	return app.Open(ctx, cfg, w.Log)
}

// seed makes the two accounts that exist before anybody signs in.
func (w *world) seed(ctx context.Context) error {
	s := w.app.Accounts
	mail := s.Mail
	s.Mail = nil // what an invitation looks like is for the visitor to find out
	defer func() { s.Mail = mail }()
	found, err := s.Find(ctx, localEmail)
	if err != nil {
		return fmt.Errorf("look for the demo's people: %w", err)
	}
	if len(found) == 0 {
		_, link, err := s.Invite(ctx, account.Invitation{Email: localEmail, Name: "Pat Partner", Groups: []string{"partners"}}, "demo")
		if err != nil {
			return fmt.Errorf("invite %s: %w", localEmail, err)
		}
		if _, err := s.RedeemToken(ctx, account.ForInvitation, link[strings.LastIndexByte(link, '/')+1:], localPassword); err != nil {
			return fmt.Errorf("set the password of %s: %w", localEmail, err)
		}
	}
	for _, p := range people() {
		if strings.HasSuffix(p.Email, "@fabrikam.example") {
			_, err := s.Admit(ctx, identity.Identity{
				Provider: "contoso", Issuer: w.company.Issuer(), Subject: p.Subject, Email: p.Email, EmailVerified: true, Name: p.Name, Username: p.Username,
			})
			if err != nil {
				return fmt.Errorf("make the account of %s: %w", p.Email, err)
			}
		}
	}
	return nil
}

// close ends what was started. Serve has closed the gateway; where it was never reached that is done here.
func (w *world) close() {
	var errs []error
	if w.listener != nil {
		if err := w.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	if w.company != nil {
		errs = append(errs, w.company.Close())
	}
	if w.crm != nil {
		errs = append(errs, w.crm.Close())
	}
	if w.inbox != nil {
		errs = append(errs, w.inbox.Close())
	}
	if w.scratch != "" {
		errs = append(errs, os.RemoveAll(w.scratch))
	}
	if err := errors.Join(errs...); err != nil {
		w.Log.Warn("end the demo", "error", err)
	}
}
