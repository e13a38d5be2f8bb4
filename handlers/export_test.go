package handlers

import (
	"fmt"
	"net/http"

	"github.com/gorilla/mux"
)

// Routes are the methods and path templates of all endpoints, each as
// "GET /path". HEAD goes with GET and is left out.
func (a *API) Routes() ([]string, error) {
	router, ok := a.routes().(*mux.Router)
	if !ok {
		return nil, fmt.Errorf("the routes are a %T", a.routes())
	}
	var all []string
	err := router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
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
