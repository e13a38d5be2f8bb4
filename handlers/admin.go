package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
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

// NewRegistry returns what /metrics tells: the figures of the parts, which are
// an API and its store, and those of the process. The metric sessiond_ready is
// asked for at each scrape, so that it is known where nothing asks /readyz. It
// panics where two parts have a metric in common.
func NewRegistry(version string, ready func(context.Context) error, parts ...prometheus.Collector) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(parts...)
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "sessiond_ready",
			Help: "1 where requests should come here, as /readyz tells, else 0.",
		}, func() float64 {
			if ready(context.Background()) != nil {
				return 0
			}
			return 1
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "sessiond_build_info",
			Help:        "Always 1; the labels tell which sessiond this is.",
			ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
		}, func() float64 { return 1 }),
	)
	return registry
}

type healthBody struct {
	Status string `json:"status"`
}
