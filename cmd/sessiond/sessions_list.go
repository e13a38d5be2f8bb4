package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

func newSessionsListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list USER",
		Short: "List a user's live sessions, the newest first",
		Long: "List a user's live sessions, the newest first: ID, name, times of creation, expiry\n" +
			"and last use (to the minute; a dash before the first), and the address of the login\n" +
			"(a dash where it is not known). On a terminal that is a table with a head, elsewhere\n" +
			"a line each with tabs between. USER is an ID or a name.",
		Args: withUsage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withUser(cmd.Context(), args[0], func(store *redisstore.Store, user redisstore.User, _ config.Config) error {
				sessions, err := store.FullSessions(cmd.Context(), user.ID)
				if err != nil {
					return err
				}
				if asJSON {
					return printSessionsJSON(a.stdout, sessions)
				}
				_, isTerminal := asTerminal(a.stdout)
				return printSessions(a.stdout, sessions, isTerminal)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}

func printSessions(w io.Writer, sessions []redisstore.Session, asTable bool) error {
	rows := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if asTable {
		_, _ = fmt.Fprintln(rows, "ID\tNAME\tCREATED\tEXPIRES\tLAST USED\tADDRESS")
	}
	var plain strings.Builder
	for _, s := range sessions {
		line := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\n", shown(s.ID), shown(s.Name),
			shownTime(s.CreatedAt), shownTime(s.ExpiresAt), shownTime(s.UsedAt), orDash(s.IP))
		plain.WriteString(line)
		_, _ = io.WriteString(rows, line)
	}
	if asTable {
		return rows.Flush()
	}
	_, err := io.WriteString(w, plain.String())
	return err
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return shown(text)
}

// printSessionsJSON has the API's names and formats.
func printSessionsJSON(w io.Writer, sessions []redisstore.Session) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, s := range sessions {
		err := encoder.Encode(sessionJSON{
			ID: json.Number(s.ID), Name: s.Name, Exp: s.ExpiresAt.Unix(), PermissionFlags: s.PermissionFlags,
			UsedAt: optionalTime(s.UsedAt), CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(),
			IP: optionalText(s.IP), UserAgent: optionalText(s.UserAgent),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type sessionJSON struct {
	ID              json.Number `json:"id"`
	Name            string      `json:"name"`
	Exp             int64       `json:"exp"`
	PermissionFlags *int64      `json:"permissionFlags"`
	UsedAt          *time.Time  `json:"usedAt"`
	CreatedAt       time.Time   `json:"createdAt"`
	UpdatedAt       time.Time   `json:"updatedAt"`
	IP              *string     `json:"ip"`
	UserAgent       *string     `json:"userAgent"`
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func optionalText(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
