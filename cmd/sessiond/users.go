package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

func newUsersCommand(a *app) *cobra.Command {
	return newGroup("users", "Manage accounts",
		newUsersAddCommand(a),
		newUsersImportCommand(a),
		newUsersListCommand(a),
		newUsersShowCommand(a),
		newUsersBanCommand(a),
		newUsersUnbanCommand(a),
		newUsersSetPasswordCommand(a),
		newUsersSetStaffCommand(a),
		newUsersRemoveCommand(a),
	)
}

func newUsersAddCommand(a *app) *cobra.Command {
	var staff bool
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make an account and print its ID",
		Long: "Make an account. The password is asked for on a terminal, and is otherwise the\n" +
			"first line of standard input. The account's ID alone goes to standard output.\n" +
			"Names differ by more than case, and can't be taken twice.",
		Args: withUsage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd.Context(), func(store *redisstore.Store, c config.Config) error {
				return a.addUser(cmd.Context(), store, c, args[0], staff)
			})
		},
	}
	cmd.Flags().BoolVar(&staff, "staff", false, "let the account see and end the sessions of others")
	return cmd
}

func (a *app) addUser(ctx context.Context, store *redisstore.Store, c config.Config, name string, staff bool) error {
	// Before somebody types a password in vain.
	if !redisstore.ValidUsername(name) {
		return redisstore.ErrUsernameInvalid
	}
	hash, err := a.readPasswordHash(ctx, c)
	if err != nil {
		return err
	}
	user, err := store.AddUser(ctx, redisstore.NewUser{Username: name, PasswordHash: hash, Staff: staff})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(a.stdout, user.ID)
	return err
}

func (a *app) readPasswordHash(ctx context.Context, c config.Config) (string, error) {
	password, err := a.readPassword(ctx, "Password")
	if err != nil {
		return "", err
	}
	return redisstore.NewPasswords(c.Passwords.BcryptCost).Hash(ctx, password)
}

// withStore runs work on the store that the settings name. Redis is asked for a
// sign of life first, so that nobody types a password for one that is away.
func (a *app) withStore(ctx context.Context, work func(*redisstore.Store, config.Config) error) error {
	c, err := a.loadConfig()
	if err != nil {
		return err
	}
	store := redisstore.New(redisstore.Connect(c.Redis), redisstore.OptionsFrom(c))
	if err := store.Ping(ctx); err != nil {
		return errors.Join(fmt.Errorf("no answer from Redis (%s): %w", c.Redis, err), store.Close())
	}
	return errors.Join(work(store, c), store.Close())
}

// withUser is withStore for commands about one USER.
func (a *app) withUser(ctx context.Context, idOrName string, work func(*redisstore.Store, redisstore.User, config.Config) error) error {
	return a.withStore(ctx, func(store *redisstore.Store, c config.Config) error {
		user, found, err := store.FindUser(ctx, idOrName)
		if err != nil {
			return err
		}
		if !found {
			return unknownUser(idOrName)
		}
		return work(store, user, c)
	})
}

func unknownUser(idOrName string) error {
	return fmt.Errorf("no user %q", idOrName)
}

// errDeclined is what a person gets who was asked and did not say yes. It is an
// error so that "remove && …" does not go on.
var errDeclined = errors.New("nothing was changed")

// confirmed asks before something is destroyed, where there is somebody to ask.
func (a *app) confirmed(format string, args ...any) error {
	ok, err := a.confirm(fmt.Sprintf(format, args...))
	if err == nil && !ok {
		err = errDeclined
	}
	return err
}

// shown returns text as one field of a line. Names were checked on their way
// into Redis, but other hands write there, too: what would not print, such as a
// tab or what steers a terminal, is escaped.
func shown(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return text
	}
	return strconv.Quote(text)
}

// shownTime is a dash for no time.
func shownTime(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func counted(n int, singular string) string {
	if n == 1 {
		return "1 " + singular
	}
	return strconv.Itoa(n) + " " + singular + "s"
}
