package handlers_test

import (
	"net/http"
	"testing"
)

// The whole life of a session, end to end.
func TestLoginUseLogoutRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	user := r.addUser("ada")

	token := r.login("Ada ", "X-Session-Name", "Ada's laptop")
	got := r.get(token, "/users/me/sessions/me")
	got.is(t, http.StatusOK, "")
	if name := got.field(t, "name"); name != "Ada's laptop" {
		t.Errorf("name %q", name)
	}
	sid := got.field(t, "id")
	r.get(token, "/users/"+user.ID+"/sessions/"+sid).is(t, http.StatusOK, "")

	r.delete(token, "/users/me/sessions/me").is(t, http.StatusOK, "DELETE_SESSION_SUCCESS")
	r.get(token, "/users/me/sessions/me").is(t, http.StatusUnauthorized, "INVALID_SESSION_ERROR")
	r.service.replica().get("Bearer "+token, "/users/me/sessions").is(t, http.StatusUnauthorized, "INVALID_SESSION_ERROR")
}
