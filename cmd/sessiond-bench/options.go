package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options say how long and how much to measure. The defaults are what the
// published figures were made with.
type options struct {
	rounds           int
	duration, warmup time.Duration
	connections      []int
	threads          int
	variants         []string
	parts            []string
	log              string
	out              string
	stormRate        int
}

var allVariants = []string{"floor", "sessiond", "verify", "naive", "scs", "express"}

// partsOf are what a command measures, one after the other.
var partsOf = map[string][]string{
	"compare": {"speed", "memory"},
	"scale":   {"growth", "costs", "storm", "distance"},
}

func parseOptions(command string, args []string, stderr io.Writer) (options, error) {
	var o options
	var connections, variants, parts string
	flags := flag.NewFlagSet("sessiond-bench "+command, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 5, "rounds in which the servers take turns")
	flags.DurationVar(&o.duration, "duration", 3*time.Second, "load on one server in one round; whole seconds, as wrk counts")
	flags.DurationVar(&o.warmup, "warmup", time.Second, "load before each measurement that does not count; whole seconds")
	flags.IntVar(&o.threads, "threads", min(2, runtime.NumCPU()), "threads of wrk")
	flags.StringVar(&connections, "connections", "16,64", "connections, smallest first; the targets are for 16 and 64")
	flags.StringVar(&variants, "variants", strings.Join(allVariants, ","), "servers to compare")
	flags.StringVar(&parts, "parts", strings.Join(partsOf[command], ","), "what to measure")
	flags.StringVar(&o.log, "log", "/dev/null", "`file` for sessiond's log. It writes one line for each request, as it\ndoes by default; keeping the lines is the work of whoever collects them")
	flags.StringVar(&o.out, "out", "", "`path` without extension for the report as .json and .svg; none if empty")
	flags.IntVar(&o.stormRate, "storm-rate", 100, "logins a second in the storm, each from another address")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}

	for text := range strings.SplitSeq(connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return options{}, fmt.Errorf("-connections: %q is no positive number", text)
		}
		o.connections = append(o.connections, n)
	}
	o.variants, o.parts = strings.Split(variants, ","), strings.Split(parts, ",")
	return o, errors.Join(
		known("-variants", o.variants, allVariants),
		known("-parts", o.parts, partsOf[command]),
		o.check(flags.NArg()))
}

func (o options) check(rest int) error {
	switch {
	case rest > 0:
		return errUsage
	case o.rounds < 1 || o.threads < 1 || o.stormRate < 1:
		return errors.New("-rounds, -threads and -storm-rate have to be positive")
	case o.duration < time.Second || o.duration%time.Second != 0 || o.warmup < time.Second || o.warmup%time.Second != 0:
		return errors.New("-duration and -warmup have to be whole seconds")
	case !slices.Contains(o.variants, "floor"):
		return errors.New("-variants: everything is measured against the floor, so it has to be among them")
	}
	return nil
}

func known(flag string, names, all []string) error {
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("%s: %q is none of %s", flag, name, strings.Join(all, ", "))
		}
	}
	return nil
}

// measures tells whether a part was asked for.
func (o options) measures(part string) bool {
	return slices.Contains(o.parts, part)
}
