package handlers_test

import (
	"bufio"
	"context"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/redisstore"
)

// samples are what /metrics tells: values by name and labels, as written there.
type samples map[string]float64

func (r *replica) scrape() samples {
	r.t.Helper()
	recorder := httptest.NewRecorder()
	r.admin.ServeHTTP(recorder, httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, "/metrics", http.NoBody))
	if recorder.Code != http.StatusOK {
		r.t.Fatalf("GET /metrics: %d %s", recorder.Code, recorder.Body)
	}
	all := samples{}
	for lines := bufio.NewScanner(recorder.Body); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[end+1:], 64)
		if err != nil {
			r.t.Fatalf("line %q: %v", line, err)
		}
		all[line[:end]] = value
	}
	return all
}

// sum adds up the samples of a metric.
func (s samples) sum(name string) float64 {
	var sum float64
	for sample, value := range s {
		if metric, _, _ := strings.Cut(sample, "{"); metric == name {
			sum += value
		}
	}
	return sum
}

// moves returns by how much the samples of a metric differ from what they were
// before one request, once it is counted: that comes last, after the answer.
func (r *replica) moves(metric string, before samples) samples {
	r.t.Helper()
	const requests = "sessiond_http_requests_total"
	var after samples
	eventually(r.t, "the request to be counted", func() bool {
		after = r.scrape()
		return after.sum(requests) == before.sum(requests)+1
	})
	moved := samples{}
	for sample, value := range after {
		name, _, _ := strings.Cut(sample, "{")
		if name == metric && value != before[sample] {
			moved[sample] = value - before[sample]
		}
	}
	return moved
}

// counted sends one request and checks which samples of a metric it moves.
func (r *replica) counted(t *testing.T, req request, metric string, want samples) {
	t.Helper()
	r = r.as(t)
	before := r.scrape()
	r.do(req)
	if diff := cmp.Diff(want, r.moves(metric, before)); diff != "" {
		t.Errorf("%s moved (-want +got):\n%s", metric, diff)
	}
}

func TestMetricsOfLogins(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t), trust, func(c *config.Config) { c.Limits.Login.Requests = 1 })
	r := s.replica()
	s.addUser("ada")
	bob := s.addUser("bob")
	if _, err := s.store.BanUser(context.Background(), bob.ID); err != nil {
		t.Fatal(err)
	}
	busy := s.replicaWith(fullQueue{redisstore.NewPasswords(4)})
	token := r.login("ada", "X-Forwarded-For", "192.0.2.1")

	withToken := loginRequest("ada", password, "X-Forwarded-For", "192.0.2.2")
	withToken.token = token
	tests := []struct {
		outcome string
		replica *replica
		request request
	}{
		{"rate_limited", r, loginRequest("ada", password, "X-Forwarded-For", "192.0.2.1")},
		{"live_session", r, withToken},
		{"created", r, loginRequest("ada", password, "X-Forwarded-For", "192.0.2.3")},
		{"wrong_password", r, loginRequest("ada", wrongPassword, "X-Forwarded-For", "192.0.2.4")},
		{"unknown_user", r, loginRequest("eve", password, "X-Forwarded-For", "192.0.2.5")},
		{"banned", r, loginRequest("bob", password, "X-Forwarded-For", "192.0.2.6")},
		{"bad_request", r, request{method: "POST", path: "/login", body: "{}", headers: []string{"X-Forwarded-For", "192.0.2.7"}}},
		{"busy", busy, loginRequest("ada", password, "X-Forwarded-For", "192.0.2.8")},
	}
	for _, test := range tests {
		t.Run(test.outcome, func(t *testing.T) {
			test.replica.counted(t, test.request, "sessiond_logins_total",
				samples{`sessiond_logins_total{outcome="` + test.outcome + `"}`: 1})
		})
	}
	s.redis.Kill()
	r.counted(t, loginRequest("ada", password), "sessiond_logins_total", samples{`sessiond_logins_total{outcome="error"}`: 1})
}

// fullQueue is a hasher that has no place left.
type fullQueue struct{ *redisstore.Passwords }

func (fullQueue) Verify(context.Context, string, string) (bool, error) {
	return false, redisstore.ErrHashingBusy
}

// A client that leaves is no failure of ours.
func TestMetricsOfAbandonedLogin(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	s.addUser("ada")
	hashing := make(chan struct{})
	r := s.replicaWith(slowHasher{redisstore.NewPasswords(4), hashing})
	before := r.scrape()

	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	body := loginRequest("ada", password).body
	if _, err := conn.Write([]byte(rawBody("POST", r.config.HTTP.BasePath+"/login", body))); err != nil {
		t.Fatal(err)
	}
	<-hashing
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}

	want := samples{`sessiond_logins_total{outcome="abandoned"}`: 1}
	if diff := cmp.Diff(want, r.moves("sessiond_logins_total", before)); diff != "" {
		t.Errorf("logins (-want +got):\n%s", diff)
	}
	want = samples{`sessiond_http_requests_total{code="499",method="POST",route="/api/login"}`: 1}
	if diff := cmp.Diff(want, r.moves("sessiond_http_requests_total", before)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// slowHasher takes as long as the client stays.
type slowHasher struct {
	*redisstore.Passwords
	begun chan struct{}
}

func (s slowHasher) Verify(ctx context.Context, _, _ string) (bool, error) {
	close(s.begun)
	<-ctx.Done()
	return false, ctx.Err()
}

func TestMetricsOfTokenChecks(t *testing.T) {
	t.Parallel()
	s := startOn(t, startRedis(t))
	r := s.replica()
	s.addUser("ada")
	bob := s.addUser("bob")
	live, dead, banned := r.login("ada"), r.login("ada"), r.login("bob")
	r.delete(dead, "/users/me/sessions/me").is(t, http.StatusOK, "")
	if _, err := s.store.BanUser(context.Background(), bob.ID); err != nil {
		t.Fatal(err)
	}
	// The deletion is counted after its answer.
	s.requestLines(t, 4)

	tests := []struct{ verdict, token string }{
		{"live", live},
		{"dead", dead},
		{"banned", banned},
		{"invalid", "nonsense"},
		{"none", ""},
	}
	for _, test := range tests {
		t.Run(test.verdict, func(t *testing.T) {
			r.counted(t, request{method: "GET", path: "/users/me/sessions", token: test.token}, "sessiond_token_checks_total",
				samples{`sessiond_token_checks_total{verdict="` + test.verdict + `"}`: 1})
		})
	}
	s.redis.Kill()
	r.counted(t, request{method: "GET", path: "/users/me/sessions", token: live}, "sessiond_token_checks_total",
		samples{`sessiond_token_checks_total{verdict="error"}`: 1})
}

func TestMetricsOfRateLimits(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *config.Config) {
		c.Limits.Login.Requests = 1
		c.Limits.API.Requests = 1
	})
	r.addUser("ada")
	token := r.login("ada")
	r.get(token, "").is(t, http.StatusOK, "")
	r.get("", "").is(t, http.StatusOK, "")
	r.requestLines(t, 3)

	for limit, over := range map[string]request{
		"login":    loginRequest("ada", password),
		"api_user": {method: "GET", token: token},
		"api_ip":   {method: "GET"},
	} {
		r.counted(t, over, "sessiond_rate_limited_total", samples{`sessiond_rate_limited_total{limit="` + limit + `"}`: 1})
	}
}

func TestMetricsOfRequests(t *testing.T) {
	t.Parallel()
	r := start(t)
	ada := r.addUser("ada")
	token := r.login("ada")
	sid := r.session(token)
	r.requestLines(t, 2)

	tests := []struct {
		request request
		labels  string
	}{
		{request{method: "GET"}, `code="200",method="GET",route="/api"`},
		{request{method: "HEAD"}, `code="200",method="HEAD",route="/api"`},
		{request{method: "POST", path: "/login"}, `code="400",method="POST",route="/api/login"`},
		{
			request{method: "GET", path: "/users/" + ada.ID + "/sessions?limit=3", token: token},
			`code="200",method="GET",route="/api/users/{uid}/sessions"`,
		},
		{
			request{method: "GET", path: "/users/me/sessions/" + sid, token: token},
			`code="200",method="GET",route="/api/users/{uid}/sessions/{sid}"`,
		},
		{request{method: "DELETE", path: "/users/me/sessions/all"}, `code="401",method="DELETE",route="/api/users/{uid}/sessions/all"`},
		{request{method: "GET", path: "/made/up"}, `code="404",method="GET",route="unknown"`},
		{request{method: "BREW", path: "/users/me/sessions"}, `code="404",method="other",route="unknown"`},
	}
	for _, test := range tests {
		r.counted(t, test.request, "sessiond_http_requests_total", samples{"sessiond_http_requests_total{" + test.labels + "}": 1})
	}
	histogram := `sessiond_http_request_duration_seconds_count{method="BREW",route="unknown"}`
	if _, found := r.scrape()[histogram]; found {
		t.Errorf("a made-up method is a label")
	}
}

// A client that could choose a label's value could fill every Prometheus.
func TestMetricsStayBounded(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	r.get("", "/unknown").is(t, http.StatusNotFound, "")
	r.do(request{method: "BREW"}).is(t, http.StatusNotFound, "")
	r.get(token, "/users/1234567890123/sessions").is(t, http.StatusForbidden, "")
	r.get("nonsense", "/users/me/sessions/1234567890123").is(t, http.StatusUnauthorized, "")
	r.requestLines(t, 5)
	before := slices.Sorted(maps.Keys(r.scrape()))

	for i := range 50 {
		made := strconv.Itoa(9_000_000_000_000 + i)
		r.do(request{method: "M" + made})
		r.get("", "/"+made)
		r.get(token, "/users/"+made+"/sessions?x="+made)
		r.get(made, "/users/me/sessions/"+made)
	}
	r.requestLines(t, 205)
	after := r.scrape()
	if diff := cmp.Diff(before, slices.Sorted(maps.Keys(after))); diff != "" {
		t.Errorf("samples that clients made up (-before +after):\n%s", diff)
	}
	personal := regexp.MustCompile(`[0-9]{10}|127\.0\.0\.1|ada`)
	for sample := range after {
		if personal.MatchString(sample) {
			t.Errorf("a label tells whom a request was about: %s", sample)
		}
	}
}

func TestMetricsOfTheRest(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.addUser("ada")
	token := r.login("ada")
	before := r.scrape()
	for range 3 {
		r.get(token, "").is(t, http.StatusOK, "")
	}
	r.requestLines(t, 4)
	after := r.scrape()
	grown := func(name string) float64 { return after[name] - before[name] }

	for name, want := range map[string]float64{
		// The signature is verified once, however often the token comes.
		`sessiond_signature_cache_total{result="miss"}`: 1,
		`sessiond_signature_cache_total{result="hit"}`:  2,

		`sessiond_http_request_duration_seconds_count{method="GET",route="/api"}`: 3,
		// One round trip for each check.
		`sessiond_redis_command_duration_seconds_count{command="pipeline"}`: 3,
	} {
		if got := grown(name); got != want {
			t.Errorf("%s grew by %v, want %v", name, got, want)
		}
	}
	for name, want := range map[string]float64{
		"sessiond_ready":                 1,
		"sessiond_password_hash_waiting": 0,
	} {
		if got, found := after[name]; !found || got != want {
			t.Errorf("%s is %v (%t), want %v", name, got, found, want)
		}
	}
	for _, name := range []string{"go_goroutines", "sessiond_build_info"} {
		if after.sum(name) < 1 {
			t.Errorf("no %s", name)
		}
	}
	r.redis.Kill()
	if got := r.scrape()["sessiond_ready"]; got != 0 {
		t.Errorf("sessiond_ready is %v without Redis", got)
	}
}

// The queue is read when somebody looks.
func TestMetricsOfHashingQueue(t *testing.T) {
	t.Parallel()
	r := startOn(t, startRedis(t)).replicaWith(longQueue{redisstore.NewPasswords(4)})
	if got := r.scrape()["sessiond_password_hash_waiting"]; got != 7 {
		t.Errorf("sessiond_password_hash_waiting is %v, want 7", got)
	}
}

type longQueue struct{ *redisstore.Passwords }

func (longQueue) Waiting() int { return 7 }
