// Command peers serves what sessiond is measured against: the least that any
// answer out of Redis costs, and what people would use instead. They have a
// module of their own, so that the product's go.mod lists only what the product
// uses.
//
// Each peer fills its own database, writes a file with one request header for
// each session, and then serves GET / on loopback until it is killed:
//
//	peers floor|naive|scs -listen 127.0.0.1:8001 -redis 127.0.0.1:7001 -db 1 -sessions 2000 -headers FILE
//
// All answer with about as many bytes as sessiond, on net/http as it comes and
// a go-redis client with its default options.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// peer fills Redis with sessions and returns a handler, and the header line by
// which a request names each session.
type peer func(ctx context.Context, rdb *redis.Client, sessions int) (h http.Handler, headers []string, err error)

var peers = map[string]peer{
	"floor": newFloor,
	"naive": newNaive,
	"scs":   newSCS,
}

var errUsage = errors.New("usage: peers floor|naive|scs [flags]")

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || peers[args[0]] == nil {
		return errUsage
	}
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address to serve on")
	address := flags.String("redis", "127.0.0.1:6379", "address of Redis")
	db := flags.Int("db", 0, "database to fill; what is in it is overwritten")
	sessions := flags.Int("sessions", 2000, "sessions to fill it with")
	headers := flags.String("headers", "", "file to write the sessions' header lines to")
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}

	rdb := redis.NewClient(&redis.Options{Addr: *address, DB: *db})
	defer func() { _ = rdb.Close() }()
	handler, lines, err := peers[args[0]](ctx, rdb, *sessions)
	if err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	if err := os.WriteFile(*headers, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	server := &http.Server{Addr: *listen, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}

// writeBody answers with JSON that is there already.
func writeBody(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write([]byte(body)) //nolint:gosec // It is JSON, and says so.
}

// refuse answers as every peer does where there is no such session. The
// benchmark then counts the whole run for nothing.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, errNoSession) {
		status = http.StatusUnauthorized
	}
	http.Error(w, http.StatusText(status), status)
}

var errNoSession = errors.New("no such session")

// inBatches runs fill for 0 … n-1, a thousand commands for each round trip.
func inBatches(ctx context.Context, rdb *redis.Client, n int, fill func(pipe redis.Pipeliner, i int) error) error {
	const batch = 1000
	for start := 0; start < n; start += batch {
		_, err := rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i := start; i < min(start+batch, n); i++ {
				if err := fill(pipe, i); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("fill Redis: %w", err)
		}
	}
	return nil
}
