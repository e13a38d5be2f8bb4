// Package handlers speaks HTTP: it turns requests into calls of the session
// store and the store's answers into the API's JSON.
//
// A request passes the wrappers of middleware.go, finds its route in routes.go,
// is charged and identified in limit.go and auth.go, and ends in the handler
// named after its resource. Handlers return errors; errors.go alone turns them
// into responses.
package handlers

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/sessiond/sessiond/handlers/openapi"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

// Store is what the API needs of the session store. "Not found" is a value;
// every error means that the store could not answer.
type Store interface {
	Authenticate(ctx context.Context, b redisstore.Bearer, address string) (redisstore.Access, error)
	Lookup(ctx context.Context, b redisstore.Bearer) (redisstore.Access, error)
	ChargeAddress(ctx context.Context, address string) (redisstore.Quota, error)
	AllowLogin(ctx context.Context, address string) (redisstore.Quota, error)
	AllowScopedSession(ctx context.Context, uid string) (redisstore.Quota, error)

	User(ctx context.Context, uid string) (redisstore.User, bool, error)
	UserByName(ctx context.Context, name string) (redisstore.User, bool, error)
	UpgradePasswordHash(ctx context.Context, uid, from, to string) (bool, error)

	CreateSession(ctx context.Context, n redisstore.NewSession) (redisstore.Session, redisstore.CreateOutcome, error)
	Session(ctx context.Context, uid, sid string) (redisstore.Session, bool, error)
	Sessions(ctx context.Context, uid string) ([]redisstore.SessionName, error)
	FullSessions(ctx context.Context, uid string) ([]redisstore.Session, error)
	LiveSessions(ctx context.Context, uid string, sids []string) ([]string, error)
	RenameSession(ctx context.Context, uid, sid, name string) (bool, error)
	EndSessions(ctx context.Context, uid string, sids []string, e redisstore.Ending) ([]string, error)
	EndAllSessions(ctx context.Context, uid, keep string, e redisstore.Ending) ([]string, error)
	TouchSession(ctx context.Context, uid, sid string) error
}

// Passwords compares and hashes passwords without starving other requests.
type Passwords interface {
	Verify(ctx context.Context, hash, password string) (bool, error)
	Hash(ctx context.Context, password string) (string, error)
	Weak(hash string) bool
	Waiting() int
}

// Issuer tells which key signs tokens at the moment.
type Issuer interface {
	Signer() tokens.Signer
}

// Verifier tells whose a token is by its signature alone; every error means
// that the token admits nobody.
type Verifier interface {
	Verify(token string) (tokens.Claims, error)
	CacheStats() tokens.CacheStats
	JWKS() tokens.JWKSet
}

// Options are the API's settings.
type Options struct {
	// BasePath is where the API begins: empty, or "/api", say.
	BasePath string
	// Version is what the base path itself and the OpenAPI document tell.
	Version string
	// TrustedProxies may say in X-Forwarded-For whom they speak for.
	TrustedProxies []netip.Prefix
	// CORSOrigins are the origins whose scripts may read answers.
	CORSOrigins []string
	// SessionTTL and RememberMeTTL are in whole seconds.
	SessionTTL, RememberMeTTL time.Duration
}

// API is the session API as an http.Handler, and as a prometheus.Collector what
// there is to know about its work.
type API struct {
	http.Handler
	store     Store
	passwords Passwords
	issuer    Issuer
	verifier  Verifier
	options   Options
	clients   clientIPs
	touches   *toucher
	metrics   *metrics
	document  json.RawMessage
	docsPage  *openapi.Docs
	log       *slog.Logger
}

// New returns the API. It runs until Close.
func New(store Store, passwords Passwords, issuer Issuer, verifier Verifier, log *slog.Logger, options Options) *API {
	a := &API{
		store:     store,
		passwords: passwords,
		issuer:    issuer,
		verifier:  verifier,
		options:   options,
		clients:   clientIPs{trusted: options.TrustedProxies},
		touches:   newToucher(store, log),
		metrics:   newMetrics(passwords, verifier),
		document:  openapi.Document(options.BasePath, options.Version),
		docsPage:  openapi.NewDocs(),
		log:       log,
	}
	a.Handler = a.wrap(dispatch(a.routes()))
	return a
}

// Close does what was left to do after the answers. What requests that are still
// under way leave is lost.
func (a *API) Close() {
	a.touches.close()
}
