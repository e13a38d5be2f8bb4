package handlers

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewAdmin returns what operators and their tools ask for, on an address that
// is never public. ready tells whether requests should come this way.
//
//	/healthz  the process runs
//	/readyz   it wants requests: Redis answers, and no shutdown is under way
//	/metrics  figures for Prometheus
func NewAdmin(ready func(context.Context) error, metrics prometheus.Gatherer, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_ = respond(w, http.StatusOK, healthBody{Status: "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := ready(r.Context()); err != nil {
			log.WarnContext(r.Context(), "not ready", slog.Any("error", err))
			_ = respond(w, http.StatusServiceUnavailable, healthBody{Status: "not ready"})
			return
		}
		_ = respond(w, http.StatusOK, healthBody{Status: "ok"})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{}))
	return noStore(mux)
}

type healthBody struct {
	Status string `json:"status"`
}
