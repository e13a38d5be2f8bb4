package handlers

import (
	"net/http"
	"slices"

	"github.com/gorilla/mux"
)

// deleteSession handles DELETE /users/:uid/sessions/:sid: it ends one session.
func (a *API) deleteSession(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, err := a.account(r, c)
	if err != nil {
		return err
	}
	sid, ok := sessionID(mux.Vars(r)["sid"], uid, c)
	if !ok {
		return errUnknownSession
	}
	ended, err := a.store.EndSessions(r.Context(), uid, []string{sid})
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
	uid, err := a.account(r, c)
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
	ended, err := a.store.EndSessions(r.Context(), uid, sids)
	if err != nil {
		return err
	}
	if len(ended) == 0 {
		return errUnknownSession
	}
	return respond(w, http.StatusOK, sessionsDeleted(len(ended)))
}

// deleteAllSessions handles DELETE /users/:uid/sessions/all: it ends all
// sessions of a user, the caller's own only where that is asked for.
func (a *API) deleteAllSessions(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, err := a.account(r, c)
	if err != nil {
		return err
	}
	query := readQuery(r)
	keep := ""
	// `includeSelf` is what a published client sends.
	if uid == c.userID && !readFlag(query, "include-self") && !readFlag(query, "includeSelf") {
		keep = c.session.ID
	}
	ended, err := a.store.EndAllSessions(r.Context(), uid, keep)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, sessionsDeleted(len(ended)))
}
