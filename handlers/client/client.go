package client

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// defaultTimeout is far more than the 2 seconds that sessiond takes at
	// most, plus the queue of a login.
	defaultTimeout = 30 * time.Second
	// idleConnections is how many connections the default client keeps to one
	// host; net/http's own default of 2 would open one for nearly each request
	// of a busy service.
	idleConnections = 100
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 64 << 10

	defaultUserAgent = "sessiond-client"
)

// Client calls one sessiond. It is safe for concurrent use; make one and share
// it, because it keeps connections open.
type Client struct {
	base      string
	verifyURL string
	http      *http.Client
	userAgent string
	retries   int
	longest   time.Duration
	logger    *slog.Logger
}

// New returns a client of the API at baseURL, base path included, such as
// "https://example.com/api". It sends nothing yet.
func New(baseURL string, opts ...Option) (*Client, error) {
	base, err := checkURL(baseURL)
	if err != nil {
		return nil, err
	}
	c := &Client{base: strings.TrimRight(base, "/"), userAgent: defaultUserAgent}
	for _, opt := range opts {
		if err := opt(c); err != nil {
			return nil, err
		}
	}
	if c.http == nil {
		c.http = &http.Client{Timeout: defaultTimeout, Transport: newTransport()}
	}
	// A copy: the caller's own stays as it is.
	unredirected := *c.http
	unredirected.Transport = withoutRedirects{next: unredirected.Transport}
	c.http = &unredirected
	return c, nil
}

func newTransport() http.RoundTripper {
	shared, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		// The program has put something else there, for a reason.
		return http.DefaultTransport
	}
	transport := shared.Clone()
	transport.MaxIdleConnsPerHost = idleConnections
	transport.MaxResponseHeaderBytes = maxHeader
	return transport
}

// withoutRedirects hides where redirects lead, so that they are answers like
// any other: a token or password goes to the configured address alone.
type withoutRedirects struct {
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t withoutRedirects) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	resp, err := next.RoundTrip(r)
	if resp != nil {
		resp.Header.Del("Location")
	}
	return resp, err
}

// checkURL returns a URL that requests can go to. Its errors do not repeat the
// text, which may hold a password.
func checkURL(text string) (string, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("client: this is no URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("client: the URL does not begin with http:// or https://")
	case u.Host == "":
		return "", errors.New("client: the URL has no host")
	case u.User != nil:
		// net/http would send them in the place of a token.
		return "", errors.New("client: the URL holds a user name or a password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("client: the URL has a query or a fragment")
	default:
		return u.String(), nil
	}
}
