package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

func newDoctorCommand(a *app) *cobra.Command {
	var repair bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check Redis, the keys and the data",
		Long: "Check what the settings lead to: the servers, the signing keys, and whether every\n" +
			"session is in its user's index and the other way round. It prints a line for each\n" +
			"finding: a verdict (ok, warn or fail), what was looked at, what was found and what\n" +
			"to do. It exits 1 where anything fails.",
		Args: withUsage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.loadConfig()
			if err != nil {
				return err
			}
			return a.examine(cmd.Context(), c, repair)
		},
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "make sessions and indexes agree; harms no session that lives")
	return cmd
}

// errUnhealthy is told by the findings themselves.
var errUnhealthy = errors.New("doctor found faults")

func (a *app) examine(ctx context.Context, c config.Config, repair bool) error {
	r := &findings{out: a.stdout}
	examineKeys(r, c.Tokens)

	store := redisstore.New(redisstore.Connect(c.Redis), redisstore.OptionsFrom(c))
	defer func() { _ = store.Close() }()
	servers, err := store.Servers(ctx)
	if err != nil {
		r.fail("redis", err.Error(), "check redis.addresses, the password, and that Redis runs")
		return r.end()
	}
	for _, server := range servers {
		examineServer(r, c.Redis, server)
	}

	progress := a.newProgress()
	found, err := store.CheckConsistency(ctx, repair, func(keys int) {
		progress.show(func(w io.Writer) { fmt.Fprintf(w, "%d keys, %d/s", keys, progress.rate(keys)) })
	})
	progress.clear()
	if err != nil {
		r.fail("data", err.Error(), "run it again when Redis is well")
		return r.end()
	}
	examineData(r, found, c.Sessions.IdleTimeout > 0, repair)
	return r.end()
}

// findings prints what was found as it comes.
type findings struct {
	out    io.Writer
	failed bool
	err    error
}

func (r *findings) line(verdict, subject, finding, advice string) {
	line := fmt.Sprintf("%-4s  %-12s  %s", verdict, subject, finding)
	if advice != "" {
		line += ": " + advice
	}
	// A finding of several lines, such as joined errors, stays one line.
	_, err := fmt.Fprintln(r.out, strings.ReplaceAll(line, "\n", "; "))
	r.err = errors.Join(r.err, err)
}

func (r *findings) ok(subject, finding string) { r.line("ok", subject, finding, "") }

func (r *findings) warn(subject, finding, advice string) { r.line("warn", subject, finding, advice) }

func (r *findings) fail(subject, finding, advice string) {
	r.failed = true
	r.line("fail", subject, finding, advice)
}

func (r *findings) end() error {
	if r.err == nil && r.failed {
		return errUnhealthy
	}
	return r.err
}

func examineKeys(r *findings, c config.Tokens) {
	keyring, err := tokens.LoadKeyring(c.KeyDirectory)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.fail("keys", "there is no "+c.KeyDirectory, "sessiond keys create makes a key")
		return
	case errors.Is(err, tokens.ErrKeyPermissions):
		r.fail("keys", err.Error(), "chmod it to 0600")
		return
	case err != nil:
		r.fail("keys", err.Error(), "remove or replace the file")
		return
	}
	keys := keyring.Keys()
	if current, ok := keyring.SigningKey(time.Now(), c.ActivationDelay); ok {
		r.ok("keys", fmt.Sprintf("%d in %s, %s signs", len(keys), c.KeyDirectory, current))
	} else {
		r.fail("keys", "none of them signs", "sessiond keys create makes a key")
		return
	}
	if _, err := tokens.NewVerifier(keyring, tokens.VerifierOptions{LegacyKeyID: c.LegacyKeyID}); err != nil {
		r.fail("keys", err.Error(), "put the key there or unset tokens.legacy_key_id")
	}
}

func examineData(r *findings, found redisstore.Consistency, idling, repair bool) {
	r.ok("data", fmt.Sprintf("%d sessions of %d users", found.Sessions, found.Users))
	advice := "sessiond doctor --repair mends it"
	if repair {
		advice = "see what was mended below"
	}
	switch {
	case found.Dangling > 0 && idling:
		r.ok("index", fmt.Sprintf("%d entries without a session, as sessions that idle out leave until the next list", found.Dangling))
	case found.Dangling > 0:
		r.warn("index", fmt.Sprintf("%d entries without a session", found.Dangling), advice)
	}
	if found.Unindexed > 0 {
		r.warn("index", fmt.Sprintf("%d sessions without their index entry, which ending all would miss", found.Unindexed), advice)
	}
	if found.Ended > 0 {
		r.warn("sessions", fmt.Sprintf("%d ended with everybody's and still take memory", found.Ended), advice)
	}
	if found.Dangling+found.Unindexed == 0 {
		r.ok("index", "every session has its entry, every entry its session")
	}
	if found.Immortal > 0 {
		r.warn("expiry", fmt.Sprintf("%d keys would stay for ever", found.Immortal), "sessiond doctor --repair gives sessions theirs back; delete the others")
	} else {
		r.ok("expiry", "every session, index and counter has one")
	}
	if repair {
		r.ok("repair", fmt.Sprintf("%d mended", found.Mended))
	}
}
