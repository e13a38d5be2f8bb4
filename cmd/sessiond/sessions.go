package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

func newSessionsCommand(a *app) *cobra.Command {
	return newGroup("sessions", "See and end sessions",
		newSessionsListCommand(a),
		newSessionsEndCommand(a),
	)
}

func newSessionsListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list USER",
		Short: "List a user's live sessions, the newest first",
		Long: "List a user's live sessions, the newest first, a line each with tabs between ID,\n" +
			"name, and the times of creation, expiry and last use (to the minute; a dash before\n" +
			"the first). USER is an ID or a name.",
		Args: withUsage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withUser(cmd.Context(), args[0], func(store *redisstore.Store, user redisstore.User, _ config.Config) error {
				return a.listSessions(cmd.Context(), store, user.ID)
			})
		},
	}
}

func (a *app) listSessions(ctx context.Context, store *redisstore.Store, uid string) error {
	names, err := store.Sessions(ctx, uid)
	if err != nil {
		return err
	}
	for _, name := range names {
		session, live, err := store.Session(ctx, uid, name.ID)
		if err != nil {
			return err
		}
		if !live {
			continue // It ended since the list was made.
		}
		_, err = fmt.Fprintf(a.stdout, "%s\t%s\t%s\t%s\t%s\n", shown(session.ID), shown(session.Name),
			shownTime(session.CreatedAt), shownTime(session.ExpiresAt), shownTime(session.UsedAt))
		if err != nil {
			return err
		}
	}
	return nil
}

func newSessionsEndCommand(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "end USER {SID… | --all}",
		Short: "End sessions of a user",
		Long: "End the given sessions of a user, or all of them, and print how many that were.\n" +
			"Their tokens are refused from the next request on. Unknown session IDs are named on\n" +
			"standard error; it is a failure if none of them is known. On a terminal it asks\n" +
			"first. USER is an ID or a name.",
		DisableFlagsInUseLine: true,
		Args: withUsage(func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return errors.New("a user is missing")
			case all && len(args) > 1:
				return errors.New("want either session IDs or --all")
			case !all && len(args) == 1:
				return errors.New("session IDs are missing, or --all")
			}
			return nil
		}),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withUser(cmd.Context(), args[0], func(store *redisstore.Store, user redisstore.User, _ config.Config) error {
				if all {
					return a.endAllSessions(cmd.Context(), store, user)
				}
				return a.endSessions(cmd.Context(), store, user, args[1:])
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "end all of them")
	return cmd
}

func (a *app) endAllSessions(ctx context.Context, store *redisstore.Store, user redisstore.User) error {
	if err := a.confirmed("End all sessions of %s (%s)?", shown(user.Username), user.ID); err != nil {
		return err
	}
	ended, err := store.EndAllSessions(ctx, user.ID, "")
	if err != nil {
		return err
	}
	return a.printEnded(len(ended))
}

func (a *app) endSessions(ctx context.Context, store *redisstore.Store, user redisstore.User, sids []string) error {
	slices.Sort(sids)
	sids = slices.Compact(sids)
	if err := a.confirmed("End %s of %s (%s)?", counted(len(sids), "session"), shown(user.Username), user.ID); err != nil {
		return err
	}
	ended, err := store.EndSessions(ctx, user.ID, sids)
	if err != nil {
		return err
	}
	var unknown error
	for _, sid := range sids {
		if !slices.Contains(ended, sid) {
			unknown = errors.Join(unknown, fmt.Errorf("no session %q", sid))
		}
	}
	if len(ended) == 0 {
		return unknown
	}
	report(a.stderr, unknown)
	return a.printEnded(len(ended))
}

func (a *app) printEnded(n int) error {
	_, err := fmt.Fprintf(a.stdout, "%s ended\n", counted(n, "session"))
	return err
}
