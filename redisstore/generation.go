package redisstore

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// generations names the keys that count how often everybody's sessions were
// ended. A session notes the generation that it was born in, and is over once
// the key says a later one: whatever the clocks say, one write ends all that
// there are and none that come after. Until the first such write there is no
// key, which is generation 0.
//
// Every check reads the key, so it has to lie where the user's other keys do: on
// a cluster each slot has a key of its own. One for all would be a node that
// every request of every user waits for, and an outage of everything when that
// node fails.
type generations struct {
	perSlot bool
}

const generationPrefix = "sessions:generation"

func newGenerations(rdb redis.UniversalClient) generations {
	_, isCluster := rdb.(*redis.ClusterClient)
	return generations{perSlot: isCluster}
}

// key is where the generation of a user's sessions is.
func (g generations) key(uid string) string {
	if !g.perSlot {
		return generationPrefix
	}
	return slotKeys()[slotOf(uid)]
}

// all are the keys whose change ends every session.
func (g generations) all() []string {
	if !g.perSlot {
		return []string{generationPrefix}
	}
	return slotKeys()
}

// slotKeys holds a key for each slot, with a hash tag that leads there.
var slotKeys = sync.OnceValue(func() []string {
	keys := make([]string, clusterSlots)
	for n, left := 0, len(keys); left > 0; n++ {
		tag := strconv.Itoa(n)
		if slot := slotOf(tag); keys[slot] == "" {
			keys[slot] = generationPrefix + ":{" + tag + "}"
			left--
		}
	}
	return keys
})

const clusterSlots = 16384

// slotOf is the slot of all keys with a hash tag: its CRC16 (XMODEM) modulo the
// number of slots.
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model
func slotOf(tag string) int {
	const polynomial = 0x1021
	var crc uint16
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= polynomial
			}
		}
	}
	return int(crc) % clusterSlots
}

// readGeneration reads a key of generations. One that can't be read is an error:
// nobody may be let in whose session may have been ended.
func readGeneration(cmd *redis.StringCmd) (int64, error) {
	generation, err := cmd.Int64()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the generation of sessions: %w", err)
	}
	return generation, nil
}

// checkedFields are sessionFields with what tells, at the end, which generation
// the session is of.
var checkedFields = append(slices.Clip(sessionFields), "gen")

// parseChecked is parseSession for the values of checkedFields. A session of an
// earlier generation than the current one is none.
func parseChecked(sid string, values []any, current int64) (Session, bool, error) {
	if len(values) != len(checkedFields) {
		return Session{}, false, errors.New("read a session: reply of another length")
	}
	last := len(values) - 1
	session, found, err := parseSession(sid, values[:last])
	if err != nil || !found || !bornIn(values[last], current) {
		return Session{}, false, err
	}
	return session, true, nil
}

// bornIn tells whether a session with this field, which may be missing, is of
// the current generation. One that claims a later one comes from another Redis,
// and is not older than anything that was ended here.
func bornIn(field any, current int64) bool {
	var generation int64
	if text, _ := field.(string); text != "" {
		generation, _ = strconv.ParseInt(text, 10, 64)
	}
	return generation >= current
}
