package redisstore

import (
	"context"
	"fmt"
)

// mend makes sessions and their index entries agree, if asked to.
func (c *consistencyCheck) mend(ctx context.Context, refs []sessionRef) error {
	if !c.repair || len(refs) == 0 {
		return nil
	}
	ctx, cancel := c.store.withTimeout(ctx)
	defer cancel()
	calls := make([]scriptCall, len(refs))
	for i, ref := range refs {
		calls[i] = scriptCall{mendSessionScript, []string{indexKey(ref.uid), sessionKey(ref.uid, ref.sid)}, []any{ref.sid, c.store.idleSeconds()}}
	}
	for _, reply := range c.store.runAll(ctx, calls) {
		verdict, err := reply.Text()
		if err != nil {
			return fmt.Errorf("mend a session: %w", err)
		}
		if verdict != "fine" {
			c.found.Mended++
		}
	}
	return nil
}

// sweep deletes sessions that ended with everybody's.
func (c *consistencyCheck) sweep(ctx context.Context, refs []sessionRef) error {
	if !c.repair || len(refs) == 0 {
		return nil
	}
	ctx, cancel := c.store.withTimeout(ctx)
	defer cancel()
	calls := make([]scriptCall, len(refs))
	for i, ref := range refs {
		calls[i] = c.store.sweepCall(ref)
	}
	for _, reply := range c.store.runAll(ctx, calls) {
		if err := reply.Err(); err != nil {
			return fmt.Errorf("delete an ended session: %w", err)
		}
		c.found.Mended++
	}
	return nil
}
