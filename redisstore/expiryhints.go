package redisstore

import (
	"hash/maphash"
	"sync/atomic"
)

// expiryHints remembers counters that this replica has given their expiry, so
// that it need not send EXPIRE with every request of a window. It is a hint: a
// counter that is forgotten gets its expiry once more, and one that vanished
// shows by counting from 1 again.
type expiryHints struct {
	seed  maphash.Seed
	slots [1 << 15]atomic.Uint64
}

func newExpiryHints() *expiryHints {
	return &expiryHints{seed: maphash.MakeSeed()}
}

// known tells whether the counter got its expiry from here. Two keys with the
// same 64 bits would be taken for one, once in some 10^14 windows of 100,000
// users.
func (h *expiryHints) known(key string) bool {
	sum := maphash.String(h.seed, key)
	return h.slots[sum%uint64(len(h.slots))].Load() == sum
}

func (h *expiryHints) add(key string) {
	sum := maphash.String(h.seed, key)
	h.slots[sum%uint64(len(h.slots))].Store(sum)
}
