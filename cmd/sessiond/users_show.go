package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

func newUsersListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List all accounts",
		Long: "List all accounts in no order, a line each with tabs between ID, name, \"staff\" or\n" +
			"a dash, time of the ban or a dash, and time of creation. Accounts are read while\n" +
			"others may change them: pipe through sort -u to rule out that one comes twice.",
		Args: withUsage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(store *redisstore.Store, _ config.Config) error {
				return a.listUsers(cmd.Context(), store)
			})
		},
	}
}

func (a *app) listUsers(ctx context.Context, store *redisstore.Store) error {
	progress := a.newProgress()
	// On a terminal the lines themselves are the progress.
	if _, visible := asTerminal(a.stdout); visible {
		progress = nil
	}
	defer progress.clear()
	out := bufio.NewWriterSize(a.stdout, 1<<16)
	count := 0
	for user, err := range store.Users(ctx) {
		if err == nil {
			_, err = fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", user.ID, shown(user.Username),
				staffMark(user.Staff), shownTime(user.BannedAt), shownTime(user.CreatedAt))
		}
		if err != nil {
			_ = out.Flush()
			return err
		}
		count++
		progress.show(func(w io.Writer) { fmt.Fprintf(w, "%d users", count) })
	}
	return out.Flush()
}

func staffMark(staff bool) string {
	if staff {
		return "staff"
	}
	return "-"
}

func newUsersShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show USER",
		Short: "Show one account",
		Long: "Show one account, by ID or name: a line for each thing to know about it, with a\n" +
			"tab between what it is and its value.",
		Args: withUsage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withUser(cmd.Context(), args[0], func(store *redisstore.Store, user redisstore.User, _ config.Config) error {
				sessions, err := store.Sessions(cmd.Context(), user.ID)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.stdout, "id\t%s\nname\t%s\nstaff\t%s\nbanned\t%s\ncreated\t%s\nsessions\t%d\n",
					user.ID, shown(user.Username), strconv.FormatBool(user.Staff),
					shownTime(user.BannedAt), shownTime(user.CreatedAt), len(sessions))
				return err
			})
		},
	}
}
