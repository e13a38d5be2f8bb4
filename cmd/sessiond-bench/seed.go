package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

// seeder fills a Redis through sessiond's own packages: what is measured is laid
// out as sessiond lays it out, whatever that is.
type seeder struct {
	store  *redisstore.Store
	issuer *tokens.Issuer
}

// keyDirectory holds the signing key that sessiond and the seeder share.
func (l *lab) keyDirectory() (string, error) {
	if l.keys == "" {
		dir := l.file("keys")
		if _, err := tokens.CreateKey(dir, time.Now()); err != nil {
			return "", err
		}
		l.keys = dir
	}
	return l.keys, nil
}

func newSeeder(redisAddress string, db int, keys string, changes ...func(*config.Config)) (*seeder, error) {
	c := config.Default()
	for _, change := range changes {
		change(&c)
	}
	c.Redis.Addresses, c.Redis.DB = []string{redisAddress}, db
	// Batches of hundreds take longer than one login may.
	c.Redis.Timeout = time.Minute
	keyring, err := tokens.LoadKeyring(keys)
	if err != nil {
		return nil, err
	}
	issuer, err := tokens.NewIssuer(keyring, tokens.IssuerOptions{})
	if err != nil {
		return nil, err
	}
	return &seeder{store: redisstore.New(redisstore.Connect(c.Redis), redisstore.OptionsFrom(c)), issuer: issuer}, nil
}

func (s *seeder) close() {
	_ = s.store.Close()
}

// userID is the ID of the i-th user: the milliseconds from a moment in 2023.
func userID(i int) string {
	return fmt.Sprintf("%013d", 1_700_000_000_000+i)
}

func userName(i int) string {
	return fmt.Sprintf("user%07d", i)
}

// sessionName has 40 characters: a person's own words rather than a browser's.
func sessionName(i int) string {
	return fmt.Sprintf("Firefox on Windows, workstation %08d", i)
}

// lifetime is long enough for any run.
const lifetime = 24 * time.Hour

// addUsers writes n users from the first on. Each gets sessions that the older
// system might have created, a second apart; that is the one way to write many
// at once.
//
// The time now says when the sessions began; importedClaims wants the same.
func (s *seeder) addUsers(ctx context.Context, now time.Time, first, n, sessions int, hash string) error {
	const batch = 250
	return inParallel(ctx, (n+batch-1)/batch, func(b int) error {
		var users []redisstore.ImportedUser
		for i := first + b*batch; i < first+min((b+1)*batch, n); i++ {
			user := redisstore.ImportedUser{User: redisstore.User{
				ID: userID(i), Username: userName(i), PasswordHash: hash, CreatedAt: now,
			}}
			for k := range sessions {
				user.Sessions = append(user.Sessions, redisstore.ImportedSession{
					IssuedAt: importedAt(now, k), ExpiresAt: now.Add(lifetime).Unix(), Name: sessionName(i),
				})
			}
			users = append(users, user)
		}
		for _, result := range s.store.ImportUsers(ctx, users) {
			if result.Err != nil {
				return fmt.Errorf("fill Redis: %w", result.Err)
			}
		}
		return nil
	})
}

// importedAt is when the k-th session of an imported user began.
func importedAt(now time.Time, k int) int64 {
	return now.Unix() - int64(k) - 1
}

// logIn gives each of n users sessions as logins do, and returns the first
// session of each.
func (s *seeder) logIn(ctx context.Context, n, sessions int, hash string) ([]tokens.Claims, error) {
	claims := make([]tokens.Claims, n)
	err := inParallel(ctx, n, func(i int) error {
		for k := range sessions {
			session, outcome, err := s.store.CreateSession(ctx, redisstore.NewSession{
				UserID: userID(i), PasswordHash: hash, Name: sessionName(i), TTL: lifetime,
			})
			if err != nil {
				return err
			}
			if outcome != redisstore.Created {
				return fmt.Errorf("log user %d in: outcome %d", i, outcome)
			}
			if k == 0 {
				claims[i] = tokens.Claims{UserID: userID(i), SessionID: session.ID, IssuedAt: session.CreatedAt, ExpiresAt: session.ExpiresAt}
			}
		}
		return nil
	})
	return claims, err
}

// importedClaims are what the token of a user's k-th session of addUsers says.
func importedClaims(now time.Time, user, k int) tokens.Claims {
	at := importedAt(now, k)
	return tokens.Claims{
		UserID: userID(user), SessionID: fmt.Sprintf("%010d", at), IssuedAt: time.Unix(at, 0), ExpiresAt: now.Add(lifetime),
	}
}

// writeTokens signs a token for each of claims and writes them as header lines.
func (s *seeder) writeTokens(ctx context.Context, path string, claims []tokens.Claims) error {
	lines := make([]string, len(claims))
	err := inParallel(ctx, len(claims), func(i int) error {
		token, err := s.issuer.Issue(claims[i])
		lines[i] = "Authorization: " + token
		return err
	})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // It is in the lab's directory.
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	w := bufio.NewWriter(file)
	_, _ = w.WriteString(strings.Join(lines, "\n") + "\n")
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}

// inParallel runs work for 0 … n-1 on a few goroutines and returns the first
// error, after which it begins no more.
func inParallel(ctx context.Context, n int, work func(i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var workers sync.WaitGroup
	for range 4 * runtime.NumCPU() {
		workers.Go(func() {
			for i := range next {
				if err := work(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}
