package handlers

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/rs/cors"

	"github.com/sessiond/sessiond/redisstore"
)

// wrap puts around the router what every answer needs, the router's own 404
// included.
func (a *API) wrap(router http.Handler) http.Handler {
	h := a.cors(router)
	h = a.recoverPanics(h)
	h = noStore(h)
	return a.observe(h)
}

// noStore keeps answers, tokens among them, out of every cache, and keeps
// browsers from taking them for anything but JSON.
func noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Values that are shared, under keys in the canonical form: with Set, each
		// request would allocate the one and have to find the other.
		h := w.Header()
		h["Cache-Control"], h["X-Content-Type-Options"] = noStoreValue, noSniffValue
		next.ServeHTTP(w, r)
	})
}

// Slices of capacity 1, so that Header.Add copies them.
var (
	noStoreValue = []string{"no-store"}
	noSniffValue = []string{"nosniff"}
	jsonValue    = []string{"application/json; charset=utf-8"}
)

// cors lets scripts of the configured origins read answers. Preflights are
// answered here: they bear no token, and reach no Redis.
func (a *API) cors(next http.Handler) http.Handler {
	// The library takes an empty list for "all".
	if len(a.options.CORSOrigins) == 0 {
		return next
	}
	return cors.New(cors.Options{
		AllowedOrigins: a.options.CORSOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete},
		AllowedHeaders: []string{"Authorization", "Content-Type", "X-Session-Name"},
		ExposedHeaders: []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"},
		MaxAge:         600,
	}).Handler(next)
}

// requestInfo is what is known of a request beside what it says itself. Log and
// metrics tell of it; handlers fill it in.
type requestInfo struct {
	clientIP netip.Addr
	// route is the template of the path, vars what the path has in its place.
	route  string
	vars   map[string]string
	userID string
	// abandoned tells that the client left before the answer.
	abandoned bool
}

type requestInfoKey struct{}

// infoOf returns the request's info; observe has put it there.
func infoOf(ctx context.Context) *requestInfo {
	info, _ := ctx.Value(requestInfoKey{}).(*requestInfo)
	return info
}

// observe counts each request and writes one line about it. Both tell the route
// and not the path, which holds what its client made up.
func (a *API) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		info := &requestInfo{clientIP: a.clients.of(r), route: "unknown"}
		r = r.WithContext(redisstore.WithBudget(context.WithValue(r.Context(), requestInfoKey{}, info)))
		recorder := &statusRecorder{ResponseWriter: w}
		next.ServeHTTP(recorder, r)

		end, method, status := time.Now(), methodLabel(r.Method), recorder.status()
		if info.abandoned {
			status = statusAbandoned
		}
		duration := end.Sub(start)
		a.metrics.request(requestKind{info.route, method, status}, duration)
		if !a.log.Enabled(r.Context(), slog.LevelInfo) {
			return
		}
		// Made by hand: the logger's own methods would look up which line of
		// which file is logging.
		record := slog.NewRecord(end, slog.LevelInfo, "request", 0)
		record.AddAttrs(
			slog.String("method", method),
			slog.String("route", info.route),
			slog.Int("status", status),
			slog.Float64("duration_ms", float64(duration.Microseconds())/1000),
			slog.String("user", info.userID),
			slog.String("ip", info.clientIP.String()))
		_ = a.log.Handler().Handle(r.Context(), record)
	})
}

// methodLabel keeps methods that clients make up out of logs and metrics.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	default:
		return "other"
	}
}

// statusRecorder remembers the status of a response.
type statusRecorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader notes the first status, which is the one that is sent.
func (s *statusRecorder) WriteHeader(code int) {
	if s.code == 0 {
		s.code = code
	}
	s.ResponseWriter.WriteHeader(code)
}

// Write sends the status 200 where none was, like every ResponseWriter.
func (s *statusRecorder) Write(data []byte) (int, error) {
	if s.code == 0 {
		s.code = http.StatusOK
	}
	return s.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *statusRecorder) Unwrap() http.ResponseWriter {
	return s.ResponseWriter
}

func (s *statusRecorder) status() int {
	if s.code == 0 {
		return http.StatusOK
	}
	return s.code
}
