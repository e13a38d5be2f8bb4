package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

func newSessionsEndCommand(a *app) *cobra.Command {
	var all, everyone, asJSON bool
	cmd := &cobra.Command{
		Use:   "end {USER {SID… | --all} | --everyone}",
		Short: "End sessions of a user, or of everybody",
		Long: "End the given sessions of a user, all of them, or all of all users, and print how\n" +
			"many that were. Their tokens are refused from the next request on. Unknown session\n" +
			"IDs are named on standard error; it is a failure if none of them is known. On a\n" +
			"terminal it asks first. USER is an ID or a name.\n\n" +
			"With --everyone all sessions are over at once, on all replicas; what takes its time\n" +
			"is deleting them one by one. Cut off in the middle of that, it leaves sessions that\n" +
			"are over but still take memory: sessiond doctor --repair deletes those. Whoever logs\n" +
			"in meanwhile stays logged in.",
		DisableFlagsInUseLine: true,
		Args: withUsage(func(_ *cobra.Command, args []string) error {
			switch {
			case everyone && (all || len(args) > 0):
				return errors.New("want either a user or --everyone")
			case everyone:
				return nil
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
			if everyone {
				return a.endEveryone(cmd.Context(), asJSON)
			}
			return a.withUser(cmd.Context(), args[0], func(store *redisstore.Store, user redisstore.User, _ config.Config) error {
				end := a.endSessions
				if all {
					end = a.endAllSessions
				}
				ended, err := end(cmd.Context(), store, user, args[1:])
				if err != nil {
					return err
				}
				return a.printEnded(ended, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "end all of them")
	cmd.Flags().BoolVar(&everyone, "everyone", false, "end all sessions of all users")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the IDs ended as JSON or, with --everyone, how many")
	return cmd
}

func (a *app) endEveryone(ctx context.Context, asJSON bool) error {
	return a.withStore(ctx, func(store *redisstore.Store, _ config.Config) error {
		if err := a.confirmed("End all sessions of all users?"); err != nil {
			return err
		}
		progress := a.newProgress()
		ended, err := store.EndEveryone(ctx, func(ended int) {
			progress.show(func(w io.Writer) { fmt.Fprintf(w, "%s ended, %d/s", counted(ended, "session"), progress.rate(ended)) })
		})
		progress.clear()
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(a.stdout).Encode(map[string]int{"count": ended})
		}
		return a.printCount(ended)
	})
}

// byOperator is what a user's trail says of the sessions that a command ended.
var byOperator = redisstore.Ending{Actor: redisstore.Operator, Reason: redisstore.ReasonOperator}

func (a *app) endAllSessions(ctx context.Context, store *redisstore.Store, user redisstore.User, _ []string) ([]string, error) {
	if err := a.confirmed("End all sessions of %s (%s)?", shown(user.Username), user.ID); err != nil {
		return nil, err
	}
	return store.EndAllSessions(ctx, user.ID, "", byOperator)
}

func (a *app) endSessions(ctx context.Context, store *redisstore.Store, user redisstore.User, sids []string) ([]string, error) {
	slices.Sort(sids)
	sids = slices.Compact(sids)
	if err := a.confirmed("End %s of %s (%s)?", counted(len(sids), "session"), shown(user.Username), user.ID); err != nil {
		return nil, err
	}
	ended, err := store.EndSessions(ctx, user.ID, sids, byOperator)
	if err != nil {
		return nil, err
	}
	var unknown error
	for _, sid := range sids {
		if !slices.Contains(ended, sid) {
			unknown = errors.Join(unknown, fmt.Errorf("no session %q", sid))
		}
	}
	if len(ended) == 0 {
		return nil, unknown
	}
	report(a.stderr, unknown)
	return ended, nil
}

func (a *app) printEnded(sids []string, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(a.stdout).Encode(map[string][]string{"ended": append([]string{}, sids...)})
	}
	return a.printCount(len(sids))
}

func (a *app) printCount(ended int) error {
	_, err := fmt.Fprintf(a.stdout, "%s ended\n", counted(ended, "session"))
	return err
}
