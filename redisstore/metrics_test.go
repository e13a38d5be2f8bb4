package redisstore_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
)

// measured is a store and what it tells Prometheus.
type measured struct {
	*redisstore.Store
	rdb      redis.UniversalClient
	registry *prometheus.Registry
}

func measure(t *testing.T, c config.Redis) measured {
	t.Helper()
	return measureClient(t, redisstore.Connect(c), c.Timeout)
}

func measureClient(t *testing.T, rdb redis.UniversalClient, timeout time.Duration) measured {
	t.Helper()
	limit := config.Limit{Requests: 1000, Window: time.Minute}
	store := redisstore.New(rdb, redisstore.Options{Timeout: timeout, MaxSessions: 10, LoginLimit: limit, APILimit: limit})
	t.Cleanup(func() { _ = store.Close() })
	registry := prometheus.NewRegistry()
	if err := registry.Register(store); err != nil {
		t.Fatal(err)
	}
	return measured{Store: store, rdb: rdb, registry: registry}
}

// tell returns a metric's values by its one label: counts where it is a
// histogram.
func (m measured) tell(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			label := ""
			for _, pair := range metric.GetLabel() {
				label += pair.GetValue()
			}
			values[label] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue() +
				float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// moved returns which of a metric's values a call changes, and by how much.
func (m measured) moved(t *testing.T, name string, call func(context.Context)) map[string]float64 {
	t.Helper()
	before := m.tell(t, name)
	call(t.Context())
	moved := map[string]float64{}
	for label, value := range m.tell(t, name) {
		if value != before[label] {
			moved[label] = value - before[label]
		}
	}
	return moved
}

const (
	commandDurations = "sessiond_redis_command_duration_seconds"
	redisErrors      = "sessiond_redis_errors_total"
	poolConnections  = "sessiond_redis_pool_connections"
	poolWaits        = "sessiond_redis_pool_waits_total"

	patient = 20 * time.Second
)

func standalone(server *redistest.Server) config.Redis {
	return config.Redis{Mode: config.ModeStandalone, Addresses: []string{server.Addr()}, Timeout: patient}
}

func TestMetricsOfCommands(t *testing.T) {
	t.Parallel()
	m := measure(t, standalone(redistest.Start(t)))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	charge := func(ctx context.Context) {
		_, err := m.ChargeAddress(ctx, "192.0.2.1")
		must(err)
	}
	// The first exchange of each kind opens its connection, which sends
	// commands of its own.
	must(m.Ping(t.Context()))
	charge(t.Context())

	tests := []struct {
		name string
		call func(context.Context)
		want map[string]float64
	}{
		{"ping", func(ctx context.Context) { must(m.Ping(ctx)) }, map[string]float64{"ping": 1}},
		{"pipeline", charge, map[string]float64{"pipeline": 1}},
		{"upper case", func(ctx context.Context) { must(m.rdb.Do(ctx, "PING").Err()) }, map[string]float64{"ping": 1}},
		{"any other", func(ctx context.Context) { must(m.rdb.Echo(ctx, "x").Err()) }, map[string]float64{"other": 1}},
		{"a script", func(ctx context.Context) {
			must(m.rdb.ScriptFlush(ctx).Err())
			must(m.TouchSession(ctx, "1700000000000", "1700000000001"))
		}, map[string]float64{"other": 1, "evalsha": 1, "eval": 1}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, m.moved(t, commandDurations, test.call)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	// A script that had to be sent whole, or a key that is not there, is none.
	if _, found, err := m.UserByName(t.Context(), "nobody"); err != nil || found {
		t.Fatal(found, err)
	}
	for kind, count := range m.tell(t, redisErrors) {
		if count != 0 {
			t.Errorf("%v errors of kind %s", count, kind)
		}
	}
}

func TestMetricsOnCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	m := measure(t, config.Redis{Mode: config.ModeCluster, Addresses: cluster.Addrs(), Timeout: patient})
	charge := func(ctx context.Context) {
		if _, err := m.ChargeAddress(ctx, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	charge(t.Context())
	want := map[string]float64{"pipeline": 1}
	if diff := cmp.Diff(want, m.moved(t, commandDurations, charge)); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	connections := m.tell(t, poolConnections)
	if connections["idle"]+connections["in_use"] == 0 {
		t.Errorf("no connections to the cluster: %v", connections)
	}
}

// Each kind of error by a Redis that really answers with it.
func TestMetricsOfErrors(t *testing.T) {
	t.Parallel()
	const uid, sid = "1700000000000", "1700000000001"
	tests := map[string]struct {
		arguments []string
		timeout   time.Duration
		breakIt   func(*redistest.Server)
	}{
		"timeout":    {timeout: 50 * time.Millisecond, breakIt: func(s *redistest.Server) { s.Freeze() }},
		"connection": {breakIt: func(s *redistest.Server) { s.Kill() }},
		"wrongtype":  {breakIt: func(s *redistest.Server) { s.CLI("set", "session:{"+uid+"}:"+sid, "x") }},
		"oom":        {breakIt: func(s *redistest.Server) { s.CLI("config", "set", "maxmemory", "1") }},
		"readonly":   {breakIt: func(s *redistest.Server) { s.CLI("replicaof", "127.0.0.1", "1") }},
		"replicas":   {breakIt: func(s *redistest.Server) { s.CLI("config", "set", "min-replicas-to-write", "1") }},
		"cluster":    {arguments: []string{"--cluster-enabled", "yes"}, timeout: time.Second},
		"auth":       {breakIt: func(s *redistest.Server) { s.CLI("acl", "setuser", "default", "-incr") }},
	}
	for kind, test := range tests {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, test.arguments...)
			c := standalone(server)
			if test.timeout > 0 {
				c.Timeout = test.timeout
			}
			m := measure(t, c)
			if test.breakIt != nil {
				test.breakIt(server)
			}
			moved := m.moved(t, redisErrors, func(ctx context.Context) {
				if _, err := m.Authenticate(ctx, bearer(uid, sid), "192.0.2.1"); err == nil {
					t.Error("no error")
				}
			})
			if len(moved) != 1 || moved[kind] == 0 {
				t.Errorf("errors %v, want some of kind %s and of no other", moved, kind)
			}
		})
	}
}

// A client that leaves is no error of Redis.
func TestMetricsOfCancelledCommand(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := measure(t, standalone(server))
	moved := m.moved(t, redisErrors, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if err := m.Ping(ctx); err == nil {
			t.Error("no error")
		}
	})
	if len(moved) != 0 {
		t.Errorf("errors %v, want none", moved)
	}
}

func TestMetricsOfPool(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{
		Addr: server.Addr(), PoolSize: 2, MaxRetries: -1, ContextTimeoutEnabled: true,
		ReadTimeout: patient, PoolTimeout: patient,
	})
	m := measureClient(t, client, patient)

	server.Freeze()
	var pings sync.WaitGroup
	ping := func() {
		if err := m.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	pings.Go(ping)
	pings.Go(ping)
	redistest.Eventually(t, "both connections to be in use", func() bool {
		return m.tell(t, poolConnections)["in_use"] == 2 && client.PoolStats().PendingRequests == 0
	})
	pings.Go(ping)
	redistest.Eventually(t, "the third command to wait", func() bool {
		return client.PoolStats().PendingRequests == 1
	})
	server.Thaw()
	pings.Wait()
	want := map[string]float64{"in_use": 0, "idle": 2}
	if diff := cmp.Diff(want, m.tell(t, poolConnections)); diff != "" {
		t.Errorf("connections (-want +got):\n%s", diff)
	}
	if got := m.tell(t, poolWaits)[""]; got != 1 {
		t.Errorf("%v waits for a connection, want 1: the third command's", got)
	}
}

func TestMetricsDescribeThemselves(t *testing.T) {
	t.Parallel()
	// The registry checks what is collected against what was described.
	m := measure(t, standalone(redistest.Start(t)))
	pedantic := prometheus.NewPedanticRegistry()
	if err := pedantic.Register(m.Store); err != nil {
		t.Fatal(err)
	}
	gathered, err := pedantic.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range gathered {
		if !strings.HasPrefix(family.GetName(), "sessiond_redis_") || family.GetHelp() == "" {
			t.Errorf("metric %q, help %q", family.GetName(), family.GetHelp())
		}
	}
	if len(gathered) != 5 {
		t.Errorf("%d metrics, want 5", len(gathered))
	}
}
