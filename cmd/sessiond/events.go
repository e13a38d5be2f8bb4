package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

// eventsPatience is how long one look for new events waits for some; then the
// next one does.
const eventsPatience = time.Second

func newEventsCommand(a *app) *cobra.Command {
	var user string
	var follow, asJSON bool
	cmd := &cobra.Command{
		Use:   "events",
		Short: "See what happened to sessions and accounts",
		Long: "Print the latest events of all users, the oldest first, or with --user what the\n" +
			"trail of one user holds: a line each, with tabs between the time, what happened, the\n" +
			"user, the session, who did it and why; a dash stands for what an event has not.\n" +
			"A * for user and session is everybody's. With --follow it goes on with those to come\n" +
			"until it is interrupted. Trails are off unless events.max_per_user is set. USER is an\n" +
			"ID, which may be that of a removed account, or a name.",
		Args: withUsage(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(store *redisstore.Store, _ config.Config) error {
				uid, err := trailOf(cmd.Context(), store, user)
				if err != nil {
					return err
				}
				return a.printEvents(cmd.Context(), store, uid, follow, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "those of one `USER` alone")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with those to come")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

// trailOf returns the ID of a user, who may be gone: a trail outlives its account.
func trailOf(ctx context.Context, store *redisstore.Store, idOrName string) (string, error) {
	if idOrName == "" || redisstore.ValidUserID(idOrName) {
		return idOrName, nil
	}
	user, found, err := store.UserByName(ctx, idOrName)
	if err == nil && !found {
		err = unknownUser(idOrName)
	}
	return user.ID, err
}

func (a *app) printEvents(ctx context.Context, store *redisstore.Store, uid string, follow, asJSON bool) error {
	last, wait := "", time.Duration(0)
	for ctx.Err() == nil {
		events, err := store.Events(ctx, uid, last, wait)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for _, event := range events {
			if err := printEvent(a.stdout, event, asJSON); err != nil {
				return err
			}
			last = event.ID
		}
		if len(events) == 0 {
			if !follow {
				return nil
			}
			wait = eventsPatience
		}
	}
	return nil
}

// eventTime is RFC 3339 with milliseconds.
const eventTime = "2006-01-02T15:04:05.000Z07:00"

func printEvent(w io.Writer, e redisstore.Event, asJSON bool) error {
	at := e.Time().UTC().Format(eventTime)
	if asJSON {
		return json.NewEncoder(w).Encode(eventJSON{
			Time: at, Type: string(e.Type), User: e.UserID,
			Session: optionalText(e.SessionID), Actor: string(e.Actor), Reason: optionalText(string(e.Reason)),
		})
	}
	_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", at, orDash(string(e.Type)), orDash(e.UserID),
		orDash(e.SessionID), orDash(string(e.Actor)), orDash(string(e.Reason)))
	return err
}

type eventJSON struct {
	Time    string  `json:"time"`
	Type    string  `json:"type"`
	User    string  `json:"user"`
	Session *string `json:"session"`
	Actor   string  `json:"actor"`
	Reason  *string `json:"reason"`
}
