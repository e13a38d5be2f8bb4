package handlers

// Permission flags, a set of bits as later versions of the older API have them.
// The others are for the services behind, and mean nothing here.
const (
	permissionAll                 = 1 << 0
	permissionSessionRead         = 1 << 5
	permissionSessionModify       = 1 << 6
	permissionStaffReadSessions   = 1 << 13
	permissionStaffModifySessions = 1 << 14
)

// maxPermissionFlags is the greatest whole number that every JavaScript client
// reads exactly: 2^53 - 1.
const maxPermissionFlags = 1<<53 - 1

// permission is what a request wants to do with sessions: the flag it takes for
// the caller's own account and the one for others'.
type permission struct {
	own, others int64
}

var (
	toRead   = permission{own: permissionSessionRead, others: permissionStaffReadSessions}
	toModify = permission{own: permissionSessionModify, others: permissionStaffModifySessions}
)

// may tells whether the caller's session has a flag. A session without flags is
// a full one: it has all of them.
func (c *caller) may(flag int64) bool {
	flags := c.session.PermissionFlags
	return flags == nil || *flags&(permissionAll|flag) != 0
}
