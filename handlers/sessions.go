package handlers

import (
	"encoding/json"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/sessiond/sessiond/redisstore"
)

// getSession handles GET /users/:uid/sessions/:sid: it shows one session.
func (a *API) getSession(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, err := a.account(r, c)
	if err != nil {
		return err
	}
	sid, ok := sessionID(mux.Vars(r)["sid"], uid, c)
	if !ok {
		return errUnknownSession
	}
	// The token check has just read the caller's own.
	if uid == c.userID && sid == c.session.ID {
		return respond(w, http.StatusOK, newSessionBody(c.session))
	}
	session, found, err := a.store.Session(r.Context(), uid, sid)
	if err != nil {
		return err
	}
	if !found {
		return errUnknownSession
	}
	return respond(w, http.StatusOK, newSessionBody(session))
}

// listSessions handles GET /users/:uid/sessions: it shows a page of a user's
// sessions, newest first.
func (a *API) listSessions(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, err := a.account(r, c)
	if err != nil {
		return err
	}
	sessions, err := a.store.Sessions(r.Context(), uid)
	if err != nil {
		return err
	}
	body := listBody[sessionItem]{Count: len(sessions), Items: []sessionItem{}}
	for _, session := range readPage(r).of(sessions) {
		body.Items = append(body.Items, sessionItem{ID: json.Number(session.ID), Name: session.Name})
	}
	return respond(w, http.StatusOK, body)
}

func (p page) of(sessions []redisstore.SessionName) []redisstore.SessionName {
	from := min(p.offset, len(sessions))
	return sessions[from:min(from+p.limit, len(sessions))]
}
