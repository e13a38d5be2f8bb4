package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/tokens"
)

func newServeCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the API on Redis",
		Long: "Serve the API on Redis until SIGTERM or SIGINT: readiness fails at once, requests\n" +
			"are served for http.drain_delay more, and those under way then finish within\n" +
			"http.shutdown_timeout. A second signal ends it at once.\n\n" +
			"Settings, each a key of the --config file and a variable:\n\n" + config.Help(),
		Args: withUsage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serve(cmd.Context())
		},
	}
}

func (a *app) serve(ctx context.Context) error {
	c, err := a.loadConfig()
	if err != nil {
		return err
	}
	buffer := newLogBuffer(a.stderr, logDelay)
	defer buffer.flush()
	log := slog.New(bufferedHandler{newLogger(buffer, c.Log).Handler(), buffer})
	redisLog.Store(log)
	tuneGC()

	keyring, err := tokens.LoadKeyring(c.Tokens.KeyDirectory)
	if err != nil {
		return fmt.Errorf("tokens.key_directory: %w (sessiond keys create makes a key)", err)
	}
	s, err := newServer(ctx, c, keyring, log)
	if err != nil {
		return err
	}
	if err := s.run(ctx); err != nil {
		log.Error("stopped with an error", slog.Any("error", err))
		return errLogged
	}
	return nil
}
