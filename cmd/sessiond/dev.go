package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

// devDefaults are the settings of which dev wants another default: it talks to
// one person, on this machine.
var devDefaults = map[string]string{
	"http.address":     "127.0.0.1:8080",
	"http.drain_delay": "0s",
	"admin.address":    "127.0.0.1:9090",
	"log.format":       "text",
}

// devAccounts are for everyone to read: dev listens on loopback alone, and they
// end with it.
var devAccounts = []struct {
	name, password string
	staff          bool
}{
	{name: "alice", password: "wonderland"},
	{name: "grace", password: "hopper-1906", staff: true},
}

func newDevCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Try the API at once, without Redis",
		Long: "Serve the API on loopback with an embedded Redis, a throw-away key and two\n" +
			"accounts, and print curl lines to try it with. Nothing outlives the process.\n\n" +
			"The settings are those of serve, but for redis.… and tokens.key_directory, which\n" +
			"have no meaning here, and with a default for http.address of 127.0.0.1:8080.",
		Args: withUsage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.dev(cmd.Context())
		},
	}
}

func (a *app) dev(ctx context.Context) error {
	c, err := config.LoadWithDefaults(devDefaults, a.configFile, a.environ)
	if err != nil {
		return err
	}
	err = errors.Join(requireLoopback("http.address", c.HTTP.Address), requireLoopback("admin.address", c.Admin.Address))
	if err != nil {
		return err
	}
	// The throw-away key is the only one there is.
	c.Tokens.LegacyKeyID, c.Tokens.KeyDirectory = "", ""
	log := newLogger(a.stderr, c.Log)
	redisLog.Store(log)

	embedded, err := miniredis.Run()
	if err != nil {
		return fmt.Errorf("start the embedded Redis: %w", err)
	}
	defer embedded.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go age(ctx, embedded)
	c.Redis = config.Redis{Mode: config.ModeStandalone, Addresses: []string{embedded.Addr()}, Timeout: c.Redis.Timeout}

	keyring, err := tokens.GenerateKeyring(a.now())
	if err != nil {
		return err
	}
	s, err := newServer(ctx, c, keyring, log)
	if err != nil {
		return err
	}
	if err := addDevAccounts(ctx, s.store, redisstore.NewPasswords(c.Passwords.BcryptCost)); err != nil {
		return errors.Join(err, s.close(nil))
	}
	if _, err := fmt.Fprint(a.stdout, devTour(s, embedded.Port())); err != nil {
		return errors.Join(err, s.close(nil))
	}
	return s.run(ctx)
}

// requireLoopback keeps accounts with known passwords off the network.
func requireLoopback(setting, address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", setting, err)
	}
	ip, err := netip.ParseAddr(host)
	if host == "localhost" || (err == nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%s: dev has accounts with known passwords and listens on loopback alone; want 127.0.0.1, [::1] or localhost, not %q", setting, address)
}

// age lets time pass for the keys of the embedded Redis, which does not do so by
// itself.
func age(ctx context.Context, embedded *miniredis.Miniredis) {
	const step = time.Second
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case now := <-ticker.C:
			embedded.FastForward(now.Sub(last))
			last = now
		case <-ctx.Done():
			return
		}
	}
}

func addDevAccounts(ctx context.Context, store *redisstore.Store, passwords *redisstore.Passwords) error {
	for _, account := range devAccounts {
		hash, err := passwords.Hash(ctx, account.password)
		if err != nil {
			return err
		}
		user := redisstore.NewUser{Username: account.name, PasswordHash: hash, Staff: account.staff}
		if _, err := store.AddUser(ctx, user); err != nil {
			return err
		}
	}
	return nil
}

// devTour is what a newcomer needs: whom to be, and lines to paste.
func devTour(s *server, redisPort string) string {
	base := "http://" + s.publicListener.Addr().String() + s.config.HTTP.BasePath
	alice, grace := devAccounts[0], devAccounts[1]
	var b strings.Builder
	fmt.Fprintf(&b, `sessiond %s is up on %s

  This is for trying things out. Sessions, accounts and the signing key live in
  this process and are gone when it ends; nothing is ever written to disk.

  Accounts  %s, password %s
            %s, password %s (staff)
  Redis     redis-cli -p %s
  Metrics   http://%s/metrics

Log in, and keep the token:

  TOKEN=$(curl -s %s/login -H 'X-Session-Name: My first session' -d '{"username":"%s","password":"%s"}' | sed 's/.*"token":"\([^"]*\)".*/\1/')

See this session, and all of them:

  curl -s %s/users/me/sessions/me -H "Authorization: $TOKEN"
  curl -s %s/users/me/sessions -H "Authorization: $TOKEN"

Log out, and see the token refused:

  curl -s -X DELETE %s/users/me/sessions/me -H "Authorization: $TOKEN"
  curl -s %s/users/me/sessions/me -H "Authorization: $TOKEN"

Ctrl-C ends it.

`, buildVersion(), base,
		alice.name, alice.password, grace.name, grace.password, redisPort, s.adminListener.Addr(),
		base, alice.name, alice.password, base, base, base, base)
	return b.String()
}
