//go:build !linux

package main

import "syscall"

// childAttributes is never reached: only Linux is measured on.
func childAttributes() *syscall.SysProcAttr {
	return nil
}
