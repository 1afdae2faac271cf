package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"crmgate/internal/middleware"
)

// Run listens, serves and does the background work until ctx ends, then lets requests finish for server.shutdown_grace.
func (a *App) Run(ctx context.Context) error {
	public, err := a.listen(ctx)
	if err != nil {
		return errors.Join(err, a.Close())
	}
	return a.Serve(ctx, public)
}

// Serve is Run on a listener that is open already.
func (a *App) Serve(ctx context.Context, public net.Listener) error {
	ops, err := a.listenOps(ctx)
	if err != nil {
		return errors.Join(err, public.Close(), a.Close())
	}
	plain, plainHandler, err := a.listenHTTP(ctx)
	if err != nil {
		if ops != nil {
			err = errors.Join(err, ops.Close())
		}
		return errors.Join(err, public.Close(), a.Close())
	}
	// Background work outlives the listeners: a request that is finishing may still queue a mail.
	stopBackground := a.startBackground(context.WithoutCancel(ctx))

	servers := []*http.Server{a.newServer(a.handler)}
	listeners := []net.Listener{public}
	if ops != nil {
		servers = append(servers, a.newServer(a.opsHandler()))
		listeners = append(listeners, ops)
	}
	if plain != nil {
		servers = append(servers, a.newServer(plainHandler))
		listeners = append(listeners, plain)
	}
	g, serving := errgroup.WithContext(ctx)
	for i, s := range servers {
		g.Go(func() error {
			if err := s.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve %s: %w", listeners[i].Addr(), err)
			}
			return nil
		})
	}
	a.Log.Info("crmgate is ready", "public_url", a.Config.Server.PublicURL, "listen", public.Addr().String())
	g.Go(func() error {
		<-serving.Done()
		return a.shutDown(servers)
	})
	return errors.Join(g.Wait(), stopBackground(), a.Close())
}

// shutDown stops accepting at once and closes what has not finished when most of the grace is over: an event stream would otherwise
// keep the process for ever, and what the background has left to do needs the rest.
func (a *App) shutDown(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), a.Config.Server.ShutdownGrace*6/10)
	defer cancel()
	for _, s := range servers {
		if err := s.Shutdown(ctx); err != nil {
			a.Log.Warn("closing connections that did not finish in time")
			if err := s.Close(); err != nil {
				return fmt.Errorf("close server: %w", err)
			}
		}
	}
	return nil
}

// bodyRest is how long the rest of a body that nobody reads may take, bodySilence how long one that is read may bring next to nothing.
const bodyRest, bodySilence = 20 * time.Second, time.Minute

func (a *App) newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// Or net/http answers "OPTIONS *" by itself.
		DisableGeneralOptionsHandler: true,
		// A peer that is gone without a word must not keep its streams, nor one that takes nothing what it was sent.
		HTTP2:     &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second, WriteByteTimeout: time.Minute, MaxConcurrentStreams: 250},
		ConnState: middleware.Hijacked,
		ErrorLog:  slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
	}
}

// listen opens the public listener: a PROXY header comes before TLS, and TLS where there is a certificate.
func (a *App) listen(ctx context.Context) (net.Listener, error) {
	cfg := a.Config.Server
	secure, beside, err := a.serverTLS()
	if err != nil {
		return nil, err
	}
	trusted, problems := middleware.ParseProxies(cfg.TrustedProxies)
	if len(problems) > 0 {
		return nil, fmt.Errorf("read server.trusted_proxies: %s", problems[0].Message)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on server.listen: %w", err)
	}
	if cfg.ProxyProtocol {
		l = &middleware.ProxyProtocol{Listener: l, Trusted: trusted}
	}
	if secure == nil {
		return middleware.Framing{Listener: l}, nil
	}
	a.front = append(a.front, beside)
	return &middleware.SecureFraming{Listener: l, Config: secure}, nil
}

// listenHTTP opens the listener for those who come without https.
func (a *App) listenHTTP(ctx context.Context) (net.Listener, http.Handler, error) {
	if a.Config.Server.HTTPListen == "" {
		return nil, nil, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.Config.Server.HTTPListen)
	if err != nil {
		return nil, nil, fmt.Errorf("listen on server.http_listen: %w", err)
	}
	h := middleware.ToPublic(a.Config.Server.PublicURL)
	if a.acme != nil {
		h = a.acme.HTTPHandler(h)
	}
	return l, h, nil
}

func (a *App) listenOps(ctx context.Context) (net.Listener, error) {
	if a.Config.Server.OpsListen == "" {
		return nil, nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", a.Config.Server.OpsListen)
	if err != nil {
		return nil, fmt.Errorf("listen on server.ops_listen: %w", err)
	}
	return l, nil
}

// startBackground starts the loops that run beside the requests. What it returns ends them in the order in which they feed each other
// (a request for a reset becomes a mail) and waits for each.
func (a *App) startBackground(ctx context.Context) (stop func() error) {
	loops := []func(context.Context) error{
		func(ctx context.Context) error { every(ctx, 10*time.Minute, a.sweep); return nil },
		func(ctx context.Context) error { every(ctx, 2*time.Second, a.reloadKeys); return nil },
		a.checks.Run,
		a.Accounts.Run,
		a.trimming,
		a.collecting,
	}
	if a.Mail != nil {
		loops = append(loops, a.Mail.Run)
	}
	loops = append(loops, a.front...)
	for _, u := range a.upstreams {
		loops = append(loops, u.Run)
	}
	stops := make([]func() error, len(loops))
	for i, run := range loops {
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		stops[i] = func() error { cancel(); return <-done }
	}
	return func() error {
		var errs []error
		for _, stop := range stops {
			errs = append(errs, stop())
		}
		return errors.Join(errs...)
	}
}

// every calls do at an interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			do(ctx)
		}
	}
}

// sweep removes what has expired. Nothing depends on it: expiry is checked at every use.
func (a *App) sweep(ctx context.Context) {
	now := time.Now()
	for what, do := range map[string]func(context.Context, time.Time) (int, error){
		"sessions": a.Sessions.Store.SweepSessions, "attempts": a.DB.SweepAttempts, "tokens": a.DB.SweepTokens, "removed accounts": a.Accounts.PurgeRemoved,
		"what was used once": a.DB.SweepOnce, "access tokens": a.Tokens.Sweep, "security events": a.sweepEvents,
		"pending steps": a.DB.SweepPending, "devices": a.Factors.Sweep, "notices": a.Accounts.SweepNotices,
	} {
		if n, err := do(ctx, now); err != nil && ctx.Err() == nil {
			a.Log.Warn("sweep expired records", "what", what, "error", err)
		} else if n > 0 {
			a.Log.Debug("swept expired records", "what", what, "count", n)
		}
	}
}

// sweepEvents forgets security events that are older than audit.keep.
func (a *App) sweepEvents(ctx context.Context, now time.Time) (int, error) {
	keep := a.Config.Audit.Keep
	if keep == 0 {
		return 0, nil
	}
	return a.DB.SweepEvents(ctx, now.Add(-keep))
}
