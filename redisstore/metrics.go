package redisstore

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// metrics measures what goes to Redis: it is a hook around every exchange of
// the client, and reads the client's pool whenever somebody looks.
type metrics struct {
	durations *prometheus.HistogramVec
	errors    *prometheus.CounterVec
	// eventsLost counts those that never got to the stream of all users.
	eventsLost prometheus.Counter
	pool       pool

	// The token check passes here, so its observer is no look-up.
	pipeline prometheus.Observer
	other    prometheus.Observer
	commands map[string]prometheus.Observer
}

// measuredCommands are those that the service sends by themselves. Further ones
// are counted together as "other": they are the CLI's, or a handshake's.
var measuredCommands = []string{"config", "eval", "evalsha", "get", "hmget", "ping", "time", "xadd"}

func newMetrics(rdb redis.UniversalClient) *metrics {
	m := &metrics{
		durations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "sessiond_redis_command_duration_seconds",
			Help: "Time that a command or a pipeline took, the wait for a connection included.",
			// From what loopback takes to twice the default redis.timeout.
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2},
		}, []string{"command"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sessiond_redis_errors_total",
			Help: "Commands and pipelines that failed, by kind of error.",
		}, []string{"kind"}),
		eventsLost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sessiond_redis_events_lost_total",
			Help: "Events that did not get to the stream of all users.",
		}),
		pool:     newPool(rdb),
		commands: make(map[string]prometheus.Observer, len(measuredCommands)),
	}
	m.pipeline = m.durations.WithLabelValues("pipeline")
	m.other = m.durations.WithLabelValues("other")
	for _, command := range measuredCommands {
		m.commands[command] = m.durations.WithLabelValues(command)
	}
	// A counter that is not there before its first event has no rate at that
	// event, which is the one that alerts wait for.
	for _, kind := range errorKinds {
		m.errors.WithLabelValues(kind)
	}
	return m
}

// Describe implements prometheus.Collector.
func (s *Store) Describe(descs chan<- *prometheus.Desc) {
	s.metrics.durations.Describe(descs)
	s.metrics.errors.Describe(descs)
	s.metrics.eventsLost.Describe(descs)
	s.metrics.pool.Describe(descs)
}

// Collect implements prometheus.Collector: what the store has asked of Redis
// since New, and its connections at this moment.
func (s *Store) Collect(metrics chan<- prometheus.Metric) {
	s.metrics.durations.Collect(metrics)
	s.metrics.errors.Collect(metrics)
	s.metrics.eventsLost.Collect(metrics)
	s.metrics.pool.Collect(metrics)
}

// DialHook implements redis.Hook. A failure to connect is the error of the
// command that wanted the connection, and is counted there.
func (m *metrics) DialHook(next redis.DialHook) redis.DialHook {
	return next
}

// ProcessHook implements redis.Hook.
func (m *metrics) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		start := time.Now()
		err := next(ctx, cmd)
		observer, found := m.commands[cmd.Name()]
		if !found {
			observer = m.other
		}
		observer.Observe(time.Since(start).Seconds())
		m.count(errorKind(err))
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (m *metrics) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		start := time.Now()
		err := next(ctx, cmds)
		observer := m.pipeline
		// What the publisher sends, nobody waits for.
		if len(cmds) > 0 && cmds[0].Name() == "xadd" {
			observer = m.commands["xadd"]
		}
		observer.Observe(time.Since(start).Seconds())
		// A lost connection is the error of all commands, and is one.
		last := ""
		for _, cmd := range cmds {
			if kind := errorKind(cmd.Err()); kind != last {
				m.count(kind)
				last = kind
			}
		}
		return err
	}
}

func (m *metrics) count(kind string) {
	if kind != "" {
		m.errors.WithLabelValues(kind).Inc()
	}
}

// Kinds of errors, by what an operator would look at.
const (
	kindTimeout    = "timeout"    // Redis did not answer in time
	kindConnection = "connection" // refused, reset, closed, no route
	kindPool       = "pool"       // every connection was busy for too long
	kindLoading    = "loading"    // Redis reads its data set after a start
	kindReadOnly   = "readonly"   // a replica answered
	kindCluster    = "cluster"    // slots without a node, or on the move
	kindReplicas   = "replicas"   // too few have, or would have, what was written
	kindOOM        = "oom"        // maxmemory is reached
	kindAuth       = "auth"       // wrong password, or forbidden by an ACL
	kindWrongType  = "wrongtype"  // a key of ours holds something else
	kindOther      = "other"
)

var errorKinds = []string{
	kindTimeout, kindConnection, kindPool, kindLoading, kindReadOnly, kindCluster, kindReplicas,
	kindOOM, kindAuth, kindWrongType, kindOther,
}

// replyKinds maps what Redis begins an error with.
var replyKinds = map[string]string{
	"LOADING":     kindLoading,
	"READONLY":    kindReadOnly,
	"MASTERDOWN":  kindReadOnly,
	"CLUSTERDOWN": kindCluster,
	"TRYAGAIN":    kindCluster,
	"MOVED":       kindCluster,
	"ASK":         kindCluster,
	"NOREPLICAS":  kindReplicas,
	"OOM":         kindOOM,
	"NOAUTH":      kindAuth,
	"WRONGPASS":   kindAuth,
	"NOPERM":      kindAuth,
	"WRONGTYPE":   kindWrongType,
	// Not an error: the script is sent whole and runs then, see Store.run.
	"NOSCRIPT": "",
}

// errorKind is empty for what is no error of Redis: a key that is not there, a
// client that left.
func errorKind(err error) string {
	if err == nil || errors.Is(err, redis.Nil) || errors.Is(err, context.Canceled) {
		return ""
	}
	if reply, ok := errors.AsType[redis.Error](err); ok {
		return replyKind(reply.Error())
	}
	if errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return kindPool
	}
	var network net.Error
	if errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &network) && network.Timeout()) {
		return kindTimeout
	}
	// What is left are the ways in which a connection is refused or lost.
	return kindConnection
}

func replyKind(text string) string {
	code, _, _ := strings.Cut(text, " ")
	kind, known := replyKinds[code]
	if !known {
		return kindOther
	}
	return kind
}

// pool tells of the client's connections, those of all nodes together.
type pool struct {
	rdb                redis.UniversalClient
	connections, waits *prometheus.Desc
}

func newPool(rdb redis.UniversalClient) pool {
	return pool{
		rdb: rdb,
		connections: prometheus.NewDesc("sessiond_redis_pool_connections",
			"Connections to Redis.", []string{"state"}, nil),
		waits: prometheus.NewDesc("sessiond_redis_pool_waits_total",
			"Commands that had to wait for a connection because all were in use.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (p pool) Describe(descs chan<- *prometheus.Desc) {
	descs <- p.connections
	descs <- p.waits
}

// Collect implements prometheus.Collector.
func (p pool) Collect(metrics chan<- prometheus.Metric) {
	stats := p.rdb.PoolStats()
	total, idle, waits := stats.TotalConns, stats.IdleConns, stats.WaitCount
	// Pipelines have a pool of their own, from which they spill into the first.
	if pipelines := stats.PipelineStats; pipelines != nil {
		total += pipelines.TotalConns
		idle += pipelines.IdleConns
		waits += pipelines.WaitCount
	}
	// The two are not read at one moment.
	inUse := max(int64(total)-int64(idle), 0)
	metrics <- prometheus.MustNewConstMetric(p.connections, prometheus.GaugeValue, float64(idle), "idle")
	metrics <- prometheus.MustNewConstMetric(p.connections, prometheus.GaugeValue, float64(inUse), "in_use")
	metrics <- prometheus.MustNewConstMetric(p.waits, prometheus.CounterValue, float64(waits))
}
