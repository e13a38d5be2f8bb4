package client

import (
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Option adjusts a Client.
type Option func(*Client) error

// WithHTTPClient sends through h, for a transport, a timeout or tracing of your
// own. Redirects are not followed, whatever h would do. The default gives up
// after 30 seconds and keeps up to 100 idle connections.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) error {
		if h == nil {
			return errors.New("client: WithHTTPClient takes a client")
		}
		c.http = h
		return nil
	}
}

// WithUserAgent tells the server who calls. Sessions that are opened without a
// name are named after it.
func WithUserAgent(userAgent string) Option {
	return func(c *Client) error {
		if !sendable(userAgent) {
			return errors.New("client: the user agent is empty or does not fit on a line")
		}
		c.userAgent = userAgent
		return nil
	}
}

// WithRetries repeats a request that was refused with 429, up to retries times,
// each after the time that the server's Retry-After asks for. An answer that
// asks for more than longest, or for more than the context's deadline leaves, is
// returned at once. Only refusals are repeated, so nothing is ever done twice.
// [Client.Verify] and [Client.Require] never wait.
func WithRetries(retries int, longest time.Duration) Option {
	return func(c *Client) error {
		if retries < 0 || longest < 0 {
			return errors.New("client: retries or their longest wait are negative")
		}
		c.retries, c.longest = retries, longest
		return nil
	}
}

// WithVerifyURL makes [Client.Verify] and [Client.Require] ask sessiond's verify
// endpoint, such as "http://sessiond:9091/verify", instead of the API. This is
// the recommended way: it is faster, no limit applies, and it tells who is
// staff.
func WithVerifyURL(verifyURL string) Option {
	return func(c *Client) error {
		checked, err := checkURL(verifyURL)
		c.verifyURL = checked
		return err
	}
}

// WithLogger sets where [Client.Require] reports that sessiond could not be
// asked. The default is slog.Default.
func WithLogger(logger *slog.Logger) Option {
	return func(c *Client) error {
		c.logger = logger
		return nil
	}
}

func (c *Client) log() *slog.Logger {
	if c.logger != nil {
		return c.logger
	}
	return slog.Default()
}

// sendable tells whether text is one header value of visible text.
func sendable(text string) bool {
	for _, b := range []byte(text) {
		if b < ' ' || b == 0x7f {
			return false
		}
	}
	return text != ""
}
