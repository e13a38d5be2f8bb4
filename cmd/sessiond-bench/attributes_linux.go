package main

import "syscall"

// childAttributes has the kernel end a child with the thread that started it,
// and gives it a group of its own, so that one signal reaches what it starts.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
