package handlers

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/redisstore"
)

// fuzzRequest reads a body as the handlers do.
func fuzzRequest(t *testing.T, body []byte) (http.ResponseWriter, *http.Request) {
	t.Helper()
	return httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(string(body)))
}

// refusal fails on an error that a client must not be told, and on one that
// says nothing.
func refusal(t *testing.T, err error, names ...string) {
	t.Helper()
	var known *apiError
	if !errors.As(err, &known) {
		t.Fatalf("an error that is none of the API's: %v", err)
	}
	switch {
	case known == errBodyTooLarge, known == errTooManyIDs:
		return
	case known.status != http.StatusBadRequest || len(known.fields) == 0:
		t.Fatalf("refused with %+v", known)
	}
	allowed := " " + strings.Join(names, " ") + " "
	for _, field := range known.fields {
		if !strings.Contains(allowed, " "+field+" ") {
			t.Fatalf("refused for the field %q", field)
		}
	}
}

// Whatever is taken for credentials is one JSON object in which another reader
// finds the same credentials.
func FuzzLoginBody(f *testing.F) {
	for _, seed := range []string{
		`{"username":"ada","password":"x"}`, `{"username":" ada ","password":" ","rememberMe":true}`,
		`{"username":"ada","password":"x","rememberMe":null}`, `{"username":"\u0061","password":"\ud83d\ude00"}`,
		`{"username":"a","username":"b","password":"x"}`, `{"USERNAME":"a","password":"x"}`, `null`, `[]`, `5`, ``, `{`,
		`{"username":"a","password":"x"}{}`, `{"username":5,"password":["x"],"rememberMe":"y"}`, "{\"username\":\"\xff\",\"password\":\"x\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := readCredentials(fuzzRequest(t, body))
		if err != nil {
			refusal(t, err, "username", "password", "rememberMe")
			return
		}
		if strings.TrimSpace(got.username) == "" || got.password == "" {
			t.Fatalf("empty credentials of %q", body)
		}
		var other map[string]any
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("credentials of %q, which is no JSON object: %v", body, err)
		}
		remember, _ := other["rememberMe"].(bool)
		if other["username"] != got.username || other["password"] != got.password || remember != got.rememberMe {
			t.Fatalf("read another way, %q says %v", body, other)
		}
	})
}

// Whatever is taken for IDs is a list of at most 50, each of them "me" or a
// session ID.
func FuzzDeletionBody(f *testing.F) {
	for _, seed := range []string{
		`{"ids":["me"]}`, `{"ids":[1700000000000,"1700000000000"]}`, `{"ids":[]}`, `{"ids":"me"}`, `{"ids":[1.7e12]}`,
		`{"ids":[-1700000000000]}`, `{"ids":[17000000000000000000]}`, `{"ids":[null]}`, `{"ids":[["me"]]}`, `{"x":1}`, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ids, err := readIDs(fuzzRequest(t, body))
		if err != nil {
			refusal(t, err, "ids")
			return
		}
		if len(ids) > maxPage {
			t.Fatalf("%d IDs", len(ids))
		}
		for _, id := range ids {
			if id != "me" && !redisstore.ValidSessionID(id) {
				t.Fatalf("%q is no ID", id)
			}
		}
		var other map[string]any
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("IDs of %q, which is no JSON object: %v", body, err)
		}
		if list, ok := other["ids"].([]any); !ok || len(list) != len(ids) {
			t.Fatalf("%d IDs of %q, which says %v", len(ids), body, other)
		}
	})
}
