package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// await waits for as long as refused asks. It returns refused itself where that
// is too long, or not said.
func (c *Client) await(ctx context.Context, refused error) error {
	failure, ok := errors.AsType[*Error](refused)
	if !ok || failure.RetryAfter <= 0 || failure.RetryAfter > c.longest {
		return refused
	}
	// Rather the server's answer now than the context's error later.
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= failure.RetryAfter {
		return refused
	}
	timer := time.NewTimer(failure.RetryAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w, and while waiting: %w", refused, ctx.Err())
	}
}

// retryAfter reads the field of RFC 9110, section 10.2.3: seconds or, as a proxy
// may send it, a date. It is zero where there is none to read.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		if n > math.MaxInt64/uint64(time.Second) {
			return math.MaxInt64
		}
		return time.Duration(n) * time.Second
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	// Dates have whole seconds: at least one, or "now" would read as "unsaid".
	return max(time.Until(date), time.Second)
}
