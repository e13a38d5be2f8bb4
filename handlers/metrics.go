package handlers

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sessiond/sessiond/redisstore"
)

// Every label has a fixed set of values: what clients make up, and whom a
// request is about, is in none. Who could choose a label's value could fill the
// memory of every Prometheus that looks.
const (
	loginCreated       = "created"
	loginWrongPassword = "wrong_password"
	loginUnknownUser   = "unknown_user"
	loginBanned        = "banned"
	loginRateLimited   = "rate_limited"
	loginBusy          = "busy"
	loginLiveSession   = "live_session"
	loginBadRequest    = "bad_request"
	loginAbandoned     = "abandoned"
	loginError         = "error"

	tokenLive      = "live"
	tokenDead      = "dead"
	tokenBanned    = "banned"
	tokenInvalid   = "invalid"
	tokenNone      = "none"
	tokenAbandoned = "abandoned"
	tokenError     = "error"

	limitOfLogin   = "login"
	limitOfUser    = "api_user"
	limitOfAddress = "api_ip"
)

// statusAbandoned is what logs and metrics say of a request whose client left
// before the answer. The number is nginx's; counted as 500 such requests would
// page an operator for other people's networks.
const statusAbandoned = 499

// metrics counts what the API does.
type metrics struct {
	requests    *prometheus.CounterVec
	durations   *prometheus.HistogramVec
	logins      *prometheus.CounterVec
	tokenChecks *prometheus.CounterVec
	rateLimited *prometheus.CounterVec

	// requestSeries remembers the series of requests and durations that a kind
	// of request counts in: to look both up by their labels costs ten times as
	// much as to count.
	requestSeries sync.Map // requestKind to requestSeries

	// gauges are read from other parts whenever somebody looks.
	gauges []prometheus.Collector
}

func newMetrics(passwords Passwords, verifier Verifier) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessiond_http_requests_total",
			Help: "Requests answered, by the route's template, method and status; 499 is a client that left before the answer.",
		}, []string{"route", "method", "code"}),
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sessiond_http_request_duration_seconds",
			Help: "Time from the end of a request's headers until its answer was written.",
			// A token check takes less than a millisecond, a login a quarter of
			// a second and, with a queue to wait in, some seconds.
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5},
		}, []string{"route", "method"}),
		logins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessiond_logins_total",
			Help: "Attempts to log in, by what became of them.",
		}, []string{"outcome"}),
		tokenChecks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessiond_token_checks_total",
			Help: "Requests to endpoints other than the login, by what their token turned out to be.",
		}, []string{"verdict"}),
		rateLimited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessiond_rate_limited_total",
			Help: "Requests refused because their allowance was used up, by limit.",
		}, []string{"limit"}),
		gauges: []prometheus.Collector{
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "sessiond_password_hash_waiting",
				Help: "Passwords that wait for a place to be hashed.",
			}, func() float64 { return float64(passwords.Waiting()) }),
			signatureCache("hit", func() uint64 { return verifier.CacheStats().Hits }),
			signatureCache("miss", func() uint64 { return verifier.CacheStats().Misses }),
		},
	}
	// A counter that is not there before its first event has no rate at that
	// event, which is the one that alerts wait for.
	initialize(m.logins, loginCreated, loginWrongPassword, loginUnknownUser, loginBanned, loginRateLimited,
		loginBusy, loginLiveSession, loginBadRequest, loginAbandoned, loginError)
	initialize(m.tokenChecks, tokenLive, tokenDead, tokenBanned, tokenInvalid, tokenNone, tokenAbandoned, tokenError)
	initialize(m.rateLimited, limitOfLogin, limitOfUser, limitOfAddress)
	return m
}

func signatureCache(result string, count func() uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name:        "sessiond_signature_cache_total",
		Help:        "Tokens whose signature was known to be good (hit) or had to be verified (miss).",
		ConstLabels: prometheus.Labels{"result": result},
	}, func() float64 { return float64(count()) })
}

func initialize(counters *prometheus.CounterVec, values ...string) {
	for _, value := range values {
		counters.WithLabelValues(value)
	}
}

func (m *metrics) collectors() []prometheus.Collector {
	return append([]prometheus.Collector{m.requests, m.durations, m.logins, m.tokenChecks, m.rateLimited}, m.gauges...)
}

// Describe implements prometheus.Collector.
func (a *API) Describe(descs chan<- *prometheus.Desc) {
	for _, c := range a.metrics.collectors() {
		c.Describe(descs)
	}
}

// Collect implements prometheus.Collector: what the API has counted since New.
func (a *API) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range a.metrics.collectors() {
		c.Collect(metrics)
	}
}

// requestKind is the labels of a request.
type requestKind struct {
	route, method string
	status        int
}

type requestSeries struct {
	count    prometheus.Counter
	duration prometheus.Observer
}

// request counts a request that has been answered.
func (m *metrics) request(kind requestKind, duration time.Duration) {
	known, ok := m.requestSeries.Load(kind)
	if !ok {
		known, _ = m.requestSeries.LoadOrStore(kind, requestSeries{
			count:    m.requests.WithLabelValues(kind.route, kind.method, strconv.Itoa(kind.status)),
			duration: m.durations.WithLabelValues(kind.route, kind.method),
		})
	}
	if series, ok := known.(requestSeries); ok {
		series.count.Inc()
		series.duration.Observe(duration.Seconds())
	}
}

// countLogins counts by outcome what the login answers.
func (a *API) countLogins(next handlerFunc) handlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		err := next(w, r)
		a.metrics.logins.WithLabelValues(loginOutcome(r.Context(), err)).Inc()
		return err
	}
}

func loginOutcome(ctx context.Context, err error) string {
	var known *apiError
	switch {
	case err == nil:
		return loginCreated
	case errors.Is(err, errInvalidPassword):
		return loginWrongPassword
	case errors.Is(err, errUnknownUser):
		return loginUnknownUser
	case errors.Is(err, errBanned):
		return loginBanned
	case errors.Is(err, errInvalidSession):
		return loginLiveSession
	case errors.Is(err, errHashingBusy):
		return loginBusy
	case errors.As(err, &known) && known.status == http.StatusTooManyRequests:
		return loginRateLimited
	case known != nil:
		return loginBadRequest
	case ctx.Err() != nil:
		return loginAbandoned
	default:
		return loginError
	}
}

// unsigned counts a request whose token, if any, no key of ours signed.
func (m *metrics) unsigned(r *http.Request) {
	verdict := tokenInvalid
	if len(r.Header.Values("Authorization")) == 0 {
		verdict = tokenNone
	}
	m.tokenChecks.WithLabelValues(verdict).Inc()
}

// checked counts a request whose token the store was asked about.
func (m *metrics) checked(ctx context.Context, access redisstore.Access, err error) {
	m.tokenChecks.WithLabelValues(tokenVerdict(ctx, access, err)).Inc()
}

func tokenVerdict(ctx context.Context, access redisstore.Access, err error) string {
	switch {
	case err != nil && ctx.Err() != nil:
		return tokenAbandoned
	case err != nil:
		return tokenError
	case !access.Live:
		return tokenDead
	case access.Banned:
		return tokenBanned
	default:
		return tokenLive
	}
}

// refused counts a request that was over the limit of its user or, where no
// live session told which, of its address.
func (m *metrics) refused(c *caller) {
	limit := limitOfAddress
	if c != nil {
		limit = limitOfUser
	}
	m.rateLimited.WithLabelValues(limit).Inc()
}
