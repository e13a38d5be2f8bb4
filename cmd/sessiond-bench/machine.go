package main

import (
	"bufio"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// machine is what has to be known to judge a figure.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Date   string `json:"date"`
	// LoadBefore is the load average of the minute before anything began.
	LoadBefore float64           `json:"loadBefore"`
	Versions   map[string]string `json:"versions"`
}

// describe asks the machine and the programs what they are. What cannot be told
// is left out.
func (l *lab) describe(ctx context.Context, express bool) machine {
	m := machine{
		CPU: cpuModel(), Cores: runtime.NumCPU(), Kernel: kernelRelease(),
		Date:     time.Now().UTC().Format(time.DateOnly),
		Versions: map[string]string{}, LoadBefore: l.loadBefore,
	}
	m.Versions["redis"] = l.version(ctx, "redis-server", "--version")
	// wrk prints its version with its usage, and fails.
	m.Versions["wrk"] = l.version(ctx, "sh", "-c", "wrk --version 2>&1 || true")
	m.Versions["sessiond"] = l.version(ctx, "git", "describe", "--tags", "--always", "--dirty")
	for _, binary := range []string{l.sessiond, l.peers} {
		info, err := buildinfo.ReadFile(binary)
		if err != nil {
			continue
		}
		m.Versions["go"] = strings.TrimPrefix(info.GoVersion, "go")
		for _, dep := range info.Deps {
			if name, shown := shownModules[dep.Path]; shown {
				m.Versions[name] = strings.TrimPrefix(dep.Version, "v")
			}
		}
	}
	if express {
		m.Versions["node"] = l.version(ctx, "node", "--version")
		for _, name := range []string{"express", "express-session", "connect-redis"} {
			m.Versions[name] = packageVersion(name)
		}
	}
	return m
}

// shownModules are the libraries that decide how fast a server is.
var shownModules = map[string]string{
	"github.com/redis/go-redis/v9":  "go-redis",
	"github.com/golang-jwt/jwt/v5":  "golang-jwt",
	"github.com/alexedwards/scs/v2": "scs",
}

var versionNumber = regexp.MustCompile(`\d+(\.\d+)+`)

func (l *lab) version(ctx context.Context, path string, args ...string) string {
	out, err := l.output(ctx, command{path: path, args: args})
	if err != nil {
		return "unknown"
	}
	if path == "git" {
		return strings.TrimSpace(out)
	}
	return versionNumber.FindString(out)
}

func packageVersion(name string) string {
	data, err := fs.ReadFile(os.DirFS(expressDir), "node_modules/"+name+"/package.json")
	if err != nil {
		return "unknown"
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(data, &manifest); err != nil {
		return "unknown"
	}
	return manifest.Version
}

// cpuModel reads /proc/cpuinfo, which names the model on x86 only.
func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		name, value, found := strings.Cut(lines.Text(), ":")
		if found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernelRelease() string {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(data))
}

// loadAverage is that of the last minute, see proc_loadavg(5).
func loadAverage() float64 {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	text, _, _ := strings.Cut(string(data), " ")
	load, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0
	}
	return load
}

// lines says what the machine is, for people.
func (m machine) lines() []string {
	software := []string{"sessiond " + m.Versions["sessiond"]}
	for _, name := range []string{"go", "redis", "go-redis", "golang-jwt", "scs", "node", "express", "express-session", "connect-redis", "wrk"} {
		if version, known := m.Versions[name]; known {
			software = append(software, name+" "+version)
		}
	}
	return []string{
		fmt.Sprintf("%s, %d cores, Linux %s, %s; load, servers and Redis share the cores", m.CPU, m.Cores, m.Kernel, m.Date),
		strings.Join(software, ", "),
	}
}
