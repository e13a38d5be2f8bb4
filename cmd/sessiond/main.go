// Command sessiond answers one question for every service behind it: is this
// token still good? It serves the session API on Redis and has the commands to
// manage users, sessions and keys.
//
// Each command has a file of its own and does three things: flags, wiring and
// output. What it does is done by the packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	os.Exit(report(os.Stderr, err))
}

// run is the whole program, so that a test can start it as a shell would. It
// leaves signals to the commands: serve has its own way with a second one.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	routeRedisLog()
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ, now: time.Now}
	root := newRootCommand(a)
	// Without arguments of its own, cobra would take the process's.
	root.SetArgs(append([]string{}, args...))
	return root.ExecuteContext(ctx)
}

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// errLogged is an error that the log has told already: once serve serves, every
// line of its standard error is one of the log.
var errLogged = errors.New("see the log")

// report writes an error to w, each of its lines under the program's name, and
// returns the exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errLogged) {
		return exitError
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "sessiond: %s\n", strings.TrimRight(line, "\n"))
	}
	if _, isUsage := errors.AsType[usageError](err); isUsage {
		return exitUsage
	}
	return exitError
}

// app is what the commands have of the world outside.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	now            func() time.Time

	configFile string // The flag --config.
}

// loadConfig reads the settings as this invocation gives them.
func (a *app) loadConfig() (config.Config, error) {
	return config.Load(a.configFile, a.environ)
}

func newRootCommand(a *app) *cobra.Command {
	root := newGroup("sessiond", "Sessions that end when you say so",
		newServeCommand(a),
		newDevCommand(a),
		newKeysCommand(a),
		newUsersCommand(a),
		newSessionsCommand(a),
		newEventsCommand(a),
		newDoctorCommand(a),
		newVersionCommand(a),
	)
	root.Long = "sessiond issues session tokens and checks on every request, in Redis, that the session still lives."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{cmd, err} })
	root.PersistentFlags().StringVar(&a.configFile, "config", "",
		"settings `FILE` in YAML, JSON or TOML; SESSIOND_… variables override it")
	return root
}

// usageError is a command line that makes no sense.
type usageError struct {
	command *cobra.Command
	err     error
}

func (e usageError) Error() string {
	return fmt.Sprintf("%v\nsee %s --help", e.err, e.command.CommandPath())
}

func (e usageError) Unwrap() error { return e.err }

// withUsage makes the refusals of an argument check usage errors.
func withUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{cmd, err}
		}
		return nil
	}
}

// newGroup returns a command that only holds others. Named alone or with one
// that it does not hold, it fails: cobra would print help and succeed, and a
// script would go on after a slip of the pen.
func newGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ArbitraryArgs,
		// The usage would offer the group without a command, too.
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{cmd, errors.New("a command is missing")}
			}
			err := fmt.Errorf("unknown command %q", args[0])
			cmd.SuggestionsMinimumDistance = 2
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err = fmt.Errorf("%w, did you mean %s?", err, strings.Join(near, " or "))
			}
			return usageError{cmd, err}
		},
	}
	group.AddCommand(commands...)
	return group
}
