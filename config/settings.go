package config

import (
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"
)

// Setting describes one setting to its reader.
type Setting struct {
	// Key is its name in the settings file, sections joined by dots.
	Key string
	// Variable is its name in the environment.
	Variable string
	// Default is written as in a variable; "" means none.
	Default string
	// Doc says in one line what it does, with its unit.
	Doc string
	// Allowed says which values are accepted.
	Allowed string
}

const (
	// maxLifetime keeps every exp within the ten digits that Unix seconds
	// have until the year 2286, well past any start of this program.
	maxLifetime = 100 * 365 * 24 * time.Hour

	// maxActivationDelay is far more than any way to spread a key takes.
	maxActivationDelay = 30 * 24 * time.Hour

	// maxRequests and maxWindow keep the limiters' arithmetic exact.
	maxRequests = 1_000_000_000
	maxWindow   = 30 * 24 * time.Hour
)

// settings is the one list of what can be set. Everything else that depends
// on which settings exist is derived from it.
var settings = []definition{
	define("http.address", ":8080", listenAddress, func(c *Config) *string { return &c.HTTP.Address },
		"where the API listens; without a host, on every address"),
	define("http.base_path", "/api", basePath, func(c *Config) *string { return &c.HTTP.BasePath },
		"path under which the API is served"),
	define("http.trusted_proxies", "", listOf(proxy), func(c *Config) *[]netip.Prefix { return &c.HTTP.TrustedProxies },
		"peers whose X-Forwarded-For is believed"),
	define("http.cors_origins", "", listOf(origin), func(c *Config) *[]string { return &c.HTTP.CORSOrigins },
		"origins whose pages may call the API from a browser"),
	define("http.drain_delay", "5s", duration(0, 10*time.Minute), func(c *Config) *time.Duration { return &c.HTTP.DrainDelay },
		"how long to go on serving after readiness fails at shutdown"),
	define("http.shutdown_timeout", "20s", duration(time.Millisecond, time.Hour), func(c *Config) *time.Duration { return &c.HTTP.ShutdownTimeout },
		"how long requests in flight may take after the drain delay"),

	define("admin.address", "127.0.0.1:9090", listenAddress, func(c *Config) *string { return &c.Admin.Address },
		"where metrics and health checks are served; never make it public"),

	define("verify.address", "", listenAddress, func(c *Config) *string { return &c.Verify.Address },
		"where gateways ask whether a token is good; off unless set, never make it public"),
	define("verify.secret", "", secret, func(c *Config) *string { return &c.Verify.Secret },
		"what callers of /introspect send as a bearer token; it is off unless set"),

	define("redis.mode", ModeStandalone, oneOf(ModeStandalone, ModeSentinel, ModeCluster), func(c *Config) *string { return &c.Redis.Mode },
		"how Redis is deployed"),
	define("redis.addresses", "127.0.0.1:6379", nonEmpty(listOf(serverAddress)), func(c *Config) *[]string { return &c.Redis.Addresses },
		"the server, the sentinels, or nodes of the cluster, by redis.mode"),
	define("redis.master_name", "", optionalText, func(c *Config) *string { return &c.Redis.MasterName },
		"name of the primary, as the sentinels know it"),
	define("redis.username", "", optionalText, func(c *Config) *string { return &c.Redis.Username },
		"user for AUTH; needs redis.password"),
	define("redis.password", "", secret, func(c *Config) *string { return &c.Redis.Password },
		"password for AUTH"),
	define("redis.db", "0", integer(0, math.MaxInt32), func(c *Config) *int { return &c.Redis.DB },
		"number of the database; 0 on a cluster"),
	define("redis.tls", "false", boolean, func(c *Config) *bool { return &c.Redis.TLS },
		"encrypt the connection and verify the server's certificate"),
	define("redis.timeout", "1s", duration(10*time.Millisecond, time.Second), func(c *Config) *time.Duration { return &c.Redis.Timeout },
		"longest exchange with Redis; the API answers within 2s whatever Redis does"),
	define("redis.wait_replicas", "0", integer(0, 100), func(c *Config) *int { return &c.Redis.WaitReplicas },
		"replicas that must have an ending or a ban before it is acknowledged"),

	define("tokens.key_directory", "keys", text, func(c *Config) *string { return &c.Tokens.KeyDirectory },
		"directory of the signing keys"),
	define("tokens.issuer", "", optionalText, func(c *Config) *string { return &c.Tokens.Issuer },
		"iss claim to set and to demand"),
	define("tokens.legacy_key_id", "", keyID, func(c *Config) *string { return &c.Tokens.LegacyKeyID },
		"key that checks tokens without a kid, which are refused otherwise"),
	define("tokens.activation_delay", "5m", duration(0, maxActivationDelay), func(c *Config) *time.Duration { return &c.Tokens.ActivationDelay },
		"age at which a key begins to sign, if another can; by then all replicas must have it"),

	define("sessions.ttl", "24h", wholeSeconds(time.Second, maxLifetime), func(c *Config) *time.Duration { return &c.Sessions.TTL },
		"life of a session"),
	define("sessions.remember_me_ttl", "87660h", wholeSeconds(time.Second, maxLifetime), func(c *Config) *time.Duration { return &c.Sessions.RememberMeTTL },
		"life of a session with rememberMe"),
	define("sessions.idle_timeout", "0s", orOff(wholeSeconds(time.Minute, maxLifetime)), func(c *Config) *time.Duration { return &c.Sessions.IdleTimeout },
		"life of a session without a request, within the above; 0s for no such end"),
	// One script reads and ends all sessions of a user while Redis serves
	// nobody else: the bound is what it can do in a few milliseconds.
	define("sessions.max_per_user", "100", integer(1, 10_000), func(c *Config) *int { return &c.Sessions.MaxPerUser },
		"live sessions a user may hold; a login over it ends the oldest"),

	define("limits.login.requests", "3", integer(1, maxRequests), func(c *Config) *int { return &c.Limits.Login.Requests },
		"logins for each client IP in a window"),
	define("limits.login.window", "3m", duration(time.Second, maxWindow), func(c *Config) *time.Duration { return &c.Limits.Login.Window },
		"window of the login limit"),
	define("limits.api.requests", "100", integer(1, maxRequests), func(c *Config) *int { return &c.Limits.API.Requests },
		"other requests for each user or client IP in a window"),
	define("limits.api.window", "1m", wholeSeconds(time.Second, maxWindow), func(c *Config) *time.Duration { return &c.Limits.API.Window },
		"window of the API limit"),

	define("passwords.bcrypt_cost", "12", integer(4, 20), func(c *Config) *int { return &c.Passwords.BcryptCost },
		"bcrypt cost, each step doubles the work; below 10 is for tests alone"),

	// A trail is one stream for each user, of some kilobytes if Redis has its
	// default of stream-node-max-bytes.
	define("events.max_per_user", "0", integer(0, 10_000), func(c *Config) *int { return &c.Events.MaxPerUser },
		"events that the trail of a user keeps, about; 0 for no trails"),

	define("log.level", "info", level, func(c *Config) *slog.Level { return &c.Log.Level }, "least severe messages to log"),
	define("log.format", FormatJSON, oneOf(FormatJSON, FormatText), func(c *Config) *string { return &c.Log.Format },
		"how log lines are written"),
}

// definition is a setting with the way from a raw value to its field.
type definition struct {
	Setting
	apply func(c *Config, raw any) error
}

// define ties a setting to the kind of its values and to the field it fills.
func define[T any](key, def string, k kind[T], field func(*Config) *T, doc string) definition {
	return definition{
		Setting: Setting{Key: key, Variable: variable(key), Default: def, Doc: doc, Allowed: k.allowed},
		apply: func(c *Config, raw any) error {
			value, err := k.parse(raw)
			if err != nil {
				return fmt.Errorf("%w; want %s", err, k.allowed)
			}
			*field(c) = value
			return nil
		},
	}
}

const variablePrefix = "SESSIOND_"

// variable returns the environment's name for a key.
func variable(key string) string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// Settings returns every setting, in the order of the documentation.
func Settings() []Setting {
	all := make([]Setting, len(settings))
	for i, s := range settings {
		all[i] = s.Setting
	}
	return all
}

// Help returns a table of all settings for a terminal: key, variable, default,
// meaning and accepted values, a line for each.
func Help() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	// A strings.Builder never fails to write.
	_, _ = fmt.Fprintln(w, "SETTING\tVARIABLE\tDEFAULT\tMEANING")
	for _, s := range settings {
		def := s.Default
		if def == "" {
			def = "none"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s (%s)\n", s.Key, s.Variable, def, s.Doc, s.Allowed)
	}
	_ = w.Flush()
	return b.String()
}

// names returns the same field of every setting.
func names(of func(Setting) string) []string {
	all := make([]string, len(settings))
	for i, s := range settings {
		all[i] = of(s.Setting)
	}
	return all
}
