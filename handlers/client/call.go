package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
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
	got, err := c.exchange(ctx, k)
	switch {
	case err != nil:
		return err
	case !got.isJSON() || got.status >= http.StatusBadRequest:
		return got.failure()
	case got.status != k.status:
		return unexpected(got.status, "a status that the API does not have here")
	// The decoder's own errors quote the text, which may be a token's.
	case json.Unmarshal(got.body, k.result) != nil:
		return unexpected(got.status, "the JSON is not what was asked for")
	default:
		return nil
	}
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// exchange sends a call and reads the whole answer.
func (c *Client) exchange(ctx context.Context, k call) (reply, error) {
	req, err := c.request(ctx, k)
	if err != nil {
		return reply{}, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("client: no answer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return reply{}, fmt.Errorf("client: read the answer: %w", err)
	}
	if len(data) > maxAnswer {
		return reply{}, unexpected(resp.StatusCode, "it is longer than 1 MiB")
	}
	return reply{status: resp.StatusCode, header: resp.Header, body: data}, nil
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
	maps.Copy(req.Header, k.header)
	return req, nil
}

func (r reply) isJSON() bool {
	// The error may be about a parameter, which does not matter.
	mediaType, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	return mediaType == "application/json"
}

// failure reads an answer that is no success.
func (r reply) failure() error {
	var body struct {
		Code    string   `json:"code"`
		Message string   `json:"message"`
		Fields  []string `json:"fields"`
	}
	failure := &Error{Status: r.status, RetryAfter: retryAfter(r.header)}
	switch {
	case !r.isJSON():
		failure.fault = "it is not JSON"
	case json.Unmarshal(r.body, &body) != nil || body.Code == "":
		failure.fault = "it is not an error of the API"
	default:
		failure.Code, failure.Message, failure.Fields = body.Code, body.Message, body.Fields
	}
	return failure
}
