package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/tokens"
)

func newKeysCommand(a *app) *cobra.Command {
	return newGroup("keys", "Manage the keys that sign tokens",
		newKeysCreateCommand(a),
		newKeysListCommand(a),
	)
}

func newKeysCreateCommand(a *app) *cobra.Command {
	var ifNone bool
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Make a new signing key and print its ID",
		Long: "Make a new signing key in the directory of the setting tokens.key_directory,\n" +
			"which is made, too, if it is missing. The key's ID alone goes to standard output.",
		Args: withUsage(cobra.NoArgs),
		RunE: func(_ *cobra.Command, _ []string) error {
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			kid := ""
			if ifNone {
				if kid, err = currentKey(cfg.Tokens.KeyDirectory); err != nil {
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
func currentKey(directory string) (string, error) {
	keyring, err := tokens.LoadKeyring(directory)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, key := range keyring.Keys() {
		if key.Current {
			return key.ID, nil
		}
	}
	return "", nil
}

func newKeysListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the keys, the newest first",
		Long: "List the keys, the newest first, a line each with tabs between ID, state and\n" +
			"time of creation. New tokens are signed with the current key; one that only\n" +
			"verifies goes on admitting the tokens that it signed.",
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
			for _, key := range keyring.Keys() {
				if _, err := fmt.Fprintf(a.stdout, "%s\t%s\t%s\n", key.ID, keyState(key), keyCreated(key)); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func keyState(key tokens.KeyInfo) string {
	if key.Current {
		return "current"
	}
	return "verifies only"
}

// keyCreated is a dash for a key whose ID does not tell: one from elsewhere.
func keyCreated(key tokens.KeyInfo) string {
	if key.Created.IsZero() {
		return "-"
	}
	return key.Created.UTC().Format(time.RFC3339)
}
