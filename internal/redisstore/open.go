package redisstore

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"crmgate/internal/fault"
	"crmgate/internal/token"
)

// Config is the `redis` section.
type Config struct {
	Addresses    []string     `json:"addresses"`
	Username     string       `json:"username"`
	Password     token.Secret `json:"password"`
	PasswordFile string       `json:"password_file"`
	TLS          bool         `json:"tls"`
	// SentinelMaster names the master when Addresses are sentinels.
	SentinelMaster string `json:"sentinel_master"`
	Cluster        bool   `json:"cluster"`
}

// Validate names every fault. An empty section is none: whether Redis is needed, session.store says.
func (c Config) Validate() fault.Problems {
	var p fault.Problems
	for i, a := range c.Addresses {
		if host, port, err := net.SplitHostPort(a); err != nil || host == "" || port == "" {
			p.Add(fmt.Sprintf("addresses[%d]", i), "Write host:port, such as redis.example.com:6379.", "%q is no address", a)
		}
	}
	if len(c.Addresses) == 0 && (c.Username != "" || c.Password != "" || c.PasswordFile != "" || c.TLS || c.SentinelMaster != "" || c.Cluster) {
		p.Add("addresses", "Write host:port of the server, or of all sentinels or some cluster nodes.", "the section names no address")
	}
	if c.SentinelMaster != "" && c.Cluster {
		p.Add("cluster", "Remove one of the two.", "sentinel_master and cluster exclude each other")
	}
	if len(c.Addresses) > 1 && c.SentinelMaster == "" && !c.Cluster {
		p.Add("addresses", "Set cluster: true, or sentinel_master to the master's name, or leave one address.",
			"several addresses are either sentinels or nodes of a cluster")
	}
	return p
}

// opTimeout bounds every operation, for callers without a deadline of their own.
const opTimeout = 3 * time.Second

// Store implements session.Store. It is safe for concurrent use.
type Store struct {
	client  rueidis.Client
	scripts scripts
}

// Open connects. Every error has a sentence for who starts the program.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if len(cfg.Addresses) == 0 {
		return nil, fault.New(fault.Invalid, "Sessions are to be kept in Redis, and redis.addresses is empty.")
	}
	where := strings.Join(cfg.Addresses, ", ")
	client, err := rueidis.NewClient(options(cfg))
	if err != nil {
		return nil, fault.New(fault.Unavailable, fmt.Sprintf("Redis at %s cannot be used: %v.", where, err))
	}
	s := &Store{client: client, scripts: newScripts()}
	if err := s.checkEviction(ctx, where); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

func options(cfg Config) rueidis.ClientOption {
	o := rueidis.ClientOption{
		InitAddress: slices.Clone(cfg.Addresses), // the client shuffles them
		ShuffleInit: true,
		Username:    cfg.Username,
		Password:    cfg.Password.Reveal(),
		ClientName:  "crmgate",
		Dialer:      net.Dialer{Timeout: opTimeout, KeepAlive: time.Second},
		// A server that answers nothing is noticed as fast as one that is not there.
		ConnWriteTimeout:  opTimeout,
		DisableCache:      true,
		ForceSingleClient: !cfg.Cluster && cfg.SentinelMaster == "",
	}
	if cfg.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if cfg.SentinelMaster != "" {
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: cfg.SentinelMaster, Dialer: o.Dialer, TLSConfig: o.TLSConfig, ClientName: o.ClientName,
			// The same as for the servers; a sentinel without a password takes any.
			Username: o.Username, Password: o.Password,
		}
	}
	return o
}

// checkEviction asks the server whether it may drop any key when its memory is full.
func (s *Store) checkEviction(ctx context.Context, where string) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	info, err := s.client.Do(ctx, s.client.B().Info().Section("memory").Build()).ToString()
	if err != nil {
		return fault.New(fault.Unavailable, fmt.Sprintf("Redis at %s cannot be used: %v.", where, err))
	}
	if policy := infoField(info, "maxmemory_policy"); strings.HasPrefix(policy, "allkeys-") && infoField(info, "maxmemory") != "0" {
		return fault.New(fault.Invalid, fmt.Sprintf("Redis at %s drops any key when its memory is full (maxmemory-policy %s), so a revoked "+
			"session could stay alive. Set maxmemory-policy to noeviction or to one of volatile-*.", where, policy))
	}
	return nil
}

// infoField returns a field of the answer to INFO.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Ping reports whether Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	return translate("ping redis", s.client.Do(ctx, s.client.B().Ping().Build()).Error())
}

// Close ends all connections.
func (s *Store) Close() error {
	s.client.Close()
	return nil
}

// translate turns an error of the client into the program's. All of them mean that the question was not answered: the
// scripts themselves do not fail.
func translate(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fault.Wrap(fault.Unavailable, "The store of sign-ins does not answer. Try again in a minute.", fmt.Errorf("%s: %w", verb, err))
}
