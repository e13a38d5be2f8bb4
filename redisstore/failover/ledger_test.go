package failover_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/sessiond/sessiond/redisstore"
)

// ledger is one user's client, who notes what was acknowledged and holds every
// later answer against it. Nobody else uses the account, so what the notes say
// is what there is, but for requests that failed: those may have been carried
// out or not.
type ledger struct {
	user     redisstore.User
	replicas []*replica
	random   *rand.Rand
	// report takes what must not happen.
	report func(format string, args ...any)

	// live were acknowledged and not ended since, doubtful are those whose end
	// failed, ended those whose end was acknowledged. All are tokens by session.
	live, doubtful, ended map[string]string
	// ghosts is how many logins failed that may have left a session.
	ghosts int

	// logins keeps a login and its note together, apart from a failover.
	logins interface {
		RLock()
		RUnlock()
	}
	// asked counts requests, failed those of them that were answered with 500,
	// and streak the actions since the last failure.
	asked, failed, streak atomic.Int64
}

// act does one thing at random.
func (l *ledger) act() {
	failed := l.failed.Load()
	switch n := l.random.IntN(20); {
	case len(l.live) < 3 || n < 4:
		l.login()
	case n < 9:
		l.check()
	case n < 11:
		l.checkEnded()
	case n < 14:
		l.list()
	case n < 17:
		l.endOne()
	case n < 19:
		l.endSome()
	default:
		l.endAll()
	}
	if l.failed.Load() == failed {
		l.streak.Add(1)
	} else {
		l.streak.Store(0)
	}
}

// ask sends a request to some replica and reports an answer that is neither 500
// nor among those that may be.
func (l *ledger) ask(method, path, token, body string, may ...int) (answer, bool) {
	l.asked.Add(1)
	got := l.replicas[l.random.IntN(len(l.replicas))].ask(method, path, token, body)
	if slices.Contains(may, got.status) {
		return got, true
	}
	l.failed.Add(1)
	if got.status != http.StatusInternalServerError {
		l.report("%s %s of user %s: %s, want %v or 500", method, path, l.user.ID, got, may)
	}
	return got, false
}

// any picks a session.
func (l *ledger) any(of map[string]string) (sid, token string) {
	sids := slices.Sorted(maps.Keys(of))
	sid = sids[l.random.IntN(len(sids))]
	return sid, of[sid]
}

func (l *ledger) login() {
	l.logins.RLock()
	defer l.logins.RUnlock()
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, l.user.Username, password)
	got, ok := l.ask(http.MethodPost, "/login", "", body, http.StatusCreated)
	if !ok {
		l.ghosts++
		return
	}
	var created struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(got.text), &created); err != nil {
		l.report("login answered %s", got)
		return
	}
	sid, err := sessionOf(created.Token)
	if err != nil {
		l.report("token of a login: %v", err)
		return
	}
	if l.live[sid]+l.doubtful[sid]+l.ended[sid] != "" {
		l.report("session ID %s of user %s was given twice", sid, l.user.ID)
	}
	l.live[sid] = created.Token
}

func (l *ledger) check() {
	sid, token := l.any(l.live)
	path := "/users/me/sessions/me"
	if l.random.IntN(2) == 0 {
		path = "/users/" + l.user.ID + "/sessions/" + sid
	}
	l.ask(http.MethodGet, path, token, "", http.StatusOK)
}

func (l *ledger) checkEnded() {
	if len(l.ended) == 0 {
		return
	}
	_, token := l.any(l.ended)
	l.ask(http.MethodGet, "/users/me/sessions/me", token, "", http.StatusUnauthorized)
}

func (l *ledger) list() {
	_, token := l.any(l.live)
	if got, ok := l.ask(http.MethodGet, "/users/me/sessions?limit=50", token, "", http.StatusOK); ok {
		l.isListed(got)
	}
}

// isListed compares a list with the notes. Its page is the newest 50.
func (l *ledger) isListed(got answer) {
	var list struct {
		Count int `json:"count"`
		Items []struct {
			ID json.Number `json:"id"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(got.text), &list); err != nil {
		l.report("list: %s", got)
		return
	}
	if list.Count < len(l.live) || list.Count > len(l.live)+len(l.doubtful)+l.ghosts {
		l.report("user %s has %d sessions by the list, and by the notes %d, %d doubtful and %d ghosts",
			l.user.ID, list.Count, len(l.live), len(l.doubtful), l.ghosts)
	}
	for _, item := range list.Items {
		if l.ended[item.ID.String()] != "" {
			l.report("session %s of user %s is listed after its end was acknowledged", item.ID, l.user.ID)
		}
	}
}

// caller is a live session that no deletion shall end.
func (l *ledger) caller() string {
	return l.live[slices.Max(slices.Collect(maps.Keys(l.live)))]
}

// victims are up to n of the oldest live sessions, never the caller's.
func (l *ledger) victims(n int) []string {
	sids := slices.Sorted(maps.Keys(l.live))
	return sids[:min(n, len(sids)-1)]
}

// note moves sessions whose deletion was acknowledged, or failed.
func (l *ledger) note(done bool, sids ...string) {
	for _, sid := range sids {
		token := l.live[sid] + l.doubtful[sid]
		delete(l.live, sid)
		delete(l.doubtful, sid)
		if done {
			l.ended[sid] = token
		} else {
			l.doubtful[sid] = token
		}
	}
}

func (l *ledger) endOne() {
	// Now and then one whose deletion failed: it may be gone already.
	if len(l.doubtful) > 0 && l.random.IntN(2) == 0 {
		sid, _ := l.any(l.doubtful)
		_, ok := l.ask(http.MethodDelete, "/users/me/sessions/"+sid, l.caller(), "", http.StatusOK, http.StatusNotFound)
		l.note(ok, sid)
		return
	}
	sid := l.victims(1)[0]
	_, ok := l.ask(http.MethodDelete, "/users/me/sessions/"+sid, l.caller(), "", http.StatusOK)
	l.note(ok, sid)
}

func (l *ledger) endSome() {
	sids := l.victims(3)
	body := `{"ids":["` + strings.Join(sids, `","`) + `"]}`
	got, ok := l.ask(http.MethodDelete, "/users/me/sessions", l.caller(), body, http.StatusOK)
	l.note(ok, sids...)
	if ok && !strings.Contains(got.text, fmt.Sprintf(`"count":%d`, len(sids))) {
		l.report("deletion of %d live sessions of user %s: %s", len(sids), l.user.ID, got)
	}
}

func (l *ledger) endAll() {
	kept := l.caller()
	_, ok := l.ask(http.MethodDelete, "/users/me/sessions/all", kept, "", http.StatusOK)
	var others []string
	for _, sessions := range []map[string]string{l.live, l.doubtful} {
		for sid, token := range sessions {
			if token != kept {
				others = append(others, sid)
			}
		}
	}
	l.note(ok, others...)
	if ok {
		l.ghosts = 0
	}
}

// settle checks every note, once nothing fails any more.
func (l *ledger) settle() {
	if len(l.live) == 0 {
		l.login()
	}
	failed := l.failed.Load()
	l.list()
	for _, token := range l.live {
		l.ask(http.MethodGet, "/users/me/sessions/me", token, "", http.StatusOK)
	}
	for _, token := range l.ended {
		l.ask(http.MethodGet, "/users/me/sessions/me", token, "", http.StatusUnauthorized)
	}
	if n := l.failed.Load() - failed; n > 0 {
		l.report("%d requests of user %s failed after the last fault", n, l.user.ID)
	}
}
