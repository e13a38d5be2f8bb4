package handlers_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
)

// listOf reads a whole list, and fails where it has another shape.
func listOf(t *testing.T, a answer) (count int, ids []string) {
	t.Helper()
	a.is(t, 200, "")
	decoder := json.NewDecoder(strings.NewReader(a.text))
	decoder.DisallowUnknownFields()
	var list struct {
		Count *int `json:"count"`
		Items []struct {
			ID   *int64  `json:"id"`
			Name *string `json:"name"`
		} `json:"items"`
	}
	if err := decoder.Decode(&list); err != nil {
		t.Fatalf("list %s: %v", a.text, err)
	}
	if list.Count == nil || list.Items == nil {
		t.Fatalf("list %s", a.text)
	}
	ids = []string{}
	for _, item := range list.Items {
		if item.ID == nil || item.Name == nil {
			t.Fatalf("list %s", a.text)
		}
		ids = append(ids, strconv.FormatInt(*item.ID, 10))
	}
	return *list.Count, ids
}

// Lists and their pages go by creation, newest first, whatever expires when,
// and count every live session.
func TestListPages(t *testing.T) {
	t.Parallel()
	const sessions = 60
	r := start(t)
	ada := r.addUser("ada")
	r.addStaff("root")
	all := make([]string, sessions) // Newest first.
	var token string
	for i := range sessions {
		login := loginRequest("ada", password, "X-Session-Name", fmt.Sprint("session ", i))
		if i%3 == 0 { // The index is sorted by expiry: every third outlives the rest.
			login.body = strings.Replace(login.body, "{", `{"rememberMe":true,`, 1)
		}
		got := r.do(login)
		got.is(t, 201, "")
		token = got.field(t, "token")
		_, claims := decodeToken(t, token)
		all[sessions-1-i], _ = claims["sid"].(string)
	}
	page := func(offset, limit int) []string { return all[min(offset, sessions):min(offset+limit, sessions)] }
	huge := strings.Repeat("9", 40)

	tests := []struct {
		query string
		want  []string
	}{
		{"", page(0, 50)},
		{"limit=2", page(0, 2)},
		{"limit=1", page(0, 1)},
		{"limit=50", page(0, 50)},
		{"limit=51", page(0, 50)},
		{"limit=1000000", page(0, 50)},
		{"limit=" + huge, page(0, 50)},
		{"limit=02", page(0, 2)},
		{"offset=0", page(0, 50)},
		{"offset=1", page(1, 50)},
		{"offset=50", page(50, 50)},
		{"offset=59", page(59, 50)},
		{"offset=60", page(60, 50)},
		{"offset=" + huge, page(60, 50)},
		{"offset=9223372036854775807&limit=50", page(60, 50)},
		{"limit=20&offset=40", page(40, 20)},
		{"limit=20&offset=50", page(50, 20)},
		// No such number: the default.
		{"limit=", page(0, 50)},
		{"limit=0", page(0, 50)},
		{"limit=-1", page(0, 50)},
		{"limit=2.5", page(0, 50)},
		{"limit=2e0", page(0, 50)},
		{"limit=0x2", page(0, 50)},
		{"limit=+2", page(0, 50)},
		{"limit=%2B2", page(0, 50)},
		{"limit=2+", page(0, 50)},
		{"limit=1_0", page(0, 50)},
		{"limit=two", page(0, 50)},
		{"limit=NaN", page(0, 50)},
		{"limit=%D9%A2", page(0, 50)}, // An Arabic 2.
		{"limit=%00", page(0, 50)},
		{"LIMIT=2", page(0, 50)},
		{"limit[]=2", page(0, 50)},
		{"offset=-1", page(0, 50)},
		{"offset=1.5&limit=2", page(0, 2)},
		{"offset=x&limit=2", page(0, 2)},
		{"offset=&limit=2", page(0, 2)},
		// No query at all: the defaults.
		{"limit=2&x=%zz", page(0, 50)},
		{"limit=%zz", page(0, 50)},
		{"limit=2;offset=3", page(0, 50)},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			count, ids := listOf(t, r.as(t).get(token, "/users/me/sessions?"+tt.query))
			if diff := cmp.Diff(tt.want, ids); diff != "" {
				t.Errorf("page (-want +got):\n%s", diff)
			}
			if count != sessions {
				t.Errorf("count %d", count)
			}
		})
	}
	t.Run("as staff", func(t *testing.T) {
		r := r.as(t)
		count, ids := listOf(t, r.get(r.login("root"), "/users/"+ada.ID+"/sessions?limit=3&offset=2"))
		if diff := cmp.Diff(page(2, 3), ids); diff != "" || count != sessions {
			t.Errorf("count %d, page (-want +got):\n%s", count, diff)
		}
	})
	t.Run("names", func(t *testing.T) {
		got := r.as(t).get(token, "/users/me/sessions?limit=1")
		if want := fmt.Sprintf(`{"count":60,"items":[{"id":%s,"name":"session 59"}]}`+"\n", all[0]); got.text != want {
			t.Errorf("body %s, want %s", got.text, want)
		}
	})
}

// A list of none is a list.
func TestListOfNone(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	r.addStaff("root")
	got := r.get(r.login("root"), "/users/"+ada.ID+"/sessions")
	got.is(t, 200, "")
	if got.text != `{"count":0,"items":[]}`+"\n" {
		t.Errorf("body %s", got.text)
	}
}

// Sessions that expired are neither listed nor counted, nor is one that was
// deleted by hand; other users' never are.
func TestListHoldsTheLiving(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Sessions.TTL = time.Second })
	ada := r.addUser("ada")
	r.addUser("bob")
	remembered := func(name string) string {
		login := loginRequest(name, password)
		login.body = strings.Replace(login.body, "{", `{"rememberMe":true,`, 1)
		got := r.do(login)
		got.is(t, 201, "")
		return got.field(t, "token")
	}
	token, byHand := remembered("ada"), r.session(remembered("ada"))
	remembered("bob")
	r.login("ada")
	r.redis.CLI("DEL", "session:{"+ada.ID+"}:"+byHand)

	own := []string{r.session(token)}
	eventually(t, "the short session to expire", func() bool {
		count, ids := listOf(t, r.get(token, "/users/me/sessions"))
		return count == 1 && slices.Equal(ids, own)
	})
	if members := r.redis.CLI("ZRANGE", "sessions:{"+ada.ID+"}", "0", "-1"); members != own[0] {
		t.Errorf("the index holds %q, want %s alone", members, own[0])
	}
}

// A user's sessions are bounded: the oldest give way.
func TestListIsBounded(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) { c.Sessions.MaxPerUser = 3 })
	r.addUser("ada")
	tokens := []string{}
	for range 5 {
		tokens = append(tokens, r.login("ada"))
	}
	for i, token := range tokens {
		if i < 2 {
			r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
		} else if count, _ := listOf(t, r.get(token, "/users/me/sessions")); count != 3 {
			t.Errorf("%d sessions", count)
		}
	}
	if hashes := r.keys("session:*"); len(hashes) != 3 {
		t.Errorf("sessions in Redis: %q", hashes)
	}
}
