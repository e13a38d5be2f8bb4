package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
)

// maxAnswer bounds the body of an answer, in bytes. A page of 50 whole sessions
// takes a tenth of it.
const maxAnswer = 1 << 20

// call is one request of the API, and where its answer goes.
type call struct {
	method string
	url    string
	// token is sent where it is not empty.
	token  string
	header http.Header
	// body is sent as JSON, unless it is nil.
	body any
	// status is that of success, whose body is decoded into result.
	status int
	result any
}

// do sends a call, again where WithRetries asks for it.
func (c *Client) do(ctx context.Context, k call) error {
	for attempt := 0; ; attempt++ {
		err := c.once(ctx, k)
		if attempt == c.retries || !errors.Is(err, ErrRateLimited) {
			return err
		}
		if err := c.await(ctx, err); err != nil {
			return err
		}
	}
}

// once sends a call a single time.
func (c *Client) once(ctx context.Context, k call) error {
	resp, data, err := c.exchange(ctx, k)
	if err != nil {
		return err
	}
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); mediaType != "application/json" {
		failure := unexpected(resp.StatusCode, "it is not JSON")
		failure.RetryAfter = retryAfter(resp.Header)
		return failure
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return readError(resp, data)
	}
	if resp.StatusCode != k.status {
		return unexpected(resp.StatusCode, "a status that the API does not have here")
	}
	// The decoder's own errors quote the text, which may be a token's.
	if json.Unmarshal(data, k.result) != nil {
		return unexpected(resp.StatusCode, "the JSON is not what was asked for")
	}
	return nil
}

// exchange sends a call and reads the whole answer, whose body is closed.
func (c *Client) exchange(ctx context.Context, k call) (*http.Response, []byte, error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return nil, nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("client: no answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, nil, fmt.Errorf("client: read the answer: %w", err)
	}
	if len(data) > maxAnswer {
		return nil, nil, unexpected(resp.StatusCode, "it is longer than 1 MiB")
	}
	return resp, data, nil
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	var body io.Reader
	if k.body != nil {
		data, err := json.Marshal(k.body)
		if err != nil {
			return nil, fmt.Errorf("client: encode the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, k.method, k.url, body)
	if err != nil {
		return nil, fmt.Errorf("client: make the request: %w", err)
	}
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Accept", "application/json")
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.token != "" {
		req.Header.Set("Authorization", "Bearer "+k.token)
	}
	for name, values := range k.header {
		req.Header[name] = values
	}
	return req, nil
}

func readError(resp *http.Response, data []byte) error {
	var body struct {
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Fields  []string `json:"fields"`
	}
	if json.Unmarshal(data, &body) != nil || body.Code == "" {
		return unexpected(resp.StatusCode, "it is not an error of the API")
	}
	return &Error{
		Status: resp.StatusCode, Code: body.Code, Message: body.Message, Fields: body.Fields,
		RetryAfter: retryAfter(resp.Header),
	}
}
