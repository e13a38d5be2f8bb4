package tokens

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settleTime passes between a change in the directory and the look at it:
	// whoever writes a file, or takes one away to put another in its place, is
	// mostly done by then.
	settleTime = 200 * time.Millisecond

	// retryDelay passes before the first other look at what could not be used;
	// each further one takes twice as long, up to the interval.
	retryDelay = time.Second
)

// Rotation keeps a Verifier and an Issuer at what a key directory holds, while
// they are in use. What cannot be used, such as a file that is half written,
// changes nothing: it goes to the log, and is tried again.
type Rotation struct {
	// Directory is read as by LoadKeyring.
	Directory string
	Verifier  *Verifier
	Issuer    *Issuer
	Log       *slog.Logger
	// Interval, which must be more than 0, is how long a change can go
	// unnoticed where the system tells of none, as on network file systems. It
	// should be a fraction of the activation delay.
	Interval time.Duration

	// warned is what went wrong at the last look, to log it once.
	warned string
}

// Run works until ctx ends. It looks at the directory at once, after each change
// in it, and every Interval.
func (r *Rotation) Run(ctx context.Context) {
	var events <-chan fsnotify.Event
	var faults <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		watcher = nil
		r.Log.WarnContext(ctx, "the key directory is not watched, only re-read",
			slog.Duration("interval", r.Interval), slog.Any("error", err))
	} else {
		defer func() { _ = watcher.Close() }()
		events, faults = watcher.Events, watcher.Errors
	}

	look := time.NewTimer(0)
	defer look.Stop()
	for soon, failures := false, 0; ; {
		select {
		case <-ctx.Done():
			return
		case _, open := <-events:
			if !open {
				events = nil
			}
		case _, open := <-faults:
			// An overflow, say: changes were missed.
			if !open {
				faults = nil
			}
		case <-look.C:
			soon = false
			if err := r.look(ctx, watcher); err != nil {
				r.warn(ctx, err)
				look.Reset(min(retryDelay<<min(failures, 20), r.Interval))
				failures++
				continue
			}
			failures, r.warned = 0, ""
			look.Reset(r.Interval)
			continue
		}
		// Changes that follow a first one do not put the look off, or a busy
		// directory would never be looked at.
		if !soon {
			soon = true
			look.Reset(settleTime)
		}
	}
}

// look reads the directory and applies what is new.
func (r *Rotation) look(ctx context.Context, watcher *fsnotify.Watcher) error {
	// Before the directory is read, lest a change fall in between, and each
	// time: the name may stand for another directory than it did.
	var watchErr error
	if watcher != nil {
		if err := watcher.Add(r.Directory); err != nil {
			watchErr = fmt.Errorf("watch key directory: %w", err)
		}
	}
	keyring, err := LoadKeyring(r.Directory)
	if err == nil {
		err = r.apply(ctx, keyring)
	}
	if err == nil {
		err = watchErr
	}
	return err
}

// apply gives a keyring to both or to neither.
func (r *Rotation) apply(ctx context.Context, keyring *Keyring) error {
	old := r.Verifier.state.Load().keyring
	if keyring.equal(old) {
		return nil // The Verifier goes on remembering.
	}
	if len(keyring.signers) == 0 {
		return ErrNoSigningKey
	}
	before := r.Issuer.Signer().KeyID()
	// In this order: no token is signed that would not be verified.
	if err := r.Verifier.SetKeyring(keyring); err != nil {
		return err
	}
	if err := r.Issuer.SetKeyring(keyring); err != nil {
		return err
	}
	after := r.Issuer.Signer().KeyID()
	r.Log.InfoContext(ctx, "keys changed",
		slog.Any("added", keyring.without(old)), slog.Any("removed", old.without(keyring)), slog.String("signs", after))
	if after != before && old.public[after] == nil {
		r.Log.WarnContext(ctx, "a key came late and signs at once: replicas that have it not yet refuse its tokens", slog.String("kid", after))
	}
	return nil
}

// without returns the IDs of the keys that another keyring lacks.
func (k *Keyring) without(other *Keyring) []string {
	ids := []string{}
	for _, info := range k.infos {
		if other.public[info.ID] == nil {
			ids = append(ids, info.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// warn tells once what may go on for long.
func (r *Rotation) warn(ctx context.Context, err error) {
	if text := err.Error(); text != r.warned {
		r.warned = text
		r.Log.WarnContext(ctx, "key directory: the keys in use stay", slog.Any("error", err))
	}
}
