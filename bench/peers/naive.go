package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"
)

// naive is what one writes first: the same contract as sessiond's, with the
// signature verified on every request and one round trip after the other.
type naive struct {
	rdb *redis.Client
	key *ecdsa.PrivateKey
}

type naiveClaims struct {
	SessionID string `json:"sid"`
	jwt.RegisteredClaims
}

const naiveLimit = 1_000_000_000

func newNaive(ctx context.Context, rdb *redis.Client, sessions int) (http.Handler, []string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("generate a key: %w", err)
	}
	n := naive{rdb: rdb, key: key}
	headers := make([]string, sessions)
	created := time.Now()
	exp := created.Add(24 * time.Hour)
	err = inBatches(ctx, rdb, sessions, func(pipe redis.Pipeliner, i int) error {
		uid, sid := strconv.FormatInt(created.UnixMilli()+int64(i), 10), strconv.FormatInt(created.UnixMilli(), 10)
		claims := naiveClaims{sid, jwt.RegisteredClaims{Subject: uid, IssuedAt: jwt.NewNumericDate(created), ExpiresAt: jwt.NewNumericDate(exp)}}
		token, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(key)
		if err != nil {
			return fmt.Errorf("sign a token: %w", err)
		}
		headers[i] = "Authorization: " + token
		pipe.HSet(ctx, "user:"+uid, "username", "user"+uid, "staff", "0", "createdAt", uid)
		pipe.HSet(ctx, "session:"+uid+":"+sid, "name", sessionName(i), "exp", exp.Unix(), "createdAt", sid, "updatedAt", sid)
		return pipe.ExpireAt(ctx, "session:"+uid+":"+sid, exp).Err()
	})
	return n, headers, err
}

// ServeHTTP makes the four round trips: the user, the session, the limiter, the
// note of use.
func (n naive) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	claims, err := n.verify(r.Header.Get("Authorization"))
	if err != nil {
		refuse(w, errNoSession)
		return
	}
	body, err := n.check(r.Context(), claims)
	if err != nil {
		refuse(w, err)
		return
	}
	writeBody(w, body)
}

func (n naive) verify(token string) (naiveClaims, error) {
	var claims naiveClaims
	_, err := jwt.ParseWithClaims(strings.TrimPrefix(token, "Bearer "), &claims,
		func(*jwt.Token) (any, error) { return &n.key.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithExpirationRequired())
	return claims, err
}

func (n naive) check(ctx context.Context, claims naiveClaims) (string, error) {
	user, err := n.rdb.HGetAll(ctx, "user:"+claims.Subject).Result()
	if err != nil {
		return "", err
	}
	if len(user) == 0 || user["bannedAt"] != "" {
		return "", errNoSession
	}
	key := "session:" + claims.Subject + ":" + claims.SessionID
	session, err := n.rdb.HGetAll(ctx, key).Result()
	if err != nil {
		return "", err
	}
	if len(session) == 0 {
		return "", errNoSession
	}

	counter := "rate:" + claims.Subject + ":" + strconv.FormatInt(time.Now().Unix()/60, 10)
	var count *redis.IntCmd
	_, err = n.rdb.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		count = pipe.Incr(ctx, counter)
		return pipe.Expire(ctx, counter, time.Minute).Err()
	})
	if err != nil {
		return "", err
	}
	if count.Val() > naiveLimit {
		return "", errNoSession
	}

	if err := n.rdb.HSet(ctx, key, "usedAt", time.Now().UnixMilli()).Err(); err != nil {
		return "", err
	}
	exp, err := strconv.ParseInt(session["exp"], 10, 64)
	if err != nil {
		return "", err
	}
	return sessionBody(session["name"], exp), nil
}
