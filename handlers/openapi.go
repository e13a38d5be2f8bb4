package handlers

import (
	"net/http"
)

// openAPI handles GET /openapi.json: it tells programs what the API is.
func (a *API) openAPI(w http.ResponseWriter, _ *http.Request, _ *caller) error {
	return respond(w, http.StatusOK, a.document)
}

// docs handles GET /docs and GET /docs/:file: it shows people what the API is.
func (a *API) docs(w http.ResponseWriter, r *http.Request, _ *caller) error {
	found, err := a.docsPage.Serve(w, r, pathVar(r, "file"))
	if err != nil {
		return err
	}
	if !found {
		return errInvalidEndpoint
	}
	return nil
}
