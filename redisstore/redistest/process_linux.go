package redistest

import (
	"bytes"
	"fmt"
	"os"
	"syscall"
)

// dieWithParent has the kernel kill the server when the test process ends in
// a way that runs no cleanup: a panic, a timeout, a SIGKILL.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// hasStopped reports whether the process is in state T, see proc(5). The
// state follows the command name, which is in parentheses and may hold
// anything, a parenthesis included.
func hasStopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	end := bytes.LastIndex(stat, []byte(") "))
	return end >= 0 && bytes.HasPrefix(stat[end+2:], []byte("T"))
}
