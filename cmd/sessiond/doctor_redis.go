package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

const (
	// Limits' windows and tokens' expiries are by the replicas' clocks, session
	// IDs and keys' expiries by Redis': this much apart is no harm.
	clockTolerance = time.Second
	// lowMemory is the part of the memory, in percent, below which a night's
	// logins may be the end of it.
	lowMemory = 20
)

func examineServer(r *findings, c config.Redis, s redisstore.Server) {
	examineVersion(r, c, s)
	examineEviction(r, s)
	examineMemory(r, s)
	examinePersistence(r, c, s)

	if difference := s.ClockDifference.Abs(); difference > clockTolerance {
		r.warn("clock", fmt.Sprintf("%s and this machine differ by %v", s.Address, difference), "synchronise both (NTP)")
	} else {
		r.ok("clock", fmt.Sprintf("%s and this machine differ by %v", s.Address, difference))
	}
}

func examineVersion(r *findings, c config.Redis, s redisstore.Server) {
	finding := fmt.Sprintf("%s is version %s, %s, %s with %d replicas", s.Address, s.Version, s.Mode, s.Role, s.Replicas)
	switch {
	case !atLeast(s.Version, 6, 2):
		r.fail("redis", finding, "sessiond needs 6.2 or newer")
	case s.Role != "master":
		r.fail("redis", finding, "sessions are checked on the primary alone")
	case (s.Mode == "cluster") != (c.Mode == config.ModeCluster):
		r.fail("redis", finding, "redis.mode says "+c.Mode)
	case s.Replicas < c.WaitReplicas:
		r.fail("redis", finding, fmt.Sprintf("redis.wait_replicas is %d: no session can be ended", c.WaitReplicas))
	default:
		r.ok("redis", finding)
	}
}

// atLeast compares the first two numbers of a version.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	gotMajor, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	gotMinor, err := strconv.Atoi(parts[1])
	return err == nil && (gotMajor > major || (gotMajor == major && gotMinor >= minor))
}

func examineEviction(r *findings, s redisstore.Server) {
	if s.EvictionPolicy != "noeviction" {
		r.fail("eviction", fmt.Sprintf("%s has maxmemory-policy %s, which logs users out when memory runs out", s.Address, s.EvictionPolicy),
			"CONFIG SET maxmemory-policy noeviction, and in redis.conf")
		return
	}
	r.ok("eviction", s.Address+" has maxmemory-policy noeviction")
}

func examineMemory(r *findings, s redisstore.Server) {
	limit, kind := s.MaxMemory, "maxmemory"
	if limit == 0 {
		limit, kind = s.SystemMemory, "the machine's memory"
	}
	if limit == 0 {
		r.warn("memory", s.Address+" does not tell how much it may use", "look at the host")
		return
	}
	left := max(limit-s.UsedMemory, 0)
	finding := fmt.Sprintf("%s has %s left of %s, %s", s.Address, mebibytes(left), mebibytes(limit), kind)
	if left*100/limit < lowMemory {
		r.warn("memory", finding, "give it more: without memory nobody can log in")
		return
	}
	r.ok("memory", finding)
}

func mebibytes(bytes int64) string {
	return fmt.Sprintf("%d MiB", bytes>>20)
}

func examinePersistence(r *findings, c config.Redis, s redisstore.Server) {
	switch {
	case s.LastSaveFailed:
		r.fail("persistence", s.Address+" could not write to its disk", "look at its log and its disk")
	case s.AppendOnly:
		r.ok("persistence", s.Address+" writes an append-only file")
	case c.WaitReplicas > 0:
		r.ok("persistence", s.Address+" writes no append-only file, but endings wait for replicas")
	default:
		r.warn("persistence", fmt.Sprintf("%s writes no append-only file; %d changes are in no snapshot", s.Address, s.SnapshotChanges),
			"CONFIG SET appendonly yes, and in redis.conf: a restart loses them")
	}
}
