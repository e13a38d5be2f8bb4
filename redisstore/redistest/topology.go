package redistest

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// memoryDir makes a directory that ends with the test, in memory where the
// system has a place for that. Sentinels and cluster nodes sync each step of a
// failover to disk and answer nobody meanwhile: on a busy disk long enough for
// others to take them to be down.
func memoryDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "redistest-") //nolint:usetesting // TempDir lies on disk.
	if err != nil {
		return tb.TempDir()
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("redistest: %v", err)
		}
	})
	return dir
}

func addrs(servers []*Server) []string {
	all := make([]string, len(servers))
	for i, server := range servers {
		all[i] = server.Addr()
	}
	return all
}

// query opens a connection to a server for one question. A killed or frozen
// server costs an error and at most a second.
func query(server *Server, question func(context.Context, *redis.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	client := server.client()
	defer func() { _ = client.Close() }()
	return question(ctx, client)
}

// info returns a section of a server's INFO, or nil where the server does not
// answer.
func info(server *Server, section string) map[string]string {
	var text string
	err := query(server, func(ctx context.Context, client *redis.Client) (err error) {
		text, err = client.Info(ctx, section).Result()
		return err
	})
	if err != nil {
		return nil
	}
	return fields(text)
}

// fields reads the lines "name:value" of INFO and CLUSTER INFO.
func fields(text string) map[string]string {
	values := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			values[name] = value
		}
	}
	return values
}
