package handlers

import (
	"net/http"

	"github.com/gorilla/mux"
)

// Routes are the methods and path templates of all endpoints, each as
// "GET /path". HEAD goes with GET and is left out.
func (a *API) Routes() ([]string, error) {
	var all []string
	err := a.routes().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if err != nil {
			return err
		}
		for _, method := range methods {
			if method != http.MethodHead {
				all = append(all, method+" "+path)
			}
		}
		return nil
	})
	return all, err
}
