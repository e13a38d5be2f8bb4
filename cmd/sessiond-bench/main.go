// Command sessiond-bench measures what a token check costs, beside the least
// that any answer out of Redis costs and beside what people would use instead.
//
//	sessiond-bench compare   throughput, latency, CPU and memory against the peers
//	sessiond-bench scale     growing data, crowds of logins, a Redis far away
//
// Everything runs on this machine and on loopback: it starts its own Redis, the
// real sessiond, the peers of bench/peers and wrk as the load, and ends them all
// when it ends. Servers take turns, round by round, so that whatever else the
// machine does meets all of them alike; what counts is therefore the ratio of
// two servers in one round, and the median of these over the rounds.
//
// A run that had an answer other than 2xx or a broken connection proves nothing
// and ends the program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	// The first signal ends the children in order; a second one, after stop,
	// ends this program at once, and the kernel then ends the children.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sessiond-bench:", err)
		os.Exit(1)
	}
}

var (
	errUsage    = errors.New("usage: sessiond-bench compare|scale [flags]; see sessiond-bench compare -h")
	errNotLinux = errors.New("CPU and memory are read from /proc, which only Linux has")
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	if len(args) == 0 {
		return errUsage
	}
	var measure func(context.Context, *lab) (report, error)
	switch args[0] {
	case "compare":
		measure = compare
	case "scale":
		measure = scale
	default:
		return errUsage
	}
	options, err := parseOptions(args[0], args[1:], stderr)
	if err != nil {
		return err
	}
	if runtime.GOOS != "linux" {
		return errNotLinux
	}

	l, err := newLab(ctx, options, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	r, err := measure(ctx, l)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	r.print(stdout)
	if err := r.write(options.out); err != nil {
		return err
	}
	return r.missed()
}
