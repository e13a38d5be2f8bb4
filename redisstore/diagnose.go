package redisstore

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Server is what one primary says of itself.
type Server struct {
	// Address is host:port as the client reached it.
	Address string
	// Version is of Redis, or of the Redis that a Valkey is compatible with.
	Version string
	// Mode is standalone, sentinel or cluster, Role master or slave, both in
	// Redis' own words.
	Mode, Role string
	// Replicas is how many are connected.
	Replicas int
	// EvictionPolicy is maxmemory-policy.
	EvictionPolicy string
	// UsedMemory, MaxMemory and SystemMemory are in bytes. MaxMemory is 0 where
	// there is no limit.
	UsedMemory, MaxMemory, SystemMemory int64
	// AppendOnly tells whether each write goes to a file.
	AppendOnly bool
	// LastSaveFailed tells that the last snapshot, or the last write to the
	// append-only file, did not succeed.
	LastSaveFailed bool
	// SnapshotChanges is how many writes no snapshot has yet.
	SnapshotChanges int64
	// ClockDifference is its clock less this machine's, as exact as half of a
	// round trip.
	ClockDifference time.Duration
}

// Servers asks every primary about itself.
func (s *Store) Servers(ctx context.Context) ([]Server, error) {
	primaries, err := s.primaries(ctx)
	if err != nil {
		return nil, fmt.Errorf("reach Redis: %w", err)
	}
	servers := make([]Server, 0, len(primaries))
	for _, primary := range primaries {
		server, err := s.describe(ctx, primary)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", server.Address, err)
		}
		servers = append(servers, server)
	}
	return servers, nil
}

func (s *Store) describe(ctx context.Context, rdb redis.UniversalClient) (Server, error) {
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	server := Server{Address: addressOf(rdb)}

	text, err := rdb.Info(ctx).Result()
	if err != nil {
		return server, err
	}
	info := parseInfo(text)
	server.Version, server.Mode, server.Role = info["redis_version"], info["redis_mode"], info["role"]
	server.Replicas = int(info.number("connected_slaves"))
	server.EvictionPolicy = info["maxmemory_policy"]
	server.UsedMemory = info.number("used_memory")
	server.MaxMemory = info.number("maxmemory")
	server.SystemMemory = info.number("total_system_memory")
	server.AppendOnly = info["aof_enabled"] == "1"
	server.LastSaveFailed = info["rdb_last_bgsave_status"] == "err" || info["aof_last_write_status"] == "err"
	server.SnapshotChanges = info.number("rdb_changes_since_last_save")

	sent := time.Now()
	clock, err := rdb.Time(ctx).Result()
	if err != nil {
		return server, err
	}
	server.ClockDifference = clock.Sub(sent.Add(time.Since(sent) / 2)).Round(time.Millisecond)
	return server, nil
}

func addressOf(rdb redis.UniversalClient) string {
	if client, ok := rdb.(interface{ Options() *redis.Options }); ok {
		return client.Options().Addr
	}
	return "Redis"
}

// serverInfo is the reply to INFO.
// https://redis.io/docs/latest/commands/info/
type serverInfo map[string]string

func parseInfo(text string) serverInfo {
	info := make(serverInfo)
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// number is 0 for what the server does not tell.
func (i serverInfo) number(name string) int64 {
	n, _ := strconv.ParseInt(i[name], 10, 64)
	return n
}
