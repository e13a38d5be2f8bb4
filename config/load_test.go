package config_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sessiond/sessiond/config"
)

// comparePrefixes lets cmp compare what netip keeps unexported.
var comparePrefixes = cmpopts.EquateComparable(netip.Prefix{})

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestDefault(t *testing.T) {
	t.Parallel()
	want := config.Config{
		HTTP: config.HTTP{
			Address: ":8080", BasePath: "/api",
			DrainDelay: 5 * time.Second, ShutdownTimeout: 20 * time.Second,
		},
		Admin:  config.Admin{Address: "127.0.0.1:9090"},
		Redis:  config.Redis{Mode: "standalone", Addresses: []string{"127.0.0.1:6379"}, Timeout: time.Second},
		Tokens: config.Tokens{KeyDirectory: "keys", ActivationDelay: 5 * time.Minute},
		Sessions: config.Sessions{
			TTL: 24 * time.Hour, RememberMeTTL: 315_576_000 * time.Second, MaxPerUser: 100,
		},
		Limits: config.Limits{
			Login: config.Limit{Requests: 3, Window: 3 * time.Minute},
			API:   config.Limit{Requests: 100, Window: time.Minute},
		},
		Passwords: config.Passwords{BcryptCost: 12},
		Log:       config.Log{Level: slog.LevelInfo, Format: "json"},
	}
	got, err := config.Load("", nil)
	if err != nil {
		t.Fatalf("the defaults are refused: %v", err)
	}
	if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
		t.Errorf("Load with nothing given (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, config.Default(), comparePrefixes); diff != "" {
		t.Errorf("Default (-want +got):\n%s", diff)
	}
}

const wholeFile = `
http:
  address: 127.0.0.1:8000
  base_path: /
  trusted_proxies: [10.1.2.3/8, "::ffff:192.0.2.1", 2001:db8::/32]
  cors_origins: [https://app.example.com, "HTTP://localhost:3000"]
  drain_delay: 0s
  shutdown_timeout: 1m30s
admin: {address: ":0"}
redis:
  mode: sentinel
  addresses: s1:26379, [::1]:26379
  master_name: main
  username: app
  password: "#secret"
  db: 3
  tls: true
  timeout: 250ms
  wait_replicas: 1
tokens: {key_directory: /etc/keys, issuer: "https://example.com", legacy_key_id: old, activation_delay: 1m}
sessions: {ttl: 1h, remember_me_ttl: 720h, idle_timeout: 30m, max_per_user: 5}
limits:
  login: {requests: 10, window: 1500ms}
  api: {requests: 1000, window: 10s}
passwords: {bcrypt_cost: 4}
events: {max_per_user: 50}
log: {level: debug, format: text}
`

var wholeConfig = config.Config{
	HTTP: config.HTTP{
		Address: "127.0.0.1:8000",
		TrustedProxies: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32"),
		},
		CORSOrigins:     []string{"https://app.example.com", "http://localhost:3000"},
		ShutdownTimeout: 90 * time.Second,
	},
	Admin: config.Admin{Address: ":0"},
	Redis: config.Redis{
		Mode: config.ModeSentinel, Addresses: []string{"s1:26379", "[::1]:26379"}, MasterName: "main",
		Username: "app", Password: "#secret", DB: 3, TLS: true, Timeout: 250 * time.Millisecond, WaitReplicas: 1,
	},
	Tokens:   config.Tokens{KeyDirectory: "/etc/keys", Issuer: "https://example.com", LegacyKeyID: "old", ActivationDelay: time.Minute},
	Sessions: config.Sessions{TTL: time.Hour, RememberMeTTL: 720 * time.Hour, IdleTimeout: 30 * time.Minute, MaxPerUser: 5},
	Limits: config.Limits{
		Login: config.Limit{Requests: 10, Window: 1500 * time.Millisecond},
		API:   config.Limit{Requests: 1000, Window: 10 * time.Second},
	},
	Passwords: config.Passwords{BcryptCost: 4},
	Events:    config.Events{MaxPerUser: 50},
	Log:       config.Log{Level: slog.LevelDebug, Format: config.FormatText},
}

func TestLoadFile(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sessiond.yaml", "sessiond.yml", "SESSIOND.YAML", "sessiond"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Load(writeFile(t, name, wholeFile), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(wholeConfig, got, comparePrefixes); diff != "" {
				t.Errorf("Load (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadOtherFormats(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"c.json":  `{"redis": {"db": 3, "addresses": ["r:1"], "tls": true}, "log": {"level": "warn"}}`,
		"c.toml":  "[redis]\ndb = 3\naddresses = ['r:1']\ntls = true\n[log]\nlevel = 'warn'\n",
		"c.yaml":  "redis.db: 3\nredis.addresses: [r:1]\nREDIS: {TLS: true}\nlog.level: warn\n",
		"c2.yaml": "redis: {db: '3', addresses: r:1, tls: 'true'}\nlog: {level: warn}\nhttp:\nadmin: {}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := config.Default()
			want.Redis.DB, want.Redis.Addresses, want.Redis.TLS = 3, []string{"r:1"}, true
			want.Log.Level = slog.LevelWarn
			got, err := config.Load(writeFile(t, name, content), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
				t.Errorf("Load (-want +got):\n%s", diff)
			}
		})
	}
}

// samples holds for every setting a value that is not its default.
var samples = map[string]string{
	"http.address": "127.0.0.1:1", "http.base_path": "/v2/x", "http.trusted_proxies": "10.0.0.0/8, ::1",
	"http.cors_origins": "https://a.example,https://b.example:8443", "http.drain_delay": "1s", "http.shutdown_timeout": "1s",
	"admin.address": "127.0.0.1:2", "verify.address": "127.0.0.1:3", "verify.secret": " s ", "redis.mode": "cluster", "redis.addresses": "a:1", "redis.master_name": "m",
	"redis.username": "u", "redis.password": " p ", "redis.db": "7", "redis.tls": "true", "redis.timeout": "900ms", "redis.wait_replicas": "2",
	"tokens.key_directory": "k", "tokens.issuer": "i", "tokens.legacy_key_id": "l", "tokens.activation_delay": "0s", "sessions.ttl": "1s",
	"sessions.remember_me_ttl": "876000h", "sessions.max_per_user": "10000", "sessions.idle_timeout": "1m", "limits.login.requests": "1",
	"limits.login.window": "1s", "limits.api.requests": "1", "limits.api.window": "2s", "passwords.bcrypt_cost": "20", "events.max_per_user": "100",
	"log.level": "error", "log.format": "text",
}

// Every setting is reachable from both sources, and the environment wins.
func TestEverySettingByFileAndVariable(t *testing.T) {
	t.Parallel()
	for _, s := range config.Settings() {
		t.Run(s.Key, func(t *testing.T) {
			t.Parallel()
			sample, ok := samples[s.Key]
			if !ok {
				t.Fatalf("no sample value for %s", s.Key)
			}
			if want := "SESSIOND_" + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_")); s.Variable != want {
				t.Errorf("variable %q, want %q", s.Variable, want)
			}
			var others []string // What the rules ask for beside it.
			if s.Key == "redis.username" {
				others = append(others, "SESSIOND_REDIS_PASSWORD=p")
			}
			if s.Key == "verify.secret" {
				others = append(others, "SESSIOND_VERIFY_ADDRESS=:1")
			}
			base, err := config.Load("", others)
			if err != nil {
				t.Fatal(err)
			}
			fromVariable, err := config.Load("", append(others, s.Variable+"="+sample))
			if err != nil {
				t.Fatalf("by variable: %v", err)
			}
			if cmp.Equal(base, fromVariable, comparePrefixes) {
				t.Errorf("%s=%s changed nothing", s.Variable, sample)
			}
			file := writeFile(t, "c.yaml", fmt.Sprintf("%s: %q\n", s.Key, sample))
			fromFile, err := config.Load(file, others)
			if err != nil {
				t.Fatalf("by file: %v", err)
			}
			if diff := cmp.Diff(fromVariable, fromFile, comparePrefixes); diff != "" {
				t.Errorf("file and variable differ (-variable +file):\n%s", diff)
			}
			if s.Default == "" {
				return
			}
			overridden, err := config.Load(file, append(others, s.Variable+"="+s.Default))
			if err != nil {
				t.Fatalf("by both: %v", err)
			}
			if diff := cmp.Diff(base, overridden, comparePrefixes); diff != "" {
				t.Errorf("the variable did not override the file (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEmptyVariables(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "c.yaml", "http: {cors_origins: https://a.example}\ntokens: {issuer: x, legacy_key_id: y}\n")
	got, err := config.Load(file, []string{
		"SESSIOND_HTTP_CORS_ORIGINS=", "SESSIOND_TOKENS_ISSUER=", "SESSIOND_TOKENS_LEGACY_KEY_ID=",
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config.Default(), got, comparePrefixes); diff != "" {
		t.Errorf("empty variables do not mean none (-want +got):\n%s", diff)
	}
}

func TestKubernetesVariablesAreIgnored(t *testing.T) {
	t.Parallel()
	_, err := config.Load("", []string{
		"SESSIOND_SERVICE_HOST=10.0.0.1", "SESSIOND_SERVICE_PORT=80", "SESSIOND_SERVICE_PORT_HTTP=80",
		"SESSIOND_PORT=tcp://10.0.0.1:80", "SESSIOND_PORT_80_TCP=tcp://10.0.0.1:80", "SESSIOND_PORT_80_TCP_ADDR=10.0.0.1",
		"SESSIOND_PORT_80_TCP_PORT=80", "SESSIOND_PORT_80_TCP_PROTO=tcp",
		"SESSIOND_REDIS_SERVICE_HOST=10.0.0.2", "SESSIOND_REDIS_PORT=tcp://10.0.0.2:6379", "SESSIOND_REDIS_PORT_6379_TCP=tcp://10.0.0.2:6379",
		"PATH=/bin", "sessiond_http_address=x",
	})
	if err != nil {
		t.Errorf("Load: %v", err)
	}
}

func TestHelpNamesEverySetting(t *testing.T) {
	t.Parallel()
	lines := strings.Split(config.Help(), "\n")
	settings := config.Settings()
	if len(settings) != len(samples) {
		t.Errorf("%d settings, %d samples", len(settings), len(samples))
	}
	for i, s := range settings {
		def := s.Default
		if def == "" {
			def = "none"
		}
		if s.Doc == "" || s.Allowed == "" {
			t.Errorf("%s is not explained", s.Key)
		}
		for _, part := range []string{s.Key, s.Variable, def, s.Doc, s.Allowed} {
			if !strings.Contains(lines[i+1], part) {
				t.Errorf("the line of %s lacks %q:\n%s", s.Key, part, lines[i+1])
			}
		}
	}
}

func TestPrintedConfigHidesThePassword(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Redis.Password = "hunter2"
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if printed := fmt.Sprintf(verb, c); strings.Contains(printed, "hunter2") {
			t.Errorf("%s prints the password: %s", verb, printed)
		}
	}
}
