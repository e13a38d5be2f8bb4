// Package redisstore keeps accounts, sessions and limits in Redis. It is the
// only package that knows Redis: a request comes here from handlers, once to
// check its token and, where it reads or changes something, once more.
//
// "Not found" is a value, never an error. Every error means that Redis could
// not answer, and then nobody may be let in.
package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/sessiond/sessiond/config"
)

// Options say how the store behaves; how Redis is reached is config.Redis.
type Options struct {
	// Timeout bounds each call of the store, all its round trips together.
	Timeout time.Duration
	// MaxSessions is how many live sessions a user may hold.
	MaxSessions int
	// IdleTimeout, in whole seconds, ends a session that was not used for so
	// long; 0 ends none for that.
	IdleTimeout time.Duration
	// MaxEvents is how many events a user's trail keeps, about; with 0 there is
	// no trail.
	MaxEvents int
	// WaitReplicas is how many replicas must have an ending or a ban before it
	// is acknowledged.
	WaitReplicas int
	// LoginLimit and APILimit say how many requests are admitted.
	LoginLimit, APILimit config.Limit
}

// OptionsFrom picks the store's options out of the settings.
func OptionsFrom(c config.Config) Options {
	return Options{
		Timeout:      c.Redis.Timeout,
		MaxSessions:  c.Sessions.MaxPerUser,
		IdleTimeout:  c.Sessions.IdleTimeout,
		MaxEvents:    c.Events.MaxPerUser,
		WaitReplicas: c.Redis.WaitReplicas,
		LoginLimit:   c.Limits.Login,
		APILimit:     c.Limits.API,
	}
}

// Store keeps all state of sessiond. It holds none itself, so that any number
// of replicas can share one Redis. It is safe for concurrent use, and as a
// prometheus.Collector tells what it had to do with Redis.
type Store struct {
	rdb     redis.UniversalClient
	options Options
	login   *loginLimiter
	checks  *coalescer
	hints   *expiryHints
	metrics *metrics
	layout  *layoutWatch
	events  *publisher

	generations generations
}

// New returns a store on rdb, which the store closes.
func New(rdb redis.UniversalClient, options Options) *Store {
	m := newMetrics(rdb)
	rdb.AddHook(m)
	return &Store{
		rdb:     rdb,
		options: options,
		login:   newLoginLimiter(rdb, options.LoginLimit),
		checks:  newCoalescer(rdb, options.Timeout),
		hints:   newExpiryHints(),
		metrics: m,
		layout:  newLayoutWatch(rdb),
		events:  newPublisher(rdb, options.Timeout, m),

		generations: newGenerations(rdb),
	}
}

// Connect returns a client for a standalone server, a primary behind Sentinel
// or a cluster. It does not dial: a Redis that is away is an error of the first
// command, not of the start.
func Connect(c config.Redis) redis.UniversalClient {
	options := &redis.UniversalOptions{
		Addrs:    c.Addresses,
		DB:       c.DB,
		Username: c.Username,
		Password: c.Password,

		// A command whose reply was lost may have run: sent again, a login would
		// leave a second session and a request would be charged twice.
		MaxRetries: -1,
		// Without it go-redis waits for its own timeouts, whatever the deadline.
		ContextTimeoutEnabled: true,
		DialTimeout:           c.Timeout,
		ReadTimeout:           c.Timeout,
		WriteTimeout:          c.Timeout,
		PoolTimeout:           c.Timeout,
		DialerRetries:         1,

		// Nothing here needs RESP3, whose replies are each looked at for a
		// notification in front of them.
		Protocol: 2,

		// Redis 7 and older refuse these and fail the connection with them.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.TLS {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}

	switch c.Mode {
	case config.ModeCluster:
		cluster := options.Cluster()
		// A layout that is a minute old, the default, keeps a failed primary in
		// use long after its replica has taken over.
		cluster.ClusterStateReloadInterval = layoutInterval
		return redis.NewClusterClient(cluster)
	case config.ModeSentinel:
		return newSentinelClient(options.Simple(), c)
	default:
		return redis.NewClient(options.Simple())
	}
}

// Close closes the connections to Redis, once events that wait are published or a
// second is over.
func (s *Store) Close() error {
	s.events.close()
	s.layout.close()
	return s.rdb.Close()
}

// Ping tells whether Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	if err := s.rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// EvictionPolicy returns Redis' maxmemory-policy; only "noeviction" is safe,
// since an evicted session is a user logged out. It is empty where the server
// does not let CONFIG be read, as hosted ones often do not.
func (s *Store) EvictionPolicy(ctx context.Context) (string, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	values, err := s.rdb.ConfigGet(ctx, "maxmemory-policy").Result()
	if _, refused := errors.AsType[redis.Error](err); refused {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read maxmemory-policy: %w", err)
	}
	return values["maxmemory-policy"], nil
}

// now is the time by Redis' clock, the one that all replicas share.
func (s *Store) now(ctx context.Context) (time.Time, error) {
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return time.Time{}, fmt.Errorf("read the time: %w", err)
	}
	return now, nil
}

// pipelined sends commands in one round trip. Its error is one of the
// connection; what Redis answers to a command is that command's own error, of
// which Exec would return the first alone.
func pipelined(ctx context.Context, rdb redis.UniversalClient, fill func(redis.Pipeliner)) error {
	pipe := rdb.Pipeline()
	fill(pipe)
	_, err := pipe.Exec(ctx)
	if _, answered := errors.AsType[redis.Error](err); err == nil || answered {
		return nil
	}
	return err
}
