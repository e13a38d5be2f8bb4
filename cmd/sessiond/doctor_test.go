package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

const (
	doctorIndex = "sessions:{1700000000000}"
	doctorOne   = "session:{1700000000000}:1700000000001"
	doctorTwo   = "session:{1700000000000}:1700000000002"
)

// doctorEnviron is a healthy installation on a server.
func doctorEnviron(t *testing.T, server *redistest.Server) []string {
	t.Helper()
	environ := []string{
		"SESSIOND_REDIS_ADDRESSES=" + server.Addr(),
		"SESSIOND_TOKENS_KEY_DIRECTORY=" + filepath.Join(t.TempDir(), "keys"),
	}
	if got := sessiond(t, environ, "", "keys", "create"); got.code != 0 {
		t.Fatalf("keys create: %+v", got)
	}
	return environ
}

// verdicts are the first words of the lines about a subject.
func verdicts(output, subject string) string {
	var words []string
	for line := range strings.Lines(output) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == subject {
			words = append(words, fields[0])
		}
	}
	return strings.Join(words, " ")
}

func TestDoctorFindsAHealthyInstallation(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	got := sessiond(t, doctorEnviron(t, server), "", "doctor")
	if got.code != 0 || strings.Contains(got.stdout, "warn") || strings.Contains(got.stdout, "fail") {
		t.Errorf("%+v", got)
	}
	for _, subject := range []string{"keys", "redis", "eviction", "memory", "persistence", "clock", "data", "index", "expiry"} {
		if verdicts(got.stdout, subject) != "ok" {
			t.Errorf("no verdict on %s in\n%s", subject, got.stdout)
		}
	}
}

func TestDoctorNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args    []string // of redis-server
		prepare func(t *testing.T, rdb *redis.Client, environ []string) []string
		subject string
		verdict string
		code    int
	}{
		"an eviction policy": {
			args: []string{"--maxmemory-policy", "allkeys-lru"}, subject: "eviction", verdict: "fail", code: 1,
		},
		"little memory left": {
			args: []string{"--maxmemory", "1mb"}, subject: "memory", verdict: "warn",
		},
		"no persistence": {subject: "persistence", verdict: "warn"},
		"a replica": {
			args: []string{"--replicaof", "127.0.0.1 1"}, subject: "redis", verdict: "fail", code: 1,
		},
		"more replicas wanted than there are": {
			prepare: func(_ *testing.T, _ *redis.Client, environ []string) []string {
				return append(environ, "SESSIOND_REDIS_WAIT_REPLICAS=1")
			},
			subject: "redis", verdict: "fail", code: 1,
		},
		"Redis away": {
			prepare: func(_ *testing.T, _ *redis.Client, environ []string) []string {
				return append(environ, "SESSIOND_REDIS_ADDRESSES=127.0.0.1:1")
			},
			subject: "redis", verdict: "fail", code: 1,
		},
		"no key": {
			prepare: func(t *testing.T, _ *redis.Client, environ []string) []string {
				return append(environ, "SESSIOND_TOKENS_KEY_DIRECTORY="+t.TempDir())
			},
			subject: "keys", verdict: "fail", code: 1,
		},
		"a key that all may read": {
			prepare: func(t *testing.T, _ *redis.Client, environ []string) []string {
				dir := strings.TrimPrefix(environ[1], "SESSIOND_TOKENS_KEY_DIRECTORY=")
				files, err := filepath.Glob(filepath.Join(dir, "*.pem"))
				if err != nil || len(files) != 1 {
					t.Fatalf("%v %v", files, err)
				}
				if err := os.Chmod(files[0], 0o644); err != nil {
					t.Fatal(err)
				}
				return environ
			},
			subject: "keys", verdict: "fail", code: 1,
		},
		"a counter for ever": {
			prepare: func(t *testing.T, rdb *redis.Client, environ []string) []string {
				if err := rdb.Set(t.Context(), "rate:api:ip:192.0.2.1:7", 1, 0).Err(); err != nil {
					t.Fatal(err)
				}
				return environ
			},
			subject: "expiry", verdict: "warn",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, tt.args...)
			environ := doctorEnviron(t, server)
			if tt.prepare != nil {
				environ = tt.prepare(t, server.Client(), environ)
			}
			got := sessiond(t, environ, "", "doctor")
			if got.code != tt.code || !strings.Contains(verdicts(got.stdout, tt.subject), tt.verdict) {
				t.Errorf("%+v\nwant code %d and %s on %s", got, tt.code, tt.verdict, tt.subject)
			}
		})
	}
}

func TestDoctorRepairsIndexesAndExpiries(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	environ := doctorEnviron(t, server)
	rdb, ctx := server.Client(), context.Background()
	hash := []any{"name", "x", "exp", 4000000000, "createdAt", 1700000000002, "updatedAt", 1700000000002}
	pipe := rdb.Pipeline()
	pipe.ZAdd(ctx, doctorIndex, redis.Z{Score: 4000000000, Member: "1700000000001"})
	pipe.HSet(ctx, doctorTwo, hash...)
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}

	if got := sessiond(t, environ, "", "doctor"); verdicts(got.stdout, "index") != "warn warn" {
		t.Errorf("before: %+v", got)
	}
	if members := rdb.ZRange(ctx, doctorIndex, 0, -1).Val(); len(members) != 1 || members[0] != "1700000000001" {
		t.Errorf("a look changed the index: %v", members)
	}
	if got := sessiond(t, environ, "", "doctor", "--repair"); got.code != 0 || verdicts(got.stdout, "repair") != "ok" {
		t.Errorf("repair: %+v", got)
	}
	if members := rdb.ZRange(ctx, doctorIndex, 0, -1).Val(); len(members) != 1 || members[0] != "1700000000002" {
		t.Errorf("index holds %v", members)
	}
	for _, key := range []string{doctorTwo, doctorIndex} {
		if exp := rdb.ExpireTime(ctx, key).Val().Seconds(); exp != 4000000000 {
			t.Errorf("%s expires at %v", key, exp)
		}
	}
	if n := rdb.Exists(ctx, doctorOne).Val(); n != 0 {
		t.Error("a session came to be")
	}
	if got := sessiond(t, environ, "", "doctor"); verdicts(got.stdout, "index")+verdicts(got.stdout, "expiry") != "okok" {
		t.Errorf("after: %+v", got)
	}
}

// An entry that a session which idled out left behind is no fault.
func TestDoctorExpectsSessionsToIdleOut(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	environ := append(doctorEnviron(t, server), "SESSIOND_SESSIONS_IDLE_TIMEOUT=1h")
	rdb, ctx := server.Client(), context.Background()
	pipe := rdb.Pipeline()
	pipe.ZAdd(ctx, doctorIndex, redis.Z{Score: 4000000000, Member: "1700000000001"})
	pipe.Expire(ctx, doctorIndex, time.Hour)
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	got := sessiond(t, environ, "", "doctor")
	if got.code != 0 || verdicts(got.stdout, "index") != "ok" || !strings.Contains(got.stdout, "1 entries") {
		t.Errorf("%+v", got)
	}
}
