package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/tokens"
)

func newKeysCommand(a *app) *cobra.Command {
	return newGroup("keys", "Manage the keys that sign tokens",
		newKeysCreateCommand(a),
		newKeysListCommand(a),
		newKeysRetireCommand(a),
	)
}

func newKeysCreateCommand(a *app) *cobra.Command {
	var ifNone bool
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a new signing key and print its ID",
		Long: "Make a new signing key in the directory of the setting tokens.key_directory,\n" +
			"which is made, too, if it is missing. The key's ID alone goes to standard output.\n" +
			"Replicas that run find the key by themselves. It signs once it is as old as\n" +
			"tokens.activation_delay; until then it has to be in every replica's directory.",
		Args: withUsage(cobra.NoArgs),
		RunE: func(_ *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			kid := ""
			if ifNone {
				if kid, err = a.currentKey(cfg.Tokens); err != nil {
					return err
				}
			}
			if kid == "" {
				if kid, err = tokens.CreateKey(cfg.Tokens.KeyDirectory, a.now()); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintln(a.stdout, kid)
			return err
		},
	}
	cmd.Flags().BoolVar(&ifNone, "if-none", false, "where a key signs already, print its ID and make none")
	return cmd
}

// currentKey is the ID of the key that signs, empty where there is none.
func (a *app) currentKey(c config.Tokens) (string, error) {
	keyring, err := tokens.LoadKeyring(c.KeyDirectory)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	id, _ := keyring.SigningKey(a.now(), c.ActivationDelay)
	return id, nil
}

func newKeysListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys, the newest first",
		Long: "List the keys, the newest first, a line each with tabs between ID, state and\n" +
			"time of creation (a dash where the ID does not tell). New tokens are signed with\n" +
			"the current key. One that waits takes over once it is tokens.activation_delay old;\n" +
			"one that only verifies goes on admitting the tokens that it signed. The legacy key\n" +
			"admits tokens without a kid.",
		Args: withUsage(cobra.NoArgs),
		RunE: func(_ *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			keyring, err := tokens.LoadKeyring(cfg.Tokens.KeyDirectory)
			if err != nil {
				return err
			}
			current, _ := keyring.SigningKey(a.now(), cfg.Tokens.ActivationDelay)
			for _, key := range keyring.Keys() {
				state := keyState(key, current, cfg.Tokens)
				if _, err := fmt.Fprintf(a.stdout, "%s\t%s\t%s\n", key.ID, state, shownTime(key.Created)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// keyState tells what a key is for, given the one that signs. A key that can
// sign and is newer than that one still waits.
func keyState(key tokens.KeyInfo, current string, c config.Tokens) string {
	state := "verifies only"
	switch {
	case key.ID == current:
		state = "current"
	case key.Signs && key.ID > current:
		state = "waiting until " + shownTime(key.Created.Add(c.ActivationDelay))
	}
	switch {
	case key.ID != c.LegacyKeyID:
		return state
	case key.Signs:
		return state + ", legacy"
	default:
		return "legacy"
	}
}
