package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// readAll reads an answer to its end, so that its connection is used again.
func readAll(res *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	return body, nil
}

// accepts tells whether somebody listens on an address.
func accepts(ctx context.Context, address string) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
