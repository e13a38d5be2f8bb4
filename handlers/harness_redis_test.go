package handlers_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore/redistest"
)

var eventually = redistest.Eventually

// dump is all that Redis holds but for the limiters' counters and the stream of
// all users' events, as text by key.
// usedAt is left out: it is noted some time after a request.
func (s *service) dump() map[string]string {
	s.t.Helper()
	ctx := context.Background()
	rdb := s.redis.Client()
	all := map[string]string{}
	for _, key := range s.keys("*") {
		// The stream of all users is written some time after a request, too.
		if strings.HasPrefix(key, "rate:") || key == "events" {
			continue
		}
		kind, err := rdb.Type(ctx, key).Result()
		if err != nil {
			s.t.Fatal(err)
		}
		switch kind {
		case "hash":
			fields, err := rdb.HGetAll(ctx, key).Result()
			if err != nil {
				s.t.Fatal(err)
			}
			delete(fields, "usedAt")
			var text strings.Builder
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				fmt.Fprintf(&text, "%s=%q ", name, fields[name])
			}
			all[key] = text.String()
		case "zset":
			members, err := rdb.ZRangeWithScores(ctx, key, 0, -1).Result()
			if err != nil {
				s.t.Fatal(err)
			}
			all[key] = fmt.Sprint(members)
		case "string":
			text, err := rdb.Get(ctx, key).Result()
			if err != nil {
				s.t.Fatal(err)
			}
			all[key] = text
		default:
			all[key] = kind
		}
	}
	return all
}

// unchanged fails where Redis holds something else than before.
func (s *service) unchanged(t *testing.T, before map[string]string) {
	t.Helper()
	if diff := cmp.Diff(before, s.dump()); diff != "" {
		t.Errorf("Redis holds something else (-before +after):\n%s", diff)
	}
}

// keys are those that match a pattern of SCAN, in order.
func (s *service) keys(pattern string) []string {
	s.t.Helper()
	keys := []string{}
	iterator := s.redis.Client().Scan(context.Background(), 0, pattern, 1000).Iterator()
	for iterator.Next(context.Background()) {
		keys = append(keys, iterator.Val())
	}
	if err := iterator.Err(); err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// raw sends bytes as they stand, which Go's client would not, closes its side
// and reads one answer.
func (r *replica) raw(text string) answer {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	if _, err := io.WriteString(conn, text); err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		r.t.Fatalf("the answer to %.80q: %v", text, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	got := answer{status: resp.StatusCode, header: resp.Header, text: string(body)}
	r.rawFitsDocument(text, got)
	return got
}

// rawRequest is the text of a request without a body.
func rawRequest(method, path string, headers ...string) string {
	text := method + " " + path + " HTTP/1.1\r\nHost: sessiond.test\r\nConnection: close\r\n"
	for i := 0; i+1 < len(headers); i += 2 {
		text += headers[i] + ": " + headers[i+1] + "\r\n"
	}
	return text + "\r\n"
}

// rawBody is the text of a request with a body.
func rawBody(method, path, body string, headers ...string) string {
	return rawRequest(method, path, append(headers, "Content-Length", fmt.Sprint(len(body)))...) + body
}

// startRedis is for tests that share one server among their services.
func startRedis(t *testing.T) *redistest.Server {
	t.Helper()
	return redistest.Start(t)
}
