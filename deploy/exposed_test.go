package deploy_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/crypto/bcrypt"

	"github.com/sessiond/sessiond/config"
	"github.com/sessiond/sessiond/handlers"
	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/redisstore/redistest"
	"github.com/sessiond/sessiond/tokens"
)

// exposed is what /metrics tells: each sample's name, its labels, and the
// values that each label has.
type exposed map[string]map[string]map[string]bool

// exposedMetrics runs the API through what there is to count, and scrapes it.
func exposedMetrics(t *testing.T) exposed {
	t.Helper()
	server := redistest.Start(t)
	c := config.Default()
	c.Redis.Addresses = []string{server.Addr()}
	store := redisstore.New(redisstore.Connect(c.Redis), redisstore.OptionsFrom(c))
	t.Cleanup(func() { _ = store.Close() })
	api := newAPI(t, c, store)
	registry := handlers.NewRegistry("v0.0.0", store.Ping, api, store)

	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.AddUser(context.Background(), redisstore.NewUser{Username: "ada", PasswordHash: string(hash)}); err != nil {
		t.Fatal(err)
	}
	login := func(want int) {
		body := strings.NewReader(`{"username":"ada","password":"secret"}`)
		exchange(t, api, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/login", body), want)
	}
	login(http.StatusCreated)
	exchange(t, api, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/users/me/sessions", http.NoBody), http.StatusUnauthorized)
	server.Kill()
	login(http.StatusInternalServerError)
	return gather(t, registry)
}

func newAPI(t *testing.T, c config.Config, store *redisstore.Store) *handlers.API {
	t.Helper()
	keyring, err := tokens.GenerateKeyring(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := tokens.NewIssuer(keyring, tokens.IssuerOptions{Issuer: c.Tokens.Issuer})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := tokens.NewVerifier(keyring, tokens.VerifierOptions{})
	if err != nil {
		t.Fatal(err)
	}
	api := handlers.New(store, redisstore.NewPasswords(bcrypt.MinCost), issuer, verifier, slog.New(slog.DiscardHandler), handlers.Options{
		BasePath: c.HTTP.BasePath, SessionTTL: c.Sessions.TTL, RememberMeTTL: c.Sessions.RememberMeTTL,
	})
	t.Cleanup(api.Close)
	return api
}

func exchange(t *testing.T, api http.Handler, r *http.Request, want int) {
	t.Helper()
	recorder := httptest.NewRecorder()
	api.ServeHTTP(recorder, r)
	if recorder.Code != want {
		t.Fatalf("%s %s: %d, want %d; %s", r.Method, r.URL, recorder.Code, want, recorder.Body)
	}
}

func gather(t *testing.T, registry prometheus.Gatherer) exposed {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := exposed{}
	add := func(sample, label, value string) {
		if all[sample] == nil {
			all[sample] = map[string]map[string]bool{}
		}
		if label == "" {
			return
		}
		if all[sample][label] == nil {
			all[sample][label] = map[string]bool{}
		}
		all[sample][label][value] = true
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			samples := []string{family.GetName()}
			switch {
			case metric.GetHistogram() != nil:
				samples = []string{family.GetName() + "_bucket", family.GetName() + "_sum", family.GetName() + "_count"}
				add(samples[0], "le", "+Inf")
			case metric.GetSummary() != nil:
				samples = append(samples, family.GetName()+"_sum", family.GetName()+"_count")
				add(samples[0], "quantile", "1")
			}
			for _, sample := range samples {
				add(sample, "", "")
				for _, pair := range metric.GetLabel() {
					add(sample, pair.GetName(), pair.GetValue())
				}
			}
		}
	}
	return all
}

// fromScraping are the labels that Prometheus itself gives to every sample.
var fromScraping = map[string]bool{"job": true, "instance": true}

// problems are what a query asks for and nothing tells: a metric, a label, or a
// label's value, any of which makes for an empty panel or a silent alert.
func (e exposed) problems(expression string) []string {
	q := parseQuery(expression)
	if len(q.selectors) == 0 {
		return []string{"no metric in the query"}
	}
	var problems []string
	labels := maps.Clone(fromScraping)
	for _, s := range q.selectors {
		// Prometheus tells this one itself, of every target.
		if s.metric == "up" {
			continue
		}
		known, found := e[s.metric]
		if !found {
			problems = append(problems, "no metric "+s.metric)
			continue
		}
		for label := range known {
			labels[label] = true
		}
		for _, m := range s.matchers {
			if !fromScraping[m.label] {
				problems = append(problems, m.problems(known[m.label])...)
			}
		}
	}
	for _, label := range q.labels {
		if !labels[label] {
			problems = append(problems, "no label "+label+" to group by")
		}
	}
	return problems
}

var alternatives = regexp.MustCompile(`^[\w|]+$`)

// problems are what a condition on a label asks for that is none of its values.
func (m matcher) problems(values map[string]bool) []string {
	if values == nil {
		return []string{"no label " + m.label}
	}
	wanted := []string{regexp.QuoteMeta(m.value)}
	if strings.HasSuffix(m.op, "~") {
		wanted = []string{m.value}
		if alternatives.MatchString(m.value) {
			wanted = strings.Split(m.value, "|")
		}
	}
	var problems []string
	for _, want := range wanted {
		pattern := regexp.MustCompile(`^(?:` + want + `)$`)
		if !slices.ContainsFunc(slices.Collect(maps.Keys(values)), pattern.MatchString) {
			problems = append(problems, "no "+m.label+" is "+want)
		}
	}
	return problems
}

func TestProblems(t *testing.T) {
	t.Parallel()
	metrics := exposed{"a": {"b": {"c": true, "d": true}}, "e_bucket": {"le": {"+Inf": true}}}
	tests := map[string][]string{
		`rate(a{b="c",job="x"}[5m])`:           nil,
		`sum by (b, instance) (a{b=~"c|d"})`:   nil,
		`sum by (le) (rate(e_bucket[5m]))`:     nil,
		`a{b!~"x.*"}`:                          {"no b is x.*"},
		`1 + 2`:                                {"no metric in the query"},
		`rate(e[5m]) > up`:                     {"no metric e"},
		`a{c="c"}`:                             {"no label c"},
		`a{b="c.d"}`:                           {`no b is c\.d`},
		`a{b=~"c|x"}`:                          {"no b is x"},
		`sum by (le) (a) / sum by (b) (a + a)`: {"no label le to group by"},
	}
	for expression, want := range tests {
		if diff := cmp.Diff(want, metrics.problems(expression)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
}
