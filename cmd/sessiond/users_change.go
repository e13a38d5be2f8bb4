package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

func newUsersBanCommand(a *app) *cobra.Command {
	return a.newUserChange("ban USER", "Shut an account out",
		"Shut an account out from its next request on. Its sessions stay, for the day when\n"+
			"it is let in again. An account that is banned already keeps the older date.",
		func(ctx context.Context, store *redisstore.Store, user redisstore.User, _ config.Config) (bool, error) {
			return store.BanUser(ctx, user.ID)
		})
}

func newUsersUnbanCommand(a *app) *cobra.Command {
	return a.newUserChange("unban USER", "Let an account in again",
		"Let an account in again, with those of its sessions that still live.",
		func(ctx context.Context, store *redisstore.Store, user redisstore.User, _ config.Config) (bool, error) {
			return store.UnbanUser(ctx, user.ID)
		})
}

func newUsersSetPasswordCommand(a *app) *cobra.Command {
	return a.newUserChange("set-password USER", "Give an account a new password",
		"Give an account a new password, which is asked for on a terminal, and is otherwise\n"+
			"the first line of standard input. All its sessions end in the same step; it prints\n"+
			"how many those were.",
		func(ctx context.Context, store *redisstore.Store, user redisstore.User, c config.Config) (bool, error) {
			hash, err := a.readPasswordHash(ctx, c)
			if err != nil {
				return false, err
			}
			ended, found, err := store.SetPasswordHash(ctx, user.ID, hash)
			if err != nil || !found {
				return found, err
			}
			return true, a.printCount(ended)
		})
}

func newUsersRemoveCommand(a *app) *cobra.Command {
	return a.newUserChange("remove USER", "Remove an account and all its sessions",
		"Remove an account, all its sessions and its claim to its name. On a terminal it\n"+
			"asks first.",
		func(ctx context.Context, store *redisstore.Store, user redisstore.User, _ config.Config) (bool, error) {
			if err := a.confirmed("Remove user %s (%s) and all sessions?", shown(user.Username), user.ID); err != nil {
				return false, err
			}
			return store.RemoveUser(ctx, user.ID)
		})
}

// userChange changes an account. The flag tells whether it was still there.
type userChange func(context.Context, *redisstore.Store, redisstore.User, config.Config) (bool, error)

// newUserChange returns a command that changes one account.
func (a *app) newUserChange(use, short, long string, change userChange) *cobra.Command {
	return &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long + " USER is an ID or a name.",
		Args:  withUsage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeUser(cmd.Context(), args[0], change)
		},
	}
}

func (a *app) changeUser(ctx context.Context, idOrName string, change userChange) error {
	return a.withUser(ctx, idOrName, func(store *redisstore.Store, user redisstore.User, c config.Config) error {
		found, err := change(ctx, store, user, c)
		if err == nil && !found {
			return unknownUser(idOrName) // Removed between the look-up and the change.
		}
		return err
	})
}

func newUsersSetStaffCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "set-staff USER [true|false]",
		Short: "Make an account staff, or no longer",
		Long: "Let an account see and end the sessions of others, or, with false, only its own.\n" +
			"Without true or false it is made staff. USER is an ID or a name.",
		Args: withUsage(func(cmd *cobra.Command, args []string) error {
			if err := cobra.RangeArgs(1, 2)(cmd, args); err != nil {
				return err
			}
			_, err := staffArgument(args)
			return err
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			staff, err := staffArgument(args)
			if err != nil {
				return err
			}
			return a.changeUser(cmd.Context(), args[0],
				func(ctx context.Context, store *redisstore.Store, user redisstore.User, _ config.Config) (bool, error) {
					return store.SetStaff(ctx, user.ID, staff)
				})
		},
	}
}

func staffArgument(args []string) (bool, error) {
	if len(args) < 2 {
		return true, nil
	}
	if args[1] != "true" && args[1] != "false" {
		return false, fmt.Errorf("want true or false behind the user, not %q", args[1])
	}
	return strconv.ParseBool(args[1])
}
