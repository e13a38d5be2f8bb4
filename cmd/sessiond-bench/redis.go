package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a Redis of the benchmark's own, without persistence: a snapshot
// under way would take a core from whoever is measured at that moment.
type redisServer struct {
	*child
	address string
	client  *redis.Client
}

func (l *lab) startRedis(ctx context.Context) (*redisServer, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	c := command{path: "redis-server", dir: l.dir, args: []string{
		"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction",
	}}
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: -1})
	p, err := l.startServer(ctx, c, func() bool { return client.Ping(ctx).Err() == nil })
	if err != nil {
		return nil, err
	}
	return &redisServer{child: p, address: address, client: client}, nil
}

// memory is what Redis' data takes, in bytes: used_memory of INFO.
func (r *redisServer) memory(ctx context.Context) (int64, error) {
	// INFO counts what clients' buffers take, too; theirs are empty by now.
	text, err := r.info(ctx, "memory", "used_memory")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func (r *redisServer) info(ctx context.Context, section, field string) (string, error) {
	info, err := r.client.Info(ctx, section).Result()
	if err != nil {
		return "", fmt.Errorf("INFO %s: %w", section, err)
	}
	_, rest, found := strings.Cut(info, "\n"+field+":")
	if !found {
		return "", fmt.Errorf("INFO %s has no %s", section, field)
	}
	value, _, _ := strings.Cut(rest, "\r\n")
	return value, nil
}

// server is one program under load.
type server struct {
	name   string
	child  *child
	target target
}

// startSessiond runs the real binary with its defaults, but for where things
// are and for a limit that the load stays under. A setting in extra overrides.
func (l *lab) startSessiond(ctx context.Context, redisAddress string, db int, keys string, extra ...string) (server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return server{}, err
	}
	admin, err := freeAddress(ctx)
	if err != nil {
		return server{}, err
	}
	c := command{path: l.sessiond, args: []string{"serve"}, dir: l.dir, stderr: l.log(), env: append([]string{
		"SESSIOND_HTTP_ADDRESS=" + address,
		"SESSIOND_ADMIN_ADDRESS=" + admin,
		"SESSIOND_REDIS_ADDRESSES=" + redisAddress,
		"SESSIOND_REDIS_DB=" + strconv.Itoa(db),
		"SESSIOND_TOKENS_KEY_DIRECTORY=" + keys,
		"SESSIOND_LIMITS_API_REQUESTS=1000000000",
	}, extra...)}
	p, err := l.startServer(ctx, c, func() bool { return accepts(ctx, address) })
	if err != nil {
		return server{}, err
	}
	return server{name: "sessiond", child: p, target: target{url: "http://" + address + "/api/users/me/sessions/me"}}, nil
}

// startVerify is startSessiond with what gateways ask as the target.
func (l *lab) startVerify(ctx context.Context, redisAddress string, db int, keys string) (server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return server{}, err
	}
	s, err := l.startSessiond(ctx, redisAddress, db, keys, "SESSIOND_VERIFY_ADDRESS="+address)
	s.name, s.target.url = "verify", "http://"+address+"/verify"
	return s, err
}

// log is an absolute path: sessiond runs in the lab's directory.
func (l *lab) log() string {
	path, err := filepath.Abs(l.options.log)
	if err != nil {
		return os.DevNull
	}
	return path
}

// startPeer runs one of bench/peers, which fills its own database.
func (l *lab) startPeer(ctx context.Context, name, redisAddress string, db, sessions int) (server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return server{}, err
	}
	_, redisPort, _ := net.SplitHostPort(redisAddress)
	headers := l.file(name + "-" + strconv.Itoa(len(l.children)) + ".headers")
	c := command{path: l.peers, args: []string{
		name, "-listen", address, "-redis", redisAddress, "-db", strconv.Itoa(db), "-sessions", strconv.Itoa(sessions), "-headers", headers,
	}}
	if name == "express" {
		c = command{path: "node", dir: expressDir, env: []string{"NODE_ENV=production"}, args: []string{
			"server.js", address, redisPort, strconv.Itoa(db), strconv.Itoa(sessions), headers,
		}}
	}
	p, err := l.startServer(ctx, c, func() bool { return accepts(ctx, address) })
	if err != nil {
		return server{}, err
	}
	return server{name: name, child: p, target: target{url: "http://" + address + "/", headers: headers}}, nil
}

const expressDir = "bench/peers/express"

// installExpress fetches what package-lock.json names. An error means that this
// peer stays out, not that nothing can be measured.
func (l *lab) installExpress(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if _, err := l.output(ctx, command{path: "node", args: []string{"--version"}}); err != nil {
		return err
	}
	l.say("installing express-session")
	_, err := l.output(ctx, command{path: "npm", args: []string{"ci", "--omit=dev"}, dir: expressDir})
	return err
}
