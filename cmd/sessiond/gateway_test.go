package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// gate is deploy/nginx/gateway.conf between clients and a service, and a
// sessiond that it asks.
type gate struct {
	*deployment
	sessiond *replica
	front    *nginx
	// verify is between nginx and sessiond. What nginx asked is in asked, how
	// many connections it took for that in connections.
	verify      *httptest.Server
	asked       *recorder
	connections atomic.Int64
	service     *recorder
}

// recorder keeps what a server is sent.
type recorder struct {
	mu       sync.Mutex
	requests []received
}

type received struct {
	method, path, body string
	header, trailer    http.Header
}

func (r *recorder) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// Trailers are there once the body has been read.
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		r.requests = append(r.requests, received{req.Method, req.URL.Path, string(body), req.Header.Clone(), req.Trailer.Clone()})
		r.mu.Unlock()
		next.ServeHTTP(w, req)
	})
}

// take returns what came since it was last asked.
func (r *recorder) take() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests := r.requests
	r.requests = nil
	return requests
}

// startGate runs them all. The location /open/ is one that nginx asks nobody
// about.
func startGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{deployment: deploy(t), asked: &recorder{}, service: &recorder{}}
	g.sessiond = g.start("SESSIOND_VERIFY_ADDRESS=127.0.0.1:0")
	service := httptest.NewServer(g.service.record(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
	})))
	t.Cleanup(service.Close)
	g.verify = httptest.NewUnstartedServer(g.asked.record(
		httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: g.sessiond.verify})))
	g.verify.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			g.connections.Add(1)
		}
	}
	g.verify.Start()
	t.Cleanup(g.verify.Close)

	g.front = newNginx(t)
	conf := readFile(t, "../../deploy/nginx/gateway.conf")
	for old, replacement := range map[string]string{
		"worker_processes auto;": "worker_processes 1;", // Each would keep connections of its own.
		"listen 8080;":           "listen " + g.front.address + ";",
		"server 127.0.0.1:8082;": "server " + g.verify.Listener.Addr().String() + ";",
		"server 127.0.0.1:9000;": "server " + service.Listener.Addr().String() + ";",
		"location / {":           "location /open/ { auth_request off; proxy_pass http://service; }\nlocation / {",
	} {
		if strings.Count(conf, old+"\n") != 1 {
			t.Fatalf("gateway.conf: want a line %q", old)
		}
		conf = strings.Replace(conf, old, replacement, 1)
	}
	g.front.write(t, "nginx.conf", conf)
	g.front.start(t)
	return g
}

func (g *gate) url(path string) string { return "http://" + g.front.address + path }

// get sends a request with a token to the service.
func (g *gate) get(token string, headers ...string) answer {
	g.t.Helper()
	return send(g.t, request{method: "GET", url: g.url("/orders"), token: token, headers: headers})
}

// add makes an account and logs in. It returns the account's ID and the token.
func (g *gate) add(name string, flags ...string) (id, token string) {
	g.t.Helper()
	out := g.command(password+"\n", append([]string{"users", "add", name}, flags...)...)
	return strings.TrimSpace(out), login(g.t, g.sessiond.url(""), name)
}

// session returns the ID of a token's session.
func (g *gate) session(token string) string {
	g.t.Helper()
	got := send(g.t, request{method: "GET", url: g.sessiond.url("/users/me/sessions/me"), token: token})
	var session struct {
		ID json.Number `json:"id"`
	}
	if err := json.Unmarshal([]byte(got.text), &session); err != nil {
		g.t.Fatal(err)
	}
	return session.ID.String()
}

// scope makes a scoped session and returns its token and ID.
func (g *gate) scope(token string, flags int) (scoped, id string) {
	g.t.Helper()
	body := fmt.Sprintf(`{"name":"script","permissionFlags":%d,"password":%q}`, flags, password)
	got := send(g.t, request{method: "POST", url: g.sessiond.url("/users/me/sessions"), token: token, body: body})
	got.is(g.t, http.StatusCreated, "")
	var session struct {
		ID json.Number `json:"id"`
	}
	if err := json.Unmarshal([]byte(got.text), &session); err != nil {
		g.t.Fatal(err)
	}
	return got.member("token"), session.ID.String()
}

// identity returns what of a request tells who sends it, in whatever spelling
// that a service might take for one.
func (r received) identity() http.Header {
	found := make(http.Header)
	for _, headers := range []http.Header{r.header, r.trailer} {
		for name, values := range headers {
			plain := strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(name))
			switch plain {
			case "xuserid", "xsessionid", "xuserstaff", "xsessionpermissions", "authorization":
				found[name] = values
			}
		}
	}
	return found
}

func identityOf(userID, sessionID, staff, permissions string) http.Header {
	h := http.Header{"X-User-Id": {userID}, "X-Session-Id": {sessionID}, "X-User-Staff": {staff}}
	if permissions != "" {
		h.Set("X-Session-Permissions", permissions)
	}
	return h
}

// only returns the one request that came.
func (r *recorder) only(t *testing.T) received {
	t.Helper()
	requests := r.take()
	if len(requests) != 1 {
		t.Fatalf("%d requests came, want 1: %+v", len(requests), requests)
	}
	return requests[0]
}

func TestGatewayTellsTheServiceWhoItIs(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	ada, token := g.add("ada")
	root, staff := g.add("root", "--staff")
	scoped, scopedID := g.scope(token, 32)
	none, noneID := g.scope(token, 0)
	for name, tt := range map[string]struct {
		token string
		want  http.Header
	}{
		"a user":                       {token, identityOf(ada, g.session(token), "false", "")},
		"staff":                        {"Bearer " + staff, identityOf(root, g.session(staff), "true", "")},
		"a scoped session":             {scoped, identityOf(ada, scopedID, "false", "32")},
		"a session that may do little": {none, identityOf(ada, noneID, "false", "0")},
	} {
		t.Run(name, func(t *testing.T) {
			g.get(tt.token).is(t, http.StatusAccepted, "")
			if diff := cmp.Diff(tt.want, g.service.only(t).identity()); diff != "" {
				t.Errorf("the service is told (-want +got):\n%s", diff)
			}
		})
	}
}

// forgeries are headers by which a client may try to be somebody else.
var forgeries = map[string]string{
	"by name":       "X-User-Id: 1\r\nX-Session-Id: 1\r\nX-User-Staff: true\r\nX-Session-Permissions: 1\r\n",
	"lower case":    "x-user-id: 1\r\nx-session-id: 1\r\nx-user-staff: true\r\nx-session-permissions: 1\r\n",
	"mixed case":    "X-UsEr-iD: 1\r\nX-sEsSiOn-Id: 1\r\nX-USER-STAFF: true\r\nX-SESSION-Permissions: 1\r\n",
	"underscores":   "X_User_Id: 1\r\nX_Session_Id: 1\r\nX_User-Staff: true\r\nX-Session_Permissions: 1\r\n",
	"dots":          "X.User.Id: 1\r\nX.Session.Id: 1\r\nX.User.Staff: true\r\nX.Session.Permissions: 1\r\n",
	"doubled":       "X-User-Staff: true\r\nX-User-Staff: true\r\nX-Session-Permissions: 1\r\nX-Session-Permissions: 1\r\n",
	"empty":         "X-User-Id:\r\nX-Session-Id:\r\nX-User-Staff:\r\nX-Session-Permissions:\r\n",
	"in Connection": "Connection: keep-alive, X-User-Id, X-Session-Id, X-User-Staff, X-Session-Permissions\r\n",
	"in trailers": "Transfer-Encoding: chunked\r\nTrailer: X-User-Staff, X-Session-Permissions\r\n\r\n" +
		"1\r\nx\r\n0\r\nX-User-Staff: true\r\nX-Session-Permissions: 1\r\n",
}

func TestGatewayForgeriesNeverPass(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	ada, token := g.add("ada")
	session := g.session(token)
	scoped, scopedID := g.scope(token, 0)
	for name, forged := range forgeries {
		t.Run(name, func(t *testing.T) {
			for _, tt := range []struct {
				path, token string
				status      int
				want        []http.Header
			}{
				{"/orders", token, http.StatusAccepted, []http.Header{identityOf(ada, session, "false", "")}},
				{"/orders", scoped, http.StatusAccepted, []http.Header{identityOf(ada, scopedID, "false", "0")}},
				{"/orders", "", http.StatusUnauthorized, nil},
				{"/open/", "", http.StatusAccepted, []http.Header{{}}},
				{"/open/", token, http.StatusAccepted, []http.Header{{}}},
			} {
				raw := "POST " + tt.path + " HTTP/1.1\r\nHost: x\r\n"
				if tt.token != "" {
					raw += "Authorization: " + tt.token + "\r\n"
				}
				sendRaw(t, g.front.address, raw+forged+"\r\n").is(t, tt.status, "")
				var got []http.Header
				for _, r := range g.service.take() {
					got = append(got, r.identity())
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s: the service is told (-want +got):\n%s", tt.path, diff)
				}
			}
		})
	}
}

// refuses checks an answer that the service did not give.
func (g *gate) refuses(t *testing.T, got answer, status int, code string) {
	t.Helper()
	got.is(t, status, code)
	isFromNginx(t, got)
	var challenge []string
	if status == http.StatusUnauthorized {
		challenge = []string{"Bearer"}
	}
	if diff := cmp.Diff(challenge, got.header.Values("WWW-Authenticate")); diff != "" {
		t.Errorf("WWW-Authenticate (-want +got):\n%s", diff)
	}
	if requests := g.service.take(); len(requests) > 0 {
		t.Errorf("the service was called: %+v", requests)
	}
}

func TestGatewayRefuses(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	_, token := g.add("ada")
	_, banned := g.add("bob")
	g.refuses(t, g.get(""), http.StatusUnauthorized, "INVALID_SESSION_ERROR")
	g.refuses(t, g.get("x.y.z"), http.StatusUnauthorized, "INVALID_SESSION_ERROR")
	g.refuses(t, g.get("", "X-User-Id", "1"), http.StatusUnauthorized, "INVALID_SESSION_ERROR")

	g.get(token).is(t, http.StatusAccepted, "")
	g.get(banned).is(t, http.StatusAccepted, "")
	g.service.take()
	send(t, request{method: "DELETE", url: g.sessiond.url("/users/me/sessions/me"), token: token}).is(t, http.StatusOK, "")
	g.command("", "users", "ban", "bob")
	g.refuses(t, g.get(token), http.StatusUnauthorized, "INVALID_SESSION_ERROR")
	g.refuses(t, g.get(banned), http.StatusForbidden, "BANNED_ERROR")

	g.asked.take()
	send(t, request{method: "GET", url: g.url("/.sessiond"), token: token}).is(t, http.StatusNotFound, "")
	if requests := append(g.asked.take(), g.service.take()...); len(requests) > 0 {
		t.Errorf("what nginx asks, a client can ask: %+v", requests)
	}
}

// Nobody is let in while nobody can say whose a token is.
func TestGatewayFailsClosed(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]func(*gate){
		"Redis is out":     func(g *gate) { g.redis.Kill() },
		"Redis is silent":  func(g *gate) { g.redis.Freeze() },
		"sessiond is gone": func(g *gate) { g.verify.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startGate(t)
			_, token := g.add("ada")
			g.get(token).is(t, http.StatusAccepted, "")
			g.service.take()
			outage(g)
			for range 2 {
				g.refuses(t, g.get(token, "X-User-Id", "1"), http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
			}
		})
	}
}

// sessiond is asked about the token and told nothing else, on one connection.
func TestGatewayAsksLittle(t *testing.T) {
	t.Parallel()
	g := startGate(t)
	_, token := g.add("ada")
	const body = "order=7"
	for range 5 {
		got := send(t, request{
			method: "POST", url: g.url("/orders?id=7"), token: token, body: body,
			headers: []string{"Cookie", "a=b", "X-Forwarded-For", "192.0.2.1"},
		})
		got.is(t, http.StatusAccepted, "")
		if r := g.service.only(t); r.method != "POST" || r.path != "/orders" || r.body != body {
			t.Errorf("the service got %+v", r)
		}
		want := received{method: "GET", path: "/verify", header: http.Header{
			"Authorization": {token}, "X-Forwarded-For": {"127.0.0.1"},
		}}
		if diff := cmp.Diff(want, g.asked.only(t), cmp.AllowUnexported(received{})); diff != "" {
			t.Errorf("sessiond is asked (-want +got):\n%s", diff)
		}
	}
	if n := g.connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
