package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

// What a client may take its time for. A login may wait for a place to hash its
// password and then for the hashing, which writeTimeout has to allow for.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
)

// server is one running sessiond: the API on one listener, what operators ask
// for on another and, where that is wanted, what gateways ask for on a third.
type server struct {
	config   config.Config
	log      *slog.Logger
	store    *redisstore.Store
	api      *handlers.API
	public   *http.Server
	admin    *http.Server
	verify   *http.Server     // nil where verify.address is not set
	rotation *tokens.Rotation // nil where the keys are in no directory
	stopping atomic.Bool

	publicListener, adminListener, verifyListener net.Listener
}

var errStopping = errors.New("shutting down")

// newServer wires the parts together and listens, so that an address that can't
// be had is told before anything runs.
func newServer(ctx context.Context, c config.Config, keyring *tokens.Keyring, log *slog.Logger) (*server, error) {
	issuer, err := tokens.NewIssuer(keyring, tokens.IssuerOptions{
		Issuer:          c.Tokens.Issuer,
		ActivationDelay: c.Tokens.ActivationDelay,
	})
	if err != nil {
		return nil, fmt.Errorf("tokens.key_directory: %w", err)
	}
	verifier, err := tokens.NewVerifier(keyring, tokens.VerifierOptions{
		Issuer:      c.Tokens.Issuer,
		LegacyKeyID: c.Tokens.LegacyKeyID,
	})
	if err != nil {
		return nil, fmt.Errorf("tokens.legacy_key_id: %w", err)
	}

	s := &server{config: c, log: log}
	if c.Tokens.KeyDirectory != "" {
		s.rotation = &tokens.Rotation{
			Directory: c.Tokens.KeyDirectory,
			Verifier:  verifier,
			Issuer:    issuer,
			Log:       log,
			Interval:  rereadInterval(c.Tokens.ActivationDelay),
		}
	}
	if err := s.listen(ctx); err != nil {
		return nil, err
	}

	s.store = redisstore.New(redisstore.Connect(c.Redis), redisstore.OptionsFrom(c))
	passwords := redisstore.NewPasswords(c.Passwords.BcryptCost)
	makeRoomForHashing(passwords.Places())
	s.api = handlers.New(s.store, passwords, issuer, verifier, log, handlers.Options{
		BasePath:       c.HTTP.BasePath,
		Version:        buildVersion(),
		TrustedProxies: c.HTTP.TrustedProxies,
		CORSOrigins:    c.HTTP.CORSOrigins,
		SessionTTL:     c.Sessions.TTL,
		RememberMeTTL:  c.Sessions.RememberMeTTL,
	})
	s.public = newHTTPServer(s.api, log)
	if s.verifyListener != nil {
		s.verify = newHTTPServer(s.api.Gateway(c.Verify.Secret), log)
	}
	metrics := handlers.NewRegistry(buildVersion(), s.ready, s.api, s.store)
	s.admin = newHTTPServer(handlers.NewAdmin(s.ready, metrics, log), log)
	return s, nil
}

// rereadInterval is how often the keys are read again without being asked to. A
// new one has to be found well before it signs somewhere else.
func rereadInterval(activationDelay time.Duration) time.Duration {
	return min(max(activationDelay/10, time.Second), 30*time.Second)
}

// listen takes all addresses or none.
func (s *server) listen(ctx context.Context) error {
	wanted := []struct {
		setting, address string
		listener         *net.Listener
	}{
		{"http.address", s.config.HTTP.Address, &s.publicListener},
		{"admin.address", s.config.Admin.Address, &s.adminListener},
		{"verify.address", s.config.Verify.Address, &s.verifyListener},
	}
	for i, w := range wanted {
		if w.address == "" {
			continue
		}
		listener, err := listen(ctx, w.setting, w.address)
		if err != nil {
			for _, taken := range wanted[:i] {
				_ = (*taken.listener).Close()
			}
			return err
		}
		*w.listener = listener
	}
	return nil
}

func listen(ctx context.Context, setting, address string) (net.Listener, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return listener, nil
}

func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		// OPTIONS * is an unknown endpoint like any other.
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// ready tells load balancers whether to send requests here.
func (s *server) ready(ctx context.Context) error {
	if s.stopping.Load() {
		return errStopping
	}
	return s.store.Ping(ctx)
}

// run serves until a signal or the end of ctx asks for a stop, and returns when
// everything has stopped.
func (s *server) run(ctx context.Context) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)

	background, cancel := context.WithCancel(ctx)
	defer cancel()
	go s.greetRedis(background)
	if s.rotation != nil {
		go s.rotation.Run(background)
	}

	failed := make(chan error, 3)
	go func() { failed <- s.public.Serve(s.publicListener) }()
	go func() { failed <- s.admin.Serve(s.adminListener) }()
	addresses := []any{
		slog.String("address", s.publicListener.Addr().String()),
		slog.String("admin", s.adminListener.Addr().String()),
	}
	if s.verify != nil {
		go func() { failed <- s.verify.Serve(s.verifyListener) }()
		addresses = append(addresses, slog.String("verify", s.verifyListener.Addr().String()))
	}
	s.log.Info("listening", append(addresses, slog.String("version", buildVersion()))...)

	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("serve: %w", err), s.close(signals))
	case sig := <-signals:
		s.log.Info("stopping", slog.String("signal", sig.String()))
	case <-ctx.Done():
		s.log.Info("stopping")
	}
	s.drain(signals)
	return s.close(signals)
}

// drain goes on serving while load balancers find out that readiness fails.
// A second signal cuts it short.
func (s *server) drain(signals chan os.Signal) {
	s.stopping.Store(true)
	timer := time.NewTimer(s.config.HTTP.DrainDelay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case sig := <-signals:
		// Put back: it ends the shutdown that follows as well.
		signals <- sig
	}
}

// close lets requests under way finish, for as long as the settings allow and
// no further signal comes.
func (s *server) close(signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.config.HTTP.ShutdownTimeout)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()

	err := shutdown(ctx, s.public)
	if s.verify != nil {
		// After the public one, whose upstreams may be asking it.
		err = errors.Join(err, shutdown(ctx, s.verify))
	}
	s.api.Close()
	err = errors.Join(err, s.admin.Close(), s.store.Close())
	s.log.Info("stopped")
	return err
}

func shutdown(ctx context.Context, server *http.Server) error {
	err := server.Shutdown(ctx)
	if err == nil {
		return nil
	}
	// The connections that are left are cut, and their requests with them.
	return errors.Join(fmt.Errorf("requests were still under way: %w", err), server.Close())
}

// greetRedis waits for Redis to answer for the first time and looks at what an
// operator should know about it. Until then requests are answered with 500, and
// readiness says so.
func (s *server) greetRedis(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for waiting := false; ; waiting = true {
		err := s.store.Ping(ctx)
		if err == nil {
			break
		}
		if !waiting {
			s.log.Warn("waiting for Redis", slog.Any("error", err))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
	s.log.Info("Redis answers")

	policy, err := s.store.EvictionPolicy(ctx)
	switch {
	case err != nil:
		s.log.Warn("Redis' maxmemory-policy could not be read", slog.Any("error", err))
	case policy != "" && policy != "noeviction":
		s.log.Warn("Redis may evict sessions when memory runs out: set maxmemory-policy to noeviction", slog.String("policy", policy))
	}
}

// newLogger returns a logger as the settings want it.
func newLogger(w io.Writer, c config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.Level}
	if c.Format == config.FormatText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
