package config_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
)

func TestRefusedValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		variable string // Without SESSIOND_.
		values   []string
		reason   string
	}{
		{"HTTP_ADDRESS", []string{"8080", "localhost", "http://x:80"}, "not of the form host:port"},
		{"HTTP_ADDRESS", []string{":http", ":65536", ":-1", ":"}, "no valid port"},
		{"HTTP_ADDRESS", []string{"a b:80", "user@host:80", "[zz]:80"}, "no valid host"},
		{"HTTP_ADDRESS", []string{""}, "is empty"},
		{"HTTP_BASE_PATH", []string{"api"}, "does not begin with a slash"},
		{"HTTP_BASE_PATH", []string{"/api/", "//"}, "ends in a slash"},
		{"HTTP_BASE_PATH", []string{"/a b", "/a?b", "/{v}", "/%61", "/a//b", "/a/../b", "/./a", "/a\n", "/é"}, "has the part"},
		{"HTTP_BASE_PATH", []string{""}, "is empty"},
		{"HTTP_TRUSTED_PROXIES", []string{"nginx", "10.0.0.0/33", "10.0.0.1:80", "fe80::1%eth0", "fe80::%e/10"}, "neither an address nor a network"},
		{"HTTP_TRUSTED_PROXIES", []string{"0.0.0.0/0", "::/0", "::ffff:0:0/96"}, "choose its own address"},
		{"HTTP_TRUSTED_PROXIES", []string{"::ffff:0.0.0.0/90"}, "more than the IPv4 addresses"},
		{"HTTP_TRUSTED_PROXIES", []string{"10.0.0.1,,10.0.0.2", "10.0.0.1,"}, "entry 2 is empty"},
		{"HTTP_TRUSTED_PROXIES", []string{"10.0.0.0/8,10.1.0.0/8", "192.0.2.1,::ffff:192.0.2.1"}, "entry 2 is in the list twice"},
		{"HTTP_CORS_ORIGINS", []string{"*", "https://*.example.com"}, "wildcard"},
		{"HTTP_CORS_ORIGINS", []string{"example.com", "null", "https://", "https:///x", "mailto:a@b"}, "not of the form scheme://host[:port]"},
		{"HTTP_CORS_ORIGINS", []string{"https://a.example/", "https://a.example/x", "https://a.example?x", "https://u@a.example", "https://a.example#x"}, "more than scheme, host and port"},
		{"HTTP_CORS_ORIGINS", []string{"https://a.example:443", "http://a.example:80"}, "default port"},
		{"HTTP_CORS_ORIGINS", []string{"https://a.example:", "https://a.example:0", "https://a.example:99999"}, "no valid port"},
		{"HTTP_CORS_ORIGINS", []string{"https://bücher.example"}, "international name"},
		{"HTTP_DRAIN_DELAY", []string{"10", "0", "1.5"}, "has no unit"},
		{"HTTP_DRAIN_DELAY", []string{"-1s", "11m"}, "out of range"},
		{"HTTP_DRAIN_DELAY", []string{"soon", "1 s", "5S"}, "is no duration"},
		{"HTTP_SHUTDOWN_TIMEOUT", []string{"0s", "-1s"}, "out of range"},
		{"ADMIN_ADDRESS", []string{"9090"}, "not of the form host:port"},
		{"ADMIN_ADDRESS", []string{":8080"}, "same as http.address"},
		{"REDIS_MODE", []string{"Standalone", "ring"}, "is not known; want one of standalone, sentinel, cluster"},
		{"REDIS_MODE", []string{""}, "is empty"},
		{"REDIS_ADDRESSES", []string{"", " "}, "is empty"},
		{"REDIS_ADDRESSES", []string{"r", "redis://u:hunter2@r:6379"}, "entry 1 is not of the form host:port"},
		{"REDIS_ADDRESSES", []string{"r:0", "r:redis"}, "entry 1 has no valid port"},
		{"REDIS_ADDRESSES", []string{":6379", "u:6379@r:6379"}, "entry 1"},
		{"REDIS_ADDRESSES", []string{"r:1,r:2"}, "more than one entry"},
		{"REDIS_ADDRESSES", []string{"r:1,r:1"}, "twice"},
		{"REDIS_USERNAME", []string{"app"}, "no effect without redis.password"},
		{"REDIS_PASSWORD", []string{""}, "is empty"},
		{"REDIS_PASSWORD", []string{"hunter2\n"}, "ends in a line break"},
		{"REDIS_DB", []string{"-1", "2147483648"}, "out of range"},
		{"REDIS_DB", []string{"", "one", "1.0", "0x1", "99999999999999999999"}, ""},
		{"REDIS_TLS", []string{"yes", "1", "True", ""}, "want true or false"},
		{"REDIS_TIMEOUT", []string{"9ms", "1501ms", "0s"}, "out of range"},
		{"TOKENS_KEY_DIRECTORY", []string{""}, "is empty"},
		{"TOKENS_ISSUER", []string{"a\nb", "a\x00"}, "control character"},
		{"TOKENS_ISSUER", []string{"\xff"}, "UTF-8"},
		{"TOKENS_LEGACY_KEY_ID", []string{"../x", `a\b`, "..", "."}, "no file name"},
		{"SESSIONS_TTL", []string{"0s", "999ms", "876001h"}, "out of range"},
		{"SESSIONS_TTL", []string{"1500ms"}, "not a whole number of seconds"},
		{"SESSIONS_REMEMBER_ME_TTL", []string{"1000000h"}, "out of range"},
		{"SESSIONS_IDLE_TIMEOUT", []string{"59s", "876001h", "-1m"}, "out of range; want 0s, or"},
		{"SESSIONS_IDLE_TIMEOUT", []string{"90500ms"}, "not a whole number of seconds"},
		{"SESSIONS_MAX_PER_USER", []string{"0", "10001"}, "out of range"},
		{"LIMITS_LOGIN_REQUESTS", []string{"0", "-3"}, "out of range"},
		{"LIMITS_LOGIN_WINDOW", []string{"500ms", "0s"}, "out of range"},
		{"LIMITS_API_WINDOW", []string{"1500ms"}, "not a whole number of seconds"},
		{"PASSWORDS_BCRYPT_COST", []string{"3", "21"}, "out of range; want a whole number from 4 to 20"},
		{"EVENTS_MAX_PER_USER", []string{"-1", "10001"}, "out of range"},
		{"LOG_LEVEL", []string{"INFO", "info+2", "trace"}, "is not known; want one of debug, info, warn, error"},
		{"LOG_FORMAT", []string{"xml"}, "want one of json, text"},
	}
	for _, tt := range tests {
		for _, value := range tt.values {
			t.Run(tt.variable+"="+value, func(t *testing.T) {
				t.Parallel()
				name := "SESSIOND_" + tt.variable
				got, err := config.Load("", []string{name + "=" + value})
				if err == nil {
					t.Fatalf("accepted")
				}
				message := err.Error()
				if !strings.HasPrefix(message, name+": ") || !strings.Contains(message, tt.reason) || !strings.Contains(message, "; want ") {
					t.Errorf("error %q; want one of %s with %q and what is wanted", message, name, tt.reason)
				}
				if strings.Contains(message, "hunter2") {
					t.Errorf("error %q repeats a secret", message)
				}
				if strings.Contains(message, "\n") {
					t.Errorf("error %q is more than one line", message)
				}
				if diff := cmp.Diff(config.Config{}, got, comparePrefixes); diff != "" {
					t.Errorf("a refused configuration is handed out (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestRefusedFiles(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		name, content string // The name is c.yaml where it is empty.
		want          []string
	}{
		"unknown key":               {"", "redis: {adresses: r:1}", []string{"redis.adresses: is no setting; did you mean redis.addresses?"}},
		"unknown section":           {"", "sesions: {ttl: 1h}", []string{"sesions.ttl: is no setting; did you mean sessions.ttl?"}},
		"unknown empty section":     {"", "storage: {}", []string{"storage: is no setting; sessiond serve --help"}},
		"unknown key of nothing":    {"", "storage:", []string{"storage: is no setting"}},
		"key that is no text":       {"", "http: {1: x}", []string{"http.1: is no setting"}},
		"value for a section":       {"", "http: 5", []string{"http: is a section"}},
		"section for a value":       {"", "http: {address: {port: 80}}", []string{"http.address: is a section; want host:port"}},
		"list for text":             {"", "log: {level: [info]}", []string{"log.level: is a list; want one of"}},
		"list for a number":         {"", "redis: {db: [1]}", []string{"redis.db: is no number"}},
		"list for a duration":       {"", "redis: {timeout: [1s]}", []string{"redis.timeout: is no duration"}},
		"number for a list":         {"", "redis: {addresses: 6379}", []string{"redis.addresses: is no list"}},
		"number in a list":          {"", "redis: {addresses: [6379]}", []string{"redis.addresses: entry 1 is a number"}},
		"list in a list":            {"", "redis: {addresses: [[a]]}", []string{"redis.addresses: entry 1 is a list"}},
		"nothing in a list":         {"", "redis: {addresses: [~]}", []string{"redis.addresses: entry 1"}},
		"duration without a unit":   {"", "redis: {timeout: 1}", []string{"redis.timeout: 1 has no unit; want a duration"}},
		"duration of zero":          {"", "http: {drain_delay: 0}", []string{"http.drain_delay: 0 has no unit"}},
		"number for a truth":        {"", "redis: {tls: 1}", []string{"redis.tls: is neither; want true or false"}},
		"yes for a truth":           {"", "redis: {tls: yes}", []string{`redis.tls: "yes" is neither; want true or false`}},
		"fraction":                  {"", "redis: {db: 1.5}", []string{"redis.db: 1.5 is no whole number"}},
		"huge number":               {"", "redis: {db: 18446744073709551615}", []string{"redis.db: 18446744073709551615 is out of range"}},
		"date for text":             {"", "tokens: {issuer: 2024-01-01}", []string{"tokens.issuer: is a date, not text"}},
		"empty password":            {"", `redis: {password: ""}`, []string{"redis.password: is empty"}},
		"password of nothing":       {"", "redis: {password: }", []string{"redis.password: is empty"}},
		"password of digits":        {"", "redis: {password: 7654321}", []string{"redis.password: is a number, not text"}},
		"list of passwords":         {"", "redis: {password: [hunter2]}", []string{"redis.password: is a list"}},
		"address of nothing":        {"", "http: {address: }", []string{"http.address: is empty; want host:port"}},
		"repeated key":              {"", "http: {address: ':1', address: ':2'}", []string{`"address" already defined`}},
		"repeated in capitals":      {"", "http: {address: ':1'}\nHTTP: {address: ':2'}", []string{"http.address: is there twice, the other time as HTTP.address"}},
		"repeated with a dot":       {"", "http: {address: ':1'}\nhttp.address: ':2'", []string{"http.address: is there twice"}},
		"repeated in JSON":          {"c.json", `{"log":{}, "redis":{"db":1,"tls":true,"db":2}}`, []string{`the name "db" is there twice`}},
		"repeated in TOML":          {"c.toml", "[redis]\ndb = 1\ndb = 2", []string{"is no valid TOML", "db"}},
		"sentinel without a name":   {"", "redis: {mode: sentinel}", []string{"redis.master_name: is missing"}},
		"database on a cluster":     {"", "redis: {mode: cluster, db: 1}", []string{"redis.db: is not 0"}},
		"broken YAML":               {"", "redis:\n\tpassword: hunter2", []string{"is no valid YAML", "line 2"}},
		"anchor for a password":     {"", "redis: {password: *hunter2}", []string{"is no valid YAML", "unknown anchor"}},
		"template left in":          {"", "redis: {password: {{ hunter2 }}}", []string{"is no valid YAML"}},
		"password tagged as number": {"", "redis: {password: !!int hunter2}", []string{"is no valid YAML"}},
		"password alone":            {"", "hunter2", []string{"is no valid YAML", "line 1"}},
		"two lines of password":     {"", "\"a'\\n`b hunter2`\"", []string{"is no valid YAML"}},
		"list of settings":          {"", "- redis", []string{"is no valid YAML", "line 1"}},
		"broken JSON":               {"c.json", "{\n\"redis\": hunter2}", []string{"is no valid JSON", "line 2"}},
		"empty JSON":                {"c.json", "", []string{"is no valid JSON", "line 1"}},
		"broken TOML":               {"c.toml", "[redis]\npassword = hunter2", []string{"is no valid TOML", "line 2"}},
		"huge number in TOML":       {"c.toml", "[redis]\npassword = 76543210000000000000000", []string{"is no valid TOML", "line 2"}},
		"other format":              {"c.ini", "", []string{"has the extension .ini; want .yaml"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.name == "" {
				tt.name = "c.yaml"
			}
			path := writeFile(t, tt.name, tt.content)
			_, err := config.Load(path, nil)
			if err == nil {
				t.Fatal("accepted")
			}
			message := err.Error()
			// What is missing from a file is not named after it.
			if !strings.Contains(message, path) && !strings.Contains(message, "is missing") {
				t.Errorf("error %q does not name the file", message)
			}
			for _, want := range tt.want {
				if !strings.Contains(message, want) {
					t.Errorf("error %q lacks %q", message, want)
				}
			}
			for _, secret := range []string{"hunter2", "76543"} {
				if strings.Contains(message, secret) {
					t.Errorf("error %q repeats a secret", message)
				}
			}
			if strings.Contains(message, "\n") {
				t.Errorf("error %q is more than one line", message)
			}
		})
	}
}

func TestUnreadableFile(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	for _, path := range []string{filepath.Join(directory, "missing.yaml"), directory} {
		_, err := config.Load(path, nil)
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Load(%s): %v; want an error that names it", path, err)
		}
	}
	if _, err := config.Load(filepath.Join(directory, "missing.yaml"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Load of a missing file: %v; want it to wrap fs.ErrNotExist", err)
	}
}

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"SESSIOND_HTTP_BASE_PAHT=:1":    "SESSIOND_HTTP_BASE_PAHT: is no setting; did you mean SESSIOND_HTTP_BASE_PATH?",
		"SESSIOND_PORT=8080":            "SESSIOND_PORT: is no setting",
		"SESSIOND_HTTP_PORT=8080":       "SESSIOND_HTTP_PORT: is no setting",
		"SESSIOND_=x":                   "SESSIOND_: is no setting",
		"SESSIOND_WHATEVER_ELSE=hunter": "SESSIOND_WHATEVER_ELSE: is no setting; sessiond serve --help lists them all",
	} {
		_, err := config.Load("", []string{entry})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("Load with %s: %v; want %q", entry, err, want)
		}
	}
}

// One start shows every fault, each under the name that its author used.
func TestAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	path := writeFile(t, "c.yaml", `
redis: {timeout: 10, mode: sentinel, password: "", tls: maybe}
session: {ttl: 1h}
log: {level: loud}
`)
	_, err := config.Load(path, []string{"SESSIOND_LOG_LEVEL=quiet", "SESSIOND_LIMITS_API_REQUESTS=0", "SESSIOND_TTL=1h"})
	if err == nil {
		t.Fatal("accepted")
	}
	var got []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, path+": "), ": ")
		got = append(got, name)
	}
	want := []string{
		"session.ttl", "SESSIOND_TTL", "redis.password", "redis.tls", "redis.timeout",
		"SESSIOND_LIMITS_API_REQUESTS", "SESSIOND_LOG_LEVEL", "redis.master_name",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("faults (-want +got):\n%s\n%v", diff, err)
	}
}
