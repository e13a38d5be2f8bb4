// Package config reads sessiond's settings once, at the start: defaults, then
// the settings file, then environment variables, each overriding the one
// before. What it hands out is a plain [Config] of checked values; no other
// package sees where a value came from, or viper.
//
// A new setting takes one line in the table of settings.go and one field here.
// Its variable, its line in the help text, its check and its place among the
// known keys follow from that line.
package config

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Redis modes, the values of [Redis.Mode].
const (
	ModeStandalone = "standalone"
	ModeSentinel   = "sentinel"
	ModeCluster    = "cluster"
)

// Log formats, the values of [Log.Format].
const (
	FormatJSON = "json"
	FormatText = "text"
)

// Config holds every setting. A Config that [Load] returned is valid as a
// whole; one built by hand is the builder's responsibility.
type Config struct {
	HTTP      HTTP
	Admin     Admin
	Verify    Verify
	Redis     Redis
	Tokens    Tokens
	Sessions  Sessions
	Limits    Limits
	Passwords Passwords
	Events    Events
	Log       Log
}

// HTTP configures the public listener.
type HTTP struct {
	// Address is host:port; an empty host listens on every address.
	Address string
	// BasePath is where the API begins: "/api", or "" for the root. It never
	// ends in a slash, so a route is BasePath + "/login".
	BasePath string
	// TrustedProxies are the peers whose X-Forwarded-For is believed. They
	// are masked, and IPv4 written as IPv6 is IPv4, so that Contains on an
	// unmapped address is all that a caller needs.
	TrustedProxies []netip.Prefix
	// CORSOrigins are the origins that may read answers in a browser, in the
	// serialization that browsers send (RFC 6454, section 6.2), never "*".
	CORSOrigins []string
	// DrainDelay is how long the server goes on serving after readiness has
	// failed, so that load balancers notice first.
	DrainDelay time.Duration
	// ShutdownTimeout bounds how long requests in flight may take to finish
	// once the drain delay is over.
	ShutdownTimeout time.Duration
}

// Admin configures the listener for metrics and health checks.
type Admin struct {
	// Address is host:port and must never be reachable by the public.
	Address string
}

// Verify configures the listener for gateways.
type Verify struct {
	// Address is host:port, "" for none. It must never be reachable by the
	// public: it has no limits.
	Address string
	// Secret admits callers of /introspect; "" admits nobody.
	Secret string `json:"-"`
}

// String tells the address alone, so that a Config may be printed whole.
func (v Verify) String() string { return v.Address }

// GoString is [Verify.String]: %#v must not print the secret either.
func (v Verify) GoString() string { return v.String() }

// Redis configures the connection to Redis.
type Redis struct {
	// Mode is [ModeStandalone], [ModeSentinel] or [ModeCluster].
	Mode string
	// Addresses holds host:port: the server alone in standalone mode, the
	// sentinels in sentinel mode, any nodes of the cluster in cluster mode.
	Addresses []string
	// MasterName is the name under which the sentinels watch the primary.
	MasterName string
	// Username and Password go into AUTH. An empty Username is the default
	// user; an empty Password means no AUTH at all.
	Username string
	Password string `json:"-"`
	// DB is the number of the logical database; a cluster has only 0.
	DB int
	// TLS encrypts the connection and verifies the server's certificate.
	TLS bool
	// Timeout bounds one call of the store, however many round trips it
	// takes; the calls of one request share one and a half of it. It ends at
	// 1 s because the API promises an answer within 2 s.
	Timeout time.Duration
	// WaitReplicas is how many replicas must have an ending or a ban before
	// it is acknowledged; with 0 a failover can undo the most recent ones.
	WaitReplicas int
}

// String describes the connection without its password, so that a Config may
// be printed or logged whole.
func (r Redis) String() string { return r.Mode + " " + strings.Join(r.Addresses, ",") }

// GoString is [Redis.String]: %#v must not print the password either.
func (r Redis) GoString() string { return r.String() }

// Tokens configures signing and verification.
type Tokens struct {
	// KeyDirectory holds the keys, one <kid>.pem each.
	KeyDirectory string
	// Issuer is the iss claim (RFC 7519, section 4.1.1); "" for none.
	Issuer string
	// LegacyKeyID is the key that checks tokens without a kid; with "" such
	// tokens are refused.
	LegacyKeyID string
	// ActivationDelay is how old a key has to be before it signs.
	ActivationDelay time.Duration
}

// Sessions configures how long sessions live and how many a user may hold.
type Sessions struct {
	// TTL and RememberMeTTL are whole seconds, since exp is; they are the
	// lifetimes without and with rememberMe.
	TTL           time.Duration
	RememberMeTTL time.Duration
	// IdleTimeout, in whole seconds, ends a session that was not used for so
	// long; 0 ends none for that.
	IdleTimeout time.Duration
	// MaxPerUser is how many live sessions a user may hold before a login
	// ends the oldest.
	MaxPerUser int
}

// Limits configures the two rate limits.
type Limits struct {
	// Login counts logins by client IP.
	Login Limit
	// API counts all other requests by user or client IP, in fixed windows of
	// whole seconds.
	API Limit
}

// Limit admits Requests in each Window.
type Limit struct {
	Requests int
	Window   time.Duration
}

// Events configures what is kept of what happens to sessions and accounts.
type Events struct {
	// MaxPerUser is how many events a user's trail keeps, about; with 0 there
	// is no trail.
	MaxPerUser int
}

// Passwords configures how passwords are hashed.
type Passwords struct {
	// BcryptCost is the base-2 logarithm of the number of rounds.
	BcryptCost int
}

// Log configures what is written to standard error.
type Log struct {
	Level slog.Level
	// Format is [FormatJSON] or [FormatText].
	Format string
}

// Default returns the settings of a sessiond that was given none.
func Default() Config {
	// The table's own defaults cannot fail: a test holds it to that.
	c, _ := Load("", nil)
	return c
}
