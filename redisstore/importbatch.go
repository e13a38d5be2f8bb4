package redisstore

// ImportBatch gathers accounts that ImportUsers may write together: no two of
// them share an ID or, however cased, a name, so that each sees what the lines
// before it did. The zero value is an empty batch.
type ImportBatch struct {
	users      []ImportedUser
	sessions   int
	ids, names map[string]bool
}

// Add takes an account into the batch, or refuses one that has to wait until
// the batch is written.
func (b *ImportBatch) Add(user ImportedUser) bool {
	folded := foldUsername(user.User.Username)
	if b.ids[user.User.ID] || b.names[folded] {
		return false
	}
	if b.ids == nil {
		b.ids, b.names = make(map[string]bool), make(map[string]bool)
	}
	b.ids[user.User.ID], b.names[folded] = true, true
	b.users = append(b.users, user)
	b.sessions += len(user.Sessions)
	return true
}

// Users returns the accounts in the order in which they were added; they are
// the batch's own until Reset.
func (b *ImportBatch) Users() []ImportedUser { return b.users }

// Sessions returns how many sessions the accounts have between them.
func (b *ImportBatch) Sessions() int { return b.sessions }

// Reset empties the batch.
func (b *ImportBatch) Reset() {
	clear(b.users)
	b.users, b.sessions = b.users[:0], 0
	clear(b.ids)
	clear(b.names)
}
