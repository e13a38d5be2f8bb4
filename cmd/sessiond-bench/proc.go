package main

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what the kernel has accounted to a process.
type usage struct {
	cpu       time.Duration // In user and kernel mode, all threads, since it started.
	rss, peak int64         // Resident memory in bytes, now and at most.
}

// tick is the unit of CPU times in /proc: USER_HZ is 100 on all that Go runs on.
const tick = time.Second / 100

// readUsage reads /proc/<pid>/stat and status, see proc_pid_stat(5).
func readUsage(pid int) (usage, error) {
	proc := os.DirFS("/proc")
	stat, err := fs.ReadFile(proc, strconv.Itoa(pid)+"/stat")
	if err != nil {
		return usage{}, err
	}
	status, err := fs.ReadFile(proc, strconv.Itoa(pid)+"/status")
	if err != nil {
		return usage{}, err
	}
	return parseUsage(string(stat), string(status))
}

func parseUsage(stat, status string) (usage, error) {
	// The name, in parentheses, may hold spaces and parentheses itself.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	// Fields 14 and 15 of the whole line; the first of these is the third.
	const utime, stime = 14 - 3, 15 - 3
	if len(fields) <= stime {
		return usage{}, fmt.Errorf("read a process's CPU time: %d fields", len(fields))
	}
	var u usage
	for _, field := range []string{fields[utime], fields[stime]} {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("read a process's CPU time: %w", err)
		}
		u.cpu += time.Duration(ticks) * tick
	}
	for name, value := range map[string]*int64{"VmRSS": &u.rss, "VmHWM": &u.peak} {
		_, rest, found := strings.Cut(status, name+":")
		line, _, _ := strings.Cut(rest, "kB")
		kib, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
		if !found || err != nil {
			return usage{}, fmt.Errorf("read a process's memory: no %s", name)
		}
		*value = kib << 10
	}
	return u, nil
}
