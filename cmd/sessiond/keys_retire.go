package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

func newKeysRetireCommand(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "retire KID",
		Short: "Take a key away whose sessions have ended",
		Long: "Delete a key from the directory of the setting tokens.key_directory and print how\n" +
			"many live sessions it signed. Replicas that share the directory refuse its tokens\n" +
			"at once, without a restart; elsewhere it has to be deleted, too. On a terminal it\n" +
			"asks first.\n\n" +
			"While there are such sessions, or ones of which nobody knows what key signed them,\n" +
			"and while the key signs new tokens, it refuses. With --force, which is for keys\n" +
			"that fell into wrong hands, it does not: the sessions stay in Redis until they\n" +
			"expire, but their tokens are good for nothing. The last key that can sign and the\n" +
			"one of tokens.legacy_key_id are never deleted, as nothing would start without them.",
		Args: withUsage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(store *redisstore.Store, c config.Config) error {
				return a.retireKey(cmd.Context(), store, c.Tokens, args[0], force)
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete it whomever that logs out")
	return cmd
}

func (a *app) retireKey(ctx context.Context, store *redisstore.Store, c config.Tokens, kid string, force bool) error {
	keyring, err := tokens.LoadKeyring(c.KeyDirectory)
	if err != nil {
		return err
	}
	key, err := a.retirable(keyring, c, kid, force)
	if err != nil {
		return err
	}
	usage, err := a.countSignedBy(ctx, store, redisstore.SigningKey{
		ID: kid, Created: key.Created, Legacy: kid == c.LegacyKeyID,
	})
	if err != nil {
		return err
	}
	if usage != (redisstore.KeyUsage{}) && !force {
		return fmt.Errorf("%s signed %s: wait until they have ended, or log their users out with --force", kid, signed(usage))
	}
	if kid == c.LegacyKeyID {
		return fmt.Errorf("%s signed %s, but tokens.legacy_key_id names it: unset that first, in all replicas", kid, signed(usage))
	}
	if err := a.confirmed("Delete key %s, which signed %s?", kid, signed(usage)); err != nil {
		return err
	}
	if err := tokens.RemoveKey(c.KeyDirectory, kid); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s retired; it signed %s\n", kid, signed(usage))
	return err
}

// retirable returns a key that others can do without.
func (a *app) retirable(keyring *tokens.Keyring, c config.Tokens, kid string, force bool) (tokens.KeyInfo, error) {
	keys := keyring.Keys()
	i := slices.IndexFunc(keys, func(key tokens.KeyInfo) bool { return key.ID == kid })
	if i < 0 {
		return tokens.KeyInfo{}, fmt.Errorf("no key %q in %s", kid, c.KeyDirectory)
	}
	key := keys[i]
	others := slices.ContainsFunc(keys, func(other tokens.KeyInfo) bool { return other.Signs && other.ID != kid })
	if key.Signs && !others {
		// Replicas that run would keep it, leaked or not, for want of another.
		return tokens.KeyInfo{}, fmt.Errorf("%s is the last key that can sign: sessiond keys create makes another", kid)
	}
	if current, _ := keyring.SigningKey(a.now(), c.ActivationDelay); kid == current && !force {
		return tokens.KeyInfo{}, fmt.Errorf("%s signs new tokens: make another key and wait until that one does", kid)
	}
	return key, nil
}

func (a *app) countSignedBy(ctx context.Context, store *redisstore.Store, key redisstore.SigningKey) (redisstore.KeyUsage, error) {
	progress := a.newProgress()
	defer progress.clear()
	return store.CountSignedBy(ctx, key, func(keys int) {
		progress.show(func(w io.Writer) { fmt.Fprintf(w, "%d sessions, %d/s", keys, progress.rate(keys)) })
	})
}

// signed tells what a key signed.
func signed(usage redisstore.KeyUsage) string {
	text := counted(usage.Signed, "live session")
	if usage.Unknown > 0 {
		text += fmt.Sprintf(" and maybe %d more that do not tell their key", usage.Unknown)
	}
	return text
}
