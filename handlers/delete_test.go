package handlers_test

import (
	"strconv"
	"strings"
	"testing"
)

// Deleting one session.
func TestDeleteSession(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada, bob := r.addUser("ada"), r.addUser("bob")
	r.addStaff("root")
	token, staff := r.login("ada"), r.login("root")
	first, second, third := r.session(r.login("ada")), r.session(r.login("ada")), r.session(r.login("ada"))
	bobs := r.session(r.login("bob"))
	del := func(token, path string) request { return request{method: "DELETE", path: path, token: token} }
	r.exchanges(t, []exchange{
		{"one's own", del(token, "/users/me/sessions/"+first), 200, "DELETE_SESSION_SUCCESS"},
		{"again", del(token, "/users/me/sessions/"+first), 404, "INVALID_SESSION_ERROR"},
		{"under the user's ID", del(token, "/users/"+ada.ID+"/sessions/"+second), 200, "DELETE_SESSION_SUCCESS"},
		{"another user's", del(token, "/users/me/sessions/"+bobs), 404, "INVALID_SESSION_ERROR"},
		{"unknown", del(token, "/users/me/sessions/"+unknownSession), 404, "INVALID_SESSION_ERROR"},
		{"no ID", del(token, "/users/me/sessions/x"), 404, "INVALID_SESSION_ERROR"},
		{"9 digits", del(token, "/users/me/sessions/123456789"), 404, "INVALID_SESSION_ERROR"},
		{"staff's me on another", del(staff, "/users/"+ada.ID+"/sessions/me"), 404, "INVALID_SESSION_ERROR"},
		{"as staff", del(staff, "/users/"+ada.ID+"/sessions/"+third), 200, "DELETE_SESSION_SUCCESS"},
		{"as staff, of another", del(staff, "/users/"+ada.ID+"/sessions/"+bobs), 404, "INVALID_SESSION_ERROR"},
		{"as staff, of its user", del(staff, "/users/"+bob.ID+"/sessions/"+bobs), 200, "DELETE_SESSION_SUCCESS"},
		{"me", del(token, "/users/me/sessions/me"), 200, "DELETE_SESSION_SUCCESS"},
		{"me again", del(token, "/users/me/sessions/me"), 401, "INVALID_SESSION_ERROR"},
		{"staff is still in", del(staff, "/users/me/sessions/me"), 200, "DELETE_SESSION_SUCCESS"},
	})
	if left := r.keys("session*"); len(left) != 0 {
		t.Errorf("left in Redis: %q", left)
	}
}

func TestDeleteSessionAnswer(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	got := r.delete(r.login("ada"), "/users/me/sessions/me")
	if want := `{"code":"DELETE_SESSION_SUCCESS","message":"Session Successfully Deleted"}` + "\n"; got.text != want {
		t.Errorf("body %s", got.text)
	}
	got = r.deleteIDs(r.login("ada"), "/users/me/sessions", `["me"]`)
	if want := `{"code":"DELETE_SESSIONS_SUCCESS","message":"Sessions Successfully Deleted","count":1}` + "\n"; got.text != want {
		t.Errorf("body %s", got.text)
	}
}

// Deleting several. In each row ada has three sessions: her own, {own}, and {a}
// and {b}; bob has {bob}.
func TestDeleteSessions(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	r.addUser("bob")
	bobs := r.session(r.login("bob"))
	list := func(n int, item string) string { return `[` + strings.Repeat(item+",", n-1) + item + `]` }

	const none = -1 // Refused, so nothing is deleted.
	tests := []struct {
		name, body string
		count      int
		self       bool // The caller's own is deleted.
		status     int
		code       string
	}{
		{"one", `{"ids":["{a}"]}`, 1, false, 200, "DELETE_SESSIONS_SUCCESS"},
		{"two", `{"ids":["{a}","{b}"]}`, 2, false, 200, "DELETE_SESSIONS_SUCCESS"},
		{"number", `{"ids":[{a}]}`, 1, false, 200, "DELETE_SESSIONS_SUCCESS"},
		{"text and number of one", `{"ids":["{a}",{a}]}`, 1, false, 200, "DELETE_SESSIONS_SUCCESS"},
		{"repeated", `{"ids":["{a}","{a}","{b}","{a}"]}`, 2, false, 200, "DELETE_SESSIONS_SUCCESS"},
		{"me", `{"ids":["me"]}`, 1, true, 200, "DELETE_SESSIONS_SUCCESS"},
		{"me twice", `{"ids":["me","me"]}`, 1, true, 200, "DELETE_SESSIONS_SUCCESS"},
		{"me and its ID", `{"ids":["me","{own}",{own}]}`, 1, true, 200, "DELETE_SESSIONS_SUCCESS"},
		{"all three", `{"ids":["{a}","me",{b}]}`, 3, true, 200, "DELETE_SESSIONS_SUCCESS"},
		{"unknown ones passed over", `{"ids":["1000000000000","{a}",1000000000001]}`, 1, false, 200, "DELETE_SESSIONS_SUCCESS"},
		{"another user's passed over", `{"ids":["{bob}","{a}"]}`, 1, false, 200, "DELETE_SESSIONS_SUCCESS"},
		{"escaped", `{"ids":["\u006de"]}`, 1, true, 200, "DELETE_SESSIONS_SUCCESS"},
		{"more members", `{"ids":["{a}"],"x":{"ids":["{b}"]},"IDS":["me"]}`, 1, false, 200, "DELETE_SESSIONS_SUCCESS"},
		{"50 with repeats", `{"ids":` + list(50, `"{a}"`) + `}`, 1, false, 200, "DELETE_SESSIONS_SUCCESS"},

		{"unknown alone", `{"ids":["1000000000000"]}`, none, false, 404, "INVALID_SESSION_ERROR"},
		{"10 digits, unknown", `{"ids":["1000000000",1000000001]}`, none, false, 404, "INVALID_SESSION_ERROR"},
		{"another user's alone", `{"ids":["{bob}"]}`, none, false, 404, "INVALID_SESSION_ERROR"},
		{"none", `{"ids":[]}`, none, false, 404, "INVALID_SESSION_ERROR"},

		{"51", `{"ids":` + list(51, `"{a}"`) + `}`, none, false, 400, "BODY_TOO_LARGE_ERROR"},
		{"51, me among them", `{"ids":["me",` + list(50, `1000000000000`)[1:] + `}`, none, false, 400, "BODY_TOO_LARGE_ERROR"},
		{"51 that are no IDs", `{"ids":` + list(51, `null`) + `}`, none, false, 400, "BODY_TOO_LARGE_ERROR"},
		{"one byte over the limit", `{"ids":["{a}"]}` + strings.Repeat(" ", 102_401-25), none, false, 413, "BODY_TOO_LARGE_ERROR"},

		{"no body", ``, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"null", `null`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"number as body", `5`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"list as body", `["{a}"]`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"missing", `{}`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"other member", `{"x":1}`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"wrongly cased", `{"IDS":["{a}"]}`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"sent twice", `{"ids":["{a}"],"ids":["{b}"]}`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"cut off", `{"ids":["{a}"]`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"object behind it", `{"ids":["{a}"]}{}`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"broken UTF-8", "{\"ids\":[\"{a}\"],\"x\":\"\xff\"}", none, false, 400, "MISSING_FIELDS_ERROR"},
		{"text", `{"ids":"me"}`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"text of an ID", `{"ids":"{a}"}`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"ids is null", `{"ids":null}`, none, false, 400, "MISSING_FIELDS_ERROR"},
		{"ids is an object", `{"ids":{"0":"{a}"}}`, none, false, 400, "MISSING_FIELDS_ERROR"},
	}
	// What is no ID makes the whole list none, wherever it stands.
	for name, item := range map[string]string{
		"exponent":           `1.7e12`,
		"whole with point":   `{a}.0`,
		"20 digits":          `17000000000000000000`,
		"20 digits in text":  `"17000000000000000000"`,
		"negative":           `-{a}`,
		"negative in text":   `"-{a}"`,
		"signed":             `"+{a}"`,
		"9 digits":           `100000000`,
		"9 digits in text":   `"100000000"`,
		"14 digits in text":  `"0{a}"`,
		"empty text":         `""`,
		"ME":                 `"ME"`,
		"me with space":      `"me "`,
		"ID with space":      `" {a}"`,
		"ID with NUL":        `"{a}\u0000"`,
		"ID with line break": `"{a}\n"`,
		"other digits":       `"١٢٣٤٥٦٧٨٩٠"`,
		"pattern":            `"*"`,
		"null item":          `null`,
		"true":               `true`,
		"list in it":         `["{a}"]`,
		"object in it":       `{"id":"{a}"}`,
	} {
		tests = append(tests, struct {
			name, body string
			count      int
			self       bool
			status     int
			code       string
		}{"item: " + name, `{"ids":["{b}",` + item + `]}`, none, false, 400, "MISSING_FIELDS_ERROR"})
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := r.as(t)
			token := r.login("ada")
			ids := strings.NewReplacer("{own}", r.session(token), "{a}", r.session(r.login("ada")), "{b}", r.session(r.login("ada")), "{bob}", bobs)
			before := r.dump()
			got := r.do(request{method: "DELETE", path: "/users/me/sessions", token: token, body: ids.Replace(tt.body)})
			got.is(t, tt.status, tt.code)
			if tt.code == "MISSING_FIELDS_ERROR" && !strings.Contains(got.text, `"fields":["ids"]`) {
				t.Errorf("body %s", got.text)
			}
			if tt.count == none {
				r.unchanged(t, before)
			} else if count := got.field(t, "count"); count != strconv.Itoa(tt.count) {
				t.Errorf("count %s, want %d", count, tt.count)
			}

			own := r.get(token, "/users/me/sessions")
			if tt.self {
				own.is(t, 401, "INVALID_SESSION_ERROR")
			} else if count, _ := listOf(t, own); count != 3-max(tt.count, 0) {
				t.Errorf("%d sessions are left", count)
			}
			r.delete(r.login("ada"), "/users/me/sessions/all?include-self=1").is(t, 200, "DELETE_SESSIONS_SUCCESS")
		})
	}
}

// Staff end others' sessions; `me` is none of them, and their own lives on.
func TestDeleteSessionsAsStaff(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	r.addStaff("root")
	staff := r.login("root")
	own := r.session(staff)
	a := r.session(r.login("ada"))
	path := "/users/" + ada.ID + "/sessions"

	r.deleteIDs(staff, path, `["me"]`).is(t, 404, "INVALID_SESSION_ERROR")
	r.deleteIDs(staff, path, `["`+own+`"]`).is(t, 404, "INVALID_SESSION_ERROR")
	got := r.deleteIDs(staff, path, `["me",`+a+`,"`+own+`"]`)
	got.is(t, 200, "DELETE_SESSIONS_SUCCESS")
	if got.field(t, "count") != "1" {
		t.Errorf("body %s", got.text)
	}
	if count, _ := listOf(t, r.get(staff, "/users/me/sessions")); count != 1 {
		t.Errorf("staff has %d sessions left", count)
	}
	if count, _ := listOf(t, r.get(staff, path)); count != 0 {
		t.Errorf("ada has %d sessions left", count)
	}
}

// As many as one request may name.
func TestDeleteFiftySessions(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	ids := make([]string, 50)
	for i := range ids {
		ids[i] = r.session(r.login("ada"))
	}
	got := r.deleteIDs(token, "/users/me/sessions", "["+strings.Join(ids, ",")+"]")
	got.is(t, 200, "DELETE_SESSIONS_SUCCESS")
	if got.field(t, "count") != "50" {
		t.Errorf("body %s", got.text)
	}
	if count, _ := listOf(t, r.get(token, "/users/me/sessions")); count != 1 {
		t.Errorf("%d sessions are left", count)
	}
}

// Deleting all keeps the caller's own session, unless plainly asked for.
func TestDeleteAllSessions(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	tests := []struct {
		query string
		self  bool
	}{
		{"", false},
		{"?include-self=true", true},
		{"?include-self=1", true},
		{"?includeSelf=true", true},
		{"?includeSelf=1", true},
		{"?include-self=%74rue", true},
		{"?include-self=false", false},
		{"?include-self=0", false},
		{"?include-self=no", false},
		{"?include-self=FALSE", false},
		{"?include-self=TRUE", false},
		{"?include-self=True", false},
		{"?include-self=yes", false},
		{"?include-self=on", false},
		{"?include-self=2", false},
		{"?include-self=01", false},
		{"?include-self=true%20", false},
		{"?include-self=", false},
		{"?include-self", false},
		{"?includeSelf=", false},
		{"?includeSelf=no", false},
		{"?INCLUDE-SELF=true", false},
		{"?include_self=true", false},
		{"?include-self[]=true", false},
		{"?include-self=true&x=%zz", false},
		{"?include-self=true;x=1", false},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			r := r.as(t)
			token, other := r.login("ada"), r.login("ada")
			got := r.delete(token, "/users/me/sessions/all"+tt.query)
			got.is(t, 200, "DELETE_SESSIONS_SUCCESS")
			want := 1
			if tt.self {
				want = 2
			}
			if got.field(t, "count") != strconv.Itoa(want) || got.field(t, "message") != "Sessions Successfully Deleted" {
				t.Errorf("body %s, want a count of %d", got.text, want)
			}
			r.get(other, "/users/me/sessions").is(t, 401, "INVALID_SESSION_ERROR")
			if tt.self {
				r.get(token, "/users/me/sessions").is(t, 401, "INVALID_SESSION_ERROR")
				return
			}
			if again := r.delete(token, "/users/me/sessions/all"+tt.query); again.field(t, "count") != "0" {
				t.Errorf("body %s, with nothing left to end", again.text)
			}
			r.delete(token, "/users/me/sessions/me").is(t, 200, "DELETE_SESSION_SUCCESS")
		})
	}
}

// On another's account there is no own session to keep.
func TestDeleteAllSessionsAsStaff(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada, root := r.addUser("ada"), r.addStaff("root")
	staff := r.login("root")
	for _, query := range []string{"", "?include-self=true", "?include-self=no"} {
		tokens := []string{r.login("ada"), r.login("ada")}
		got := r.delete(staff, "/users/"+ada.ID+"/sessions/all"+query)
		got.is(t, 200, "DELETE_SESSIONS_SUCCESS")
		if got.field(t, "count") != "2" {
			t.Errorf("body %s", got.text)
		}
		for _, token := range tokens {
			r.get(token, "/users/me/sessions").is(t, 401, "INVALID_SESSION_ERROR")
		}
		if again := r.delete(staff, "/users/"+ada.ID+"/sessions/all"+query); again.field(t, "count") != "0" {
			t.Errorf("body %s", again.text)
		}
	}
	// Under the staff member's own ID it is the own account.
	if got := r.delete(staff, "/users/"+root.ID+"/sessions/all"); got.field(t, "count") != "0" {
		t.Errorf("body %s", got.text)
	}
	r.get(staff, "/users/me/sessions").is(t, 200, "")
}

// A body is nothing that this endpoint reads.
func TestDeleteAllIgnoresTheBody(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	r.do(request{method: "DELETE", path: "/users/me/sessions/all", token: token, body: `{"include-self":true}`}).
		is(t, 200, "DELETE_SESSIONS_SUCCESS")
	r.get(token, "/users/me/sessions").is(t, 200, "")
}
