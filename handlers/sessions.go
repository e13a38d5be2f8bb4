package handlers

import (
	"encoding/json"
	"net/http"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens/strictjson"
)

// getSession handles GET /users/:uid/sessions/:sid: it shows one session.
func (a *API) getSession(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, err := a.account(r, c, toRead)
	if err != nil {
		return err
	}
	sid, ok := sessionID(pathVar(r, "sid"), uid, c)
	if !ok {
		return errUnknownSession
	}
	// The token check has just read the caller's own.
	if c.is(uid, sid) {
		return respond(w, http.StatusOK, newSessionBody(c.session, true))
	}
	session, found, err := a.store.Session(r.Context(), uid, sid)
	if err != nil {
		return err
	}
	if !found {
		return errUnknownSession
	}
	return respond(w, http.StatusOK, newSessionBody(session, c.is(uid, sid)))
}

// listSessions handles GET /users/:uid/sessions: it shows a page of a user's
// sessions, newest first.
func (a *API) listSessions(w http.ResponseWriter, r *http.Request, c *caller) error {
	uid, err := a.account(r, c, toRead)
	if err != nil {
		return err
	}
	if readFlag(readQuery(r), "full") {
		sessions, err := a.store.FullSessions(r.Context(), uid)
		if err != nil {
			return err
		}
		return respond(w, http.StatusOK, newListBody(readPage(r), sessions, func(s redisstore.Session) sessionBody {
			return newSessionBody(s, c.is(uid, s.ID))
		}))
	}
	sessions, err := a.store.Sessions(r.Context(), uid)
	if err != nil {
		return err
	}
	return respond(w, http.StatusOK, newListBody(readPage(r), sessions, func(s redisstore.SessionName) sessionItem {
		return sessionItem{ID: json.Number(s.ID), Name: s.Name}
	}))
}

// renameSession handles PUT /users/:uid/sessions/:sid/name: it gives a session
// another name and shows it.
func (a *API) renameSession(w http.ResponseWriter, r *http.Request, c *caller) error {
	ctx := r.Context()
	uid, err := a.account(r, c, toModify)
	if err != nil {
		return err
	}
	members, err := readObject(w, r)
	if err != nil {
		return err
	}
	name, ok := readSessionName(members["name"])
	if !ok {
		return errMissingFields("name")
	}
	sid, ok := sessionID(pathVar(r, "sid"), uid, c)
	if !ok {
		return errUnknownSession
	}
	renamed, err := a.store.RenameSession(ctx, uid, sid, name)
	if err != nil {
		return err
	}
	if !renamed {
		return errUnknownSession
	}
	session, found, err := a.store.Session(ctx, uid, sid)
	if err != nil {
		return err
	}
	if !found {
		return errUnknownSession
	}
	return respond(w, http.StatusOK, newSessionBody(session, c.is(uid, sid)))
}

// readSessionName reads a name that is there even after cleaning.
func readSessionName(raw json.RawMessage) (string, bool) {
	text, _ := strictjson.String(raw)
	name := CleanSessionName(text)
	return name, name != ""
}
