package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

// How much one batch of an import takes at most: few enough commands for Redis
// to get through in a fraction of redis.timeout.
const (
	importBatchUsers    = 250
	importBatchSessions = 2000
)

func newUsersImportCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Take over accounts, with their sessions, from elsewhere",
		Long: `Take over accounts from a file, or from standard input for "-". Each line is one
account in JSON:

  {"id": "1700000000000", "username": "alice", "password": "$2b$12$…",
   "staff": false, "bannedAt": null, "createdAt": "2023-11-14T22:13:20Z",
   "sessions": [{"iat": 1700000000, "exp": 2015576000, "name": "Firefox on Linux"}]}

id (13 digits, the millisecond of creation), username and password (a bcrypt hash)
are required; the other values are what is taken where they are left out, with
createdAt from the id and no sessions. iat and exp are Unix seconds. Expired
sessions are left out, and so are all but the newest sessions.max_per_user.

A bad line is named on standard error, by its number and reason, and the others go
in; there were bad lines if it exits with 1. It can be run again: accounts that are
there already are updated, and their sessions left alone. A summary goes to
standard output.`,
		Args: withUsage(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, size, err := a.openImport(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = file.Close() }()
			return a.withStore(cmd.Context(), func(store *redisstore.Store, _ config.Config) error {
				im := &importer{app: a, store: store, lines: newLineReader(file), size: size, progress: a.newProgress()}
				return im.run(cmd.Context())
			})
		},
	}
}

// openImport returns the file and its size, which is 0 where nobody knows.
func (a *app) openImport(name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(a.stdin), 0, nil
	}
	file, err := os.Open(name) //nolint:gosec // The operator's own file.
	if err != nil {
		return nil, 0, fmt.Errorf("import: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("import: %w", err), file.Close())
	}
	if info.IsDir() {
		return nil, 0, errors.Join(fmt.Errorf("import: %s is a directory", name), file.Close())
	}
	if !info.Mode().IsRegular() {
		return file, 0, nil
	}
	return file, info.Size(), nil
}

// importer is one run of an import. It holds one batch and one line, however
// long the file is.
type importer struct {
	*app
	store    *redisstore.Store
	lines    *lineReader
	size     int64
	progress *progress

	batch redisstore.ImportBatch
	// numbers are the lines that the accounts of the batch are on.
	numbers []int

	created, updated, sessions, bad int
}

func (im *importer) run(ctx context.Context) error {
	err := im.readAll(ctx)
	im.progress.clear()
	_, outErr := fmt.Fprintf(im.stdout, "%d created, %d updated, %d bad, %s taken over\n",
		im.created, im.updated, im.bad, counted(im.sessions, "session"))
	if err != nil {
		return fmt.Errorf("%w\nstopped early: run it again, and what is in already stays as it is", err)
	}
	if outErr == nil && im.bad > 0 {
		return fmt.Errorf("%s left out", counted(im.bad, "bad line"))
	}
	return outErr
}

func (im *importer) readAll(ctx context.Context) error {
	for {
		line, err := im.lines.next()
		if errors.Is(err, io.EOF) {
			return im.write(ctx)
		}
		var user redisstore.ImportedUser
		switch {
		case errors.Is(err, errImportLineTooLong):
		case err != nil:
			return errors.Join(fmt.Errorf("line %d: %w", im.lines.number, err), im.write(ctx))
		case len(line) == 0:
			continue
		default:
			user, err = parseImportLine(line)
		}
		if err != nil {
			im.reject(im.lines.number, err)
			continue
		}
		if err := im.add(ctx, user); err != nil {
			return err
		}
		im.progress.show(im.writeProgress)
	}
}

func (im *importer) add(ctx context.Context, user redisstore.ImportedUser) error {
	full := len(im.numbers) > 0 &&
		(len(im.numbers) == importBatchUsers || im.batch.Sessions()+len(user.Sessions) > importBatchSessions)
	if full || !im.batch.Add(user) {
		if err := im.write(ctx); err != nil {
			return err
		}
		im.batch.Add(user)
	}
	im.numbers = append(im.numbers, im.lines.number)
	return nil
}

// write writes the batch. Its error is that Redis did not answer, for which the
// import stops.
func (im *importer) write(ctx context.Context) error {
	if len(im.numbers) == 0 {
		return nil
	}
	users := im.batch.Users()
	results := im.store.ImportUsers(ctx, users)
	var failed error
	for i, result := range results {
		// The name may be one that another line of this batch has just given up.
		if errors.Is(result.Err, redisstore.ErrUsernameTaken) {
			result = im.store.ImportUsers(ctx, users[i:i+1])[0]
		}
		failed = cmp.Or(failed, im.count(im.numbers[i], result))
	}
	im.batch.Reset()
	im.numbers = im.numbers[:0]
	return failed
}

func (im *importer) count(number int, result redisstore.ImportResult) error {
	switch {
	case errors.Is(result.Err, redisstore.ErrUsernameTaken), errors.Is(result.Err, redisstore.ErrUsernameInvalid):
		im.reject(number, result.Err)
		return nil
	case result.Err != nil:
		return fmt.Errorf("line %d: %w", number, result.Err)
	case result.Updated:
		im.updated++
	default:
		im.created++
	}
	im.sessions += result.Sessions
	if result.Dropped > 0 {
		im.note(number, fmt.Sprintf("%s left out, more than sessions.max_per_user", counted(result.Dropped, "older session")))
	}
	return nil
}

func (im *importer) reject(number int, reason error) {
	im.bad++
	im.note(number, reason.Error())
}

// note tells something about a line. What it tells never quotes a value, which
// may be a hash.
func (im *importer) note(number int, text string) {
	im.progress.clear()
	fmt.Fprintf(im.stderr, "line %d: %s\n", number, text)
}

func (im *importer) writeProgress(w io.Writer) {
	fmt.Fprintf(w, "%d lines, %d/s", im.lines.number, im.progress.rate(im.lines.number))
	if im.size > 0 {
		fmt.Fprintf(w, ", %d %%", im.lines.bytes*100/im.size)
	}
}
