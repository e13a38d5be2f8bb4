package handlers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"maps"
	"strconv"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens"
)

// older is the system that was here before: its key, and an account of it.
type older struct {
	key  *ecdsa.PrivateKey
	user redisstore.User
	// iat is when its sessions were made, the newest first, in Unix seconds.
	iat []int64
}

const olderKeyID = "older"

// importOlder starts a service with the older system's key, and takes over an
// account with three sessions, of which the last has expired.
func importOlder(t *testing.T, changes ...func(*config.Config)) (*replica, older) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	changes = append(changes, func(c *config.Config) { c.Tokens.LegacyKeyID = olderKeyID })
	s := startOn(t, startRedis(t), changes...)
	s.keyring, err = tokens.NewKeyring(
		tokens.Key{ID: "20260102T030405.678Z", Private: own},
		tokens.Key{ID: olderKeyID, Public: &key.PublicKey},
	)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	o := older{
		key: key,
		user: redisstore.User{
			ID: "1647015028626", Username: "Ada", PasswordHash: testHash(), CreatedAt: time.UnixMilli(1647015028626),
		},
		iat: []int64{now - 100, now - 200_000, now - 300_000},
	}
	s.importUser(t, o.user, o.sessions(now)...)
	return s.replica(), o
}

func (o older) sessions(now int64) []redisstore.ImportedSession {
	return []redisstore.ImportedSession{
		{IssuedAt: o.iat[1], ExpiresAt: now + 315_000_000, Name: "Firefox v119 on GNU/Linux"},
		{IssuedAt: o.iat[0], ExpiresAt: now + 86_000, Name: "Grüße 👋"},
		{IssuedAt: o.iat[2], ExpiresAt: now - 1, Name: "expired"},
	}
}

func (s *service) importUser(t *testing.T, user redisstore.User, sessions ...redisstore.ImportedSession) redisstore.ImportResult {
	t.Helper()
	results := s.store.ImportUsers(t.Context(), []redisstore.ImportedUser{{User: user, Sessions: sessions}})
	if len(results) != 1 || results[0].Err != nil {
		t.Fatalf("import: %+v", results)
	}
	return results[0]
}

// token is one as the older system issued it: without kid and sid, and with the
// user's name.
func (o older) token(t *testing.T, iat int64) string {
	t.Helper()
	return signOlder(t, o.key, nil, jwt.MapClaims{
		"name": o.user.Username, "sub": o.user.ID, "iat": iat, "exp": time.Now().Unix() + 86_000,
	})
}

func signOlder(t *testing.T, key *ecdsa.PrivateKey, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Tokens of the older system go on working wherever ours do.
func TestOlderTokensWork(t *testing.T) {
	t.Parallel()
	// An issuer is asked of our own tokens alone.
	r, o := importOlder(t, func(c *config.Config) { c.Tokens.Issuer = "https://sessiond.test" })
	token, second := o.token(t, o.iat[0]), o.token(t, o.iat[1])

	session := r.get(token, "/users/me/sessions/me")
	session.is(t, 200, "")
	want := map[string]string{
		"id":        strconv.FormatInt(o.iat[0], 10),
		"name":      "Grüße 👋",
		"createdAt": time.Unix(o.iat[0], 0).UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	for name, value := range want {
		if got := session.field(t, name); got != value {
			t.Errorf("%s %q, want %q", name, got, value)
		}
	}

	// New sessions are newer, though their IDs have more digits.
	recent := r.login("ada")
	recentID := r.session(recent)
	count, ids := listOf(t, r.get(token, "/users/"+o.user.ID+"/sessions"))
	wantIDs := []string{recentID, fmt.Sprint(o.iat[0]), fmt.Sprint(o.iat[1])}
	if diff := cmp.Diff(wantIDs, ids); diff != "" || count != 3 {
		t.Errorf("count %d, list (-want +got):\n%s", count, diff)
	}

	// A live one is refused at login like ours.
	r.do(loginRequest("ada", password, "Authorization", token)).is(t, 401, "INVALID_SESSION_ERROR")

	got := r.deleteIDs(token, "/users/me/sessions", fmt.Sprintf(`["%d",%d]`, o.iat[1], o.iat[1]))
	got.is(t, 200, "DELETE_SESSIONS_SUCCESS")
	if got.field(t, "count") != "1" {
		t.Errorf("body %s", got.text)
	}
	r.get(second, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	r.delete(token, fmt.Sprintf("/users/me/sessions/%d", o.iat[0])).is(t, 200, "DELETE_SESSION_SUCCESS")
	r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	r.get(recent, "/users/me/sessions/me").is(t, 200, "")
}

// A signature of the older key admits nobody by itself either.
func TestOlderTokensThatAdmitNobody(t *testing.T) {
	t.Parallel()
	r, o := importOlder(t)
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims := func(changes jwt.MapClaims) jwt.MapClaims {
		all := jwt.MapClaims{"name": "Ada", "sub": o.user.ID, "iat": o.iat[0], "exp": time.Now().Unix() + 86_000}
		maps.Copy(all, changes)
		return all
	}
	tests := map[string]string{
		"session not imported":    o.token(t, o.iat[0]+1),
		"session expired":         o.token(t, o.iat[2]),
		"another user":            signOlder(t, o.key, nil, claims(jwt.MapClaims{"sub": "1647015028627"})),
		"expired token":           signOlder(t, o.key, nil, claims(jwt.MapClaims{"exp": time.Now().Unix() - 1})),
		"iat in milliseconds":     signOlder(t, o.key, nil, claims(jwt.MapClaims{"iat": o.iat[0] * 1000})),
		"iat with a fraction":     signOlder(t, o.key, nil, claims(jwt.MapClaims{"iat": float64(o.iat[0]) + 0.5})),
		"another key":             signOlder(t, own, nil, claims(nil)),
		"another key as kid":      signOlder(t, o.key, map[string]any{"kid": "20260102T030405.678Z"}, claims(nil)),
		"unknown kid":             signOlder(t, o.key, map[string]any{"kid": "../older"}, claims(nil)),
		"kid that is null":        signOlder(t, o.key, map[string]any{"kid": nil}, claims(nil)),
		"with a critical header":  signOlder(t, o.key, map[string]any{"crit": []string{"exp"}}, claims(nil)),
		"sid of another, foreign": signOlder(t, o.key, nil, claims(jwt.MapClaims{"sid": unknownSession})),
	}
	for name, token := range tests {
		t.Run(name, func(t *testing.T) {
			r.as(t).get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
		})
	}
	r.get(o.token(t, o.iat[0]), "/users/me/sessions/me").is(t, 200, "")
}

// Without the older key configured its tokens are refused, and no obstacle to
// a login.
func TestOlderTokensWithoutTheKey(t *testing.T) {
	t.Parallel()
	r, o := importOlder(t)
	token := o.token(t, o.iat[0])
	r.get(token, "/users/me/sessions/me").is(t, 200, "")

	without := startOn(t, r.redis).replica()
	without.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	without.do(loginRequest("ada", password, "Authorization", token)).is(t, 201, "")
}

// An import that runs again changes the account and leaves its sessions alone:
// it brings back none that ended.
func TestImportAgainRevivesNothing(t *testing.T) {
	t.Parallel()
	r, o := importOlder(t)
	ended, live := o.token(t, o.iat[0]), o.token(t, o.iat[1])
	r.delete(ended, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")

	user := o.user
	user.BannedAt = time.Now()
	if result := r.importUser(t, user, o.sessions(time.Now().Unix())...); !result.Updated {
		t.Errorf("result %+v", result)
	}
	r.get(ended, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	r.get(live, "/users/me/sessions/me").is(t, 403, "BANNED_ERROR")
	r.do(loginRequest("ada", password)).is(t, 403, "BANNED_ERROR")

	user.BannedAt, user.Username = time.Time{}, "Lovelace"
	r.importUser(t, user)
	r.get(live, "/users/me/sessions/me").is(t, 200, "")
	r.do(loginRequest("ada", password)).is(t, 404, "INVALID_USER_ERROR")
	r.do(loginRequest("lovelace", password)).is(t, 201, "")
}

// Imported sessions count towards the cap like others, the oldest giving way.
func TestImportedSessionsGiveWay(t *testing.T) {
	t.Parallel()
	r, o := importOlder(t, func(c *config.Config) { c.Sessions.MaxPerUser = 2 })
	first, second := o.token(t, o.iat[0]), o.token(t, o.iat[1])
	r.get(second, "/users/me/sessions/me").is(t, 200, "")
	r.login("ada")
	r.get(second, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
	r.get(first, "/users/me/sessions/me").is(t, 200, "")
	r.login("ada")
	r.get(first, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
}
