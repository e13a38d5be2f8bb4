package redistest

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

const (
	shardCount = 3
	slotCount  = 16384 // fixed by Redis Cluster
)

// Cluster is a Redis Cluster of three primaries with one replica each.
type Cluster struct {
	tb    testing.TB
	nodes []*Server // the first primaries first, then their replicas in the same order
}

// StartCluster runs a Redis Cluster and returns once every node knows who
// serves each slot and every replica is in sync. A node that does not answer
// for 1.5 seconds is taken to be down and its replica takes over.
//
// Further args go to each node's command line, as in Start.
func StartCluster(tb testing.TB, args ...string) *Cluster {
	tb.Helper()
	args = append([]string{
		"--cluster-enabled", "yes",
		"--cluster-node-timeout", "1500",
		// CLUSTER SLOTS leaves a replica out until something was replicated to
		// it, which on an empty primary is the first ping, after 10 s.
		"--repl-ping-replica-period", "1",
	}, args...)
	cluster := &Cluster{tb: tb}
	for range 2 * shardCount {
		cluster.nodes = append(cluster.nodes, launch(tb, memoryDir(tb), args...))
	}
	for _, node := range cluster.nodes {
		node.awaitReady()
	}
	cluster.introduce()
	cluster.replicate()
	Eventually(tb, "the cluster to be complete", cluster.complete)
	return cluster
}

// introduce shares the slots out and has the nodes meet. Each gets a
// configuration epoch of its own first: nodes that share one settle that by
// themselves, but only after a while.
func (c *Cluster) introduce() {
	c.tb.Helper()
	first := c.nodes[0]
	for i, node := range c.nodes {
		c.do(node, func(ctx context.Context, client *redis.Client) error {
			if err := client.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(); err != nil {
				return err
			}
			if i < shardCount {
				from, to := slotCount*i/shardCount, slotCount*(i+1)/shardCount-1
				if err := client.ClusterAddSlotsRange(ctx, from, to).Err(); err != nil {
					return err
				}
			}
			return client.ClusterMeet(ctx, host, strconv.Itoa(first.port)).Err()
		})
	}
	Eventually(c.tb, "the nodes to meet", func() bool {
		return c.all(func(node *Server) bool {
			state := clusterInfo(node)
			return state["cluster_known_nodes"] == strconv.Itoa(len(c.nodes)) &&
				state["cluster_slots_assigned"] == strconv.Itoa(slotCount)
		})
	})
}

// replicate gives each primary its replica.
func (c *Cluster) replicate() {
	c.tb.Helper()
	for i, primary := range c.nodes[:shardCount] {
		var id string
		c.do(primary, func(ctx context.Context, client *redis.Client) (err error) {
			id, err = client.ClusterMyID(ctx).Result()
			return err
		})
		c.do(c.nodes[shardCount+i], func(ctx context.Context, client *redis.Client) error {
			return client.ClusterReplicate(ctx, id).Err()
		})
	}
}

// complete reports whether all nodes agree that the cluster is whole.
func (c *Cluster) complete() bool {
	return c.all(func(node *Server) bool {
		if clusterInfo(node)["cluster_state"] != "ok" {
			return false
		}
		if link, isReplica := info(node, "replication")["master_link_status"]; isReplica && link != "up" {
			return false
		}
		ranges, err := slots(node)
		if err != nil || len(ranges) != shardCount {
			return false
		}
		for _, served := range ranges {
			if len(served.Nodes) != 2 {
				return false
			}
		}
		return true
	})
}

// Addrs returns the addresses of all nodes.
func (c *Cluster) Addrs() []string { return addrs(c.nodes) }

// Nodes returns all nodes: those that began as primaries, then those that
// began as their replicas, in the same order.
func (c *Cluster) Nodes() []*Server { return c.nodes }

// PrimaryOf returns the node that serves writes to key now, as the first node
// that answers sees it. Until a failover that is the old primary, dead or not.
func (c *Cluster) PrimaryOf(key string) *Server {
	c.tb.Helper()
	return c.shardOf(key)[0]
}

// ReplicaOf returns the replica of the node that serves key. It waits until
// there is one: CLUSTER SLOTS lists no replica that is down or not in sync.
func (c *Cluster) ReplicaOf(key string) *Server {
	c.tb.Helper()
	var replica *Server
	Eventually(c.tb, fmt.Sprintf("a replica to hold the key %q", key), func() bool {
		shard := c.shardOf(key)
		if len(shard) > 1 {
			replica = shard[1]
		}
		return replica != nil
	})
	return replica
}

// AwaitFailover waits until every other node that answers names another primary
// for key than old and finds the cluster whole, and returns that primary.
func (c *Cluster) AwaitFailover(key string, old *Server) *Server {
	c.tb.Helper()
	var heir *Server
	Eventually(c.tb, "a failover", func() bool {
		heir = nil
		for _, node := range c.nodes {
			if node == old {
				continue
			}
			state := clusterInfo(node)
			if state == nil {
				continue // also killed or frozen
			}
			shard := c.shardSeenBy(node, key)
			if state["cluster_state"] != "ok" || shard == nil || shard[0] == old || heir != nil && shard[0] != heir {
				return false
			}
			heir = shard[0]
		}
		return heir != nil
	})
	return heir
}

// shardOf returns the primary and the replicas of a key as the first node that
// answers sees them.
func (c *Cluster) shardOf(key string) []*Server {
	c.tb.Helper()
	var shard []*Server
	Eventually(c.tb, fmt.Sprintf("a node that serves the key %q", key), func() bool {
		for _, node := range c.nodes {
			if shard = c.shardSeenBy(node, key); shard != nil {
				return true
			}
		}
		return false
	})
	return shard
}

// shardSeenBy is nil where the node does not answer or knows of nobody.
func (c *Cluster) shardSeenBy(node *Server, key string) []*Server {
	var slot int64
	err := query(node, func(ctx context.Context, client *redis.Client) (err error) {
		slot, err = client.ClusterKeySlot(ctx, key).Result()
		return err
	})
	if err != nil {
		return nil
	}
	ranges, err := slots(node)
	if err != nil {
		return nil
	}
	for _, served := range ranges {
		if int64(served.Start) <= slot && slot <= int64(served.End) {
			return c.servers(served.Nodes)
		}
	}
	return nil
}

// servers finds the servers of nodes by their ports.
func (c *Cluster) servers(nodes []redis.ClusterNode) []*Server {
	var found []*Server
	for _, node := range nodes {
		for _, server := range c.nodes {
			if _, port, err := net.SplitHostPort(node.Addr); err == nil && port == strconv.Itoa(server.port) {
				found = append(found, server)
			}
		}
	}
	return found
}

func (c *Cluster) all(holds func(*Server) bool) bool {
	for _, node := range c.nodes {
		if !holds(node) {
			return false
		}
	}
	return true
}

// do puts a command to a node and fails the test on an error.
func (c *Cluster) do(node *Server, command func(context.Context, *redis.Client) error) {
	c.tb.Helper()
	if err := query(node, command); err != nil {
		c.tb.Fatalf("redistest: setting the cluster up at %s: %v", node.Addr(), err)
	}
}

func clusterInfo(node *Server) map[string]string {
	var text string
	err := query(node, func(ctx context.Context, client *redis.Client) (err error) {
		text, err = client.ClusterInfo(ctx).Result()
		return err
	})
	if err != nil {
		return nil
	}
	return fields(text)
}

func slots(node *Server) (ranges []redis.ClusterSlot, err error) {
	err = query(node, func(ctx context.Context, client *redis.Client) (err error) {
		ranges, err = client.ClusterSlots(ctx).Result() //nolint:staticcheck // Redis 6.2 has no CLUSTER SHARDS.
		return err
	})
	return ranges, err
}
