package handlers_test

import "testing"

func TestEverybodysSessionsEnd(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	replicas := []*replica{s.replica(), s.replica()}
	ada := s.addUser("ada")
	s.addUser("bob")
	s.addStaff("root")
	var tokens []string
	for i, name := range []string{"ada", "ada", "bob", "root"} {
		tokens = append(tokens, replicas[i%2].login(name))
	}
	scoped, _ := replicas[0].scope(tokens[0], 0)
	tokens = append(tokens, scoped)

	if ended, err := s.store.EndEveryone(t.Context(), nil); ended != len(tokens) || err != nil {
		t.Errorf("%d ended, %v; want %d", ended, err, len(tokens))
	}
	for _, r := range replicas {
		for _, token := range tokens {
			r.get(token, "/users/me/sessions/me").is(t, 401, "INVALID_SESSION_ERROR")
		}
	}
	// A token that is over is no obstacle to the next login.
	again := loginRequest("ada", password)
	again.token = tokens[0]
	got := replicas[0].do(again)
	got.is(t, 201, "")
	root := replicas[0].login("root")
	for _, r := range replicas {
		if count, _ := listOf(t, r.get(got.field(t, "token"), "/users/me/sessions")); count != 1 {
			t.Errorf("%d sessions, want the new one", count)
		}
		if count, _ := listOf(t, r.get(root, "/users/"+ada.ID+"/sessions")); count != 1 {
			t.Errorf("staff see %d sessions, want the new one", count)
		}
	}
}

// What is unknown about everybody lets nobody in.
func TestUnreadableGeneration(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	r.redis.CLI("SET", "sessions:generation", "x")
	r.get(token, "/users/me/sessions/me").is(t, 500, "INTERNAL_SERVER_ERROR")
	r.do(loginRequest("ada", password)).is(t, 500, "INTERNAL_SERVER_ERROR")
	r.redis.CLI("DEL", "sessions:generation")
	r.get(token, "/users/me/sessions/me").is(t, 200, "")
}
