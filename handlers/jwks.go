package handlers

import "net/http"

// jwks handles GET /.well-known/jwks.json: it shows the public keys, so that
// others can verify tokens by themselves (RFC 7517). A signature alone does not
// tell that its session still lives. Keys that will sign soon are among them,
// so a client that asks again within tokens.activation_delay, or whenever it
// meets an unknown kid, always has the one it needs.
func (a *API) jwks(w http.ResponseWriter, _ *http.Request, _ *caller) error {
	return respond(w, http.StatusOK, a.verifier.JWKS())
}
