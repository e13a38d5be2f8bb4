//go:build !linux

package redistest

import "syscall"

// dieWithParent has no counterpart outside Linux: a test process that is
// killed there leaves its servers behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

// hasStopped cannot be told without Linux's /proc; the signal is taken to
// have worked.
func hasStopped(int) bool { return true }
