package handlers

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/sessiond/sessiond/redisstore"
)

// deleteSession handles DELETE /users/:uid/sessions/:sid: it ends one session.
func (a *API) deleteSession(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, sid := c.userID, c.session.ID
	if !c.namesItself(r) {
		var err error
		if uid, err = a.account(r, c, toModify); err != nil {
			return err
		}
		var ok bool
		if sid, ok = sessionID(pathVar(r, "sid"), uid, c); !ok {
			return errUnknownSession
		}
	}
	ended, err := a.store.EndSessions(r.Context(), uid, []string{sid}, c.ending(uid))
	if err != nil {
		return err
	}
	if len(ended) == 0 {
		return errUnknownSession
	}
	return respond(w, http.StatusOK, sessionDeleted())
}

// deleteSessions handles DELETE /users/:uid/sessions: it ends the sessions that
// the body names, and passes over those that are none.
func (a *API) deleteSessions(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, err := a.account(r, c, toModify)
	if err != nil {
		return err
	}
	ids, err := readIDs(w, r)
	if err != nil {
		return err
	}
	var sids []string
	for _, id := range ids {
		if sid, ok := sessionID(id, uid, c); ok && !slices.Contains(sids, sid) {
			sids = append(sids, sid)
		}
	}
	dryRun := readFlag(readQuery(r), "dry-run")
	var ended []string
	if dryRun {
		ended, err = a.store.LiveSessions(r.Context(), uid, sids)
	} else {
		ended, err = a.store.EndSessions(r.Context(), uid, sids, c.ending(uid))
	}
	if err != nil {
		return err
	}
	if len(ended) == 0 {
		return errUnknownSession
	}
	return respondEnded(w, ended, dryRun)
}

// deleteAllSessions handles DELETE /users/:uid/sessions/all: it ends all
// sessions of a user, the caller's own only where that is asked for.
func (a *API) deleteAllSessions(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, err := a.account(r, c, toModify)
	if err != nil {
		return err
	}
	query := readQuery(r)
	keep := ""
	// `includeSelf` is what a published client sends.
	if uid == c.userID && !readFlag(query, "include-self") && !readFlag(query, "includeSelf") {
		keep = c.session.ID
	}
	dryRun := readFlag(query, "dry-run")
	var ended []string
	if dryRun {
		ended, err = a.otherSessions(r.Context(), uid, keep)
	} else {
		ended, err = a.store.EndAllSessions(r.Context(), uid, keep, c.ending(uid))
	}
	if err != nil {
		return err
	}
	return respondEnded(w, ended, dryRun)
}

// ending says who ends sessions of a user, and why.
func (c *caller) ending(uid string) redisstore.Ending {
	if uid != c.userID {
		return redisstore.Ending{Actor: redisstore.ByStaff(c.userID), Reason: redisstore.ReasonStaff}
	}
	return redisstore.Ending{Actor: redisstore.ByUser(c.userID), Reason: redisstore.ReasonRevoked, Own: c.session.ID}
}

// otherSessions returns what EndAllSessions would end.
func (a *API) otherSessions(ctx context.Context, uid, keep string) ([]string, error) {
	sessions, err := a.store.Sessions(ctx, uid)
	if err != nil {
		return nil, err
	}
	var sids []string
	for _, session := range sessions {
		if session.ID != keep {
			sids = append(sids, session.ID)
		}
	}
	return sids, nil
}

// respondEnded tells how many sessions were ended or, where that was all that
// was asked for, which ones would be.
func respondEnded(w http.ResponseWriter, sids []string, dryRun bool) error {
	if !dryRun {
		return respond(w, http.StatusOK, sessionsDeleted(len(sids)))
	}
	body := dryRunBody{Count: len(sids), IDs: make([]json.Number, len(sids))}
	for i, sid := range sids {
		body.IDs[i] = json.Number(sid)
	}
	return respond(w, http.StatusOK, body)
}

type dryRunBody struct {
	Count int           `json:"count"`
	IDs   []json.Number `json:"ids"`
}
