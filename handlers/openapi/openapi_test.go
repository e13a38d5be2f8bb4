package openapi_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/handlers/openapi"
)

// Only what a server is told differs from the source.
func TestDocument(t *testing.T) {
	t.Parallel()
	for base, url := range map[string]string{"": "/", "/api": "/api", `/v2/"api"`: `/v2/"api"`} {
		var got struct {
			OpenAPI string
			Info    struct{ Version string }
			Servers []struct{ URL string }
		}
		if err := json.Unmarshal(openapi.Document(base, "1.2.3"), &got); err != nil {
			t.Fatalf("for %q: %v", base, err)
		}
		if got.OpenAPI != "3.1.1" || got.Info.Version != "1.2.3" || len(got.Servers) != 1 || got.Servers[0].URL != url {
			t.Errorf("for %q: %+v", base, got)
		}
	}
	source, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(source), string(openapi.Document("/api", "dev"))); diff != "" {
		t.Errorf("for a server as the source has it (-source +served):\n%s", diff)
	}
}

// Every reference leads somewhere, and every component is referred to: nothing
// in the document is a leftover.
func TestReferences(t *testing.T) {
	t.Parallel()
	var document map[string]any
	if err := json.Unmarshal(openapi.Document("", ""), &document); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			if ref, ok := value["$ref"].(string); ok {
				used[ref] = true
			}
			for _, member := range value {
				walk(member)
			}
		case []any:
			for _, item := range value {
				walk(item)
			}
		}
	}
	walk(document)
	for ref := range used {
		var at any = document
		for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			object, _ := at.(map[string]any)
			at = object[step]
		}
		if at == nil {
			t.Errorf("%s leads nowhere", ref)
		}
	}
	components, _ := document["components"].(map[string]any)
	for _, kind := range []string{"headers", "parameters", "responses", "schemas"} {
		all, _ := components[kind].(map[string]any)
		for name := range all {
			if ref := "#/components/" + kind + "/" + name; !used[ref] {
				t.Errorf("nothing refers to %s", ref)
			}
		}
	}
}

func serve(t *testing.T, name string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs/"+name, http.NoBody)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	if found, err := openapi.NewDocs().Serve(w, r, name); err != nil || !found {
		t.Fatalf("%q: found %t, error %v", name, found, err)
	}
	return w
}

func TestEveryFile(t *testing.T) {
	t.Parallel()
	types := map[string]string{"": "text/html", ".css": "text/css", ".js": "text/javascript", ".LICENSE.txt": "text/plain"}
	for _, name := range openapi.NewDocs().Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := serve(t, name)
			_, extension, dotted := strings.Cut(name, ".")
			if dotted {
				extension = "." + extension
			}
			header := got.Header()
			if want := types[extension] + "; charset=utf-8"; got.Code != http.StatusOK || header.Get("Content-Type") != want {
				t.Errorf("status %d, Content-Type %q", got.Code, header.Get("Content-Type"))
			}
			if header.Get("Cache-Control") != "no-cache" || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("headers %v", header)
			}
			etag := header.Get("ETag")
			for _, have := range [][]string{
				{"If-None-Match", etag},
				{"If-None-Match", `"older", ` + etag},
				{"If-None-Match", `"older"`, "If-None-Match", etag},
				{"If-None-Match", "*"},
				{"If-None-Match", strings.TrimPrefix(etag, "W/")},
				{"If-None-Match", etag, "Accept-Encoding", "gzip"},
			} {
				again := serve(t, name, have...)
				if again.Code != http.StatusNotModified || again.Body.Len() != 0 || again.Header().Get("ETag") != etag {
					t.Errorf("with %q: status %d, %d bytes, headers %v", have, again.Code, again.Body.Len(), again.Header())
				}
			}
			if stale := serve(t, name, "If-None-Match", `W/"older"`); stale.Code != http.StatusOK || stale.Body.String() != got.Body.String() {
				t.Errorf("with an older copy: status %d", stale.Code)
			}
		})
	}
}

func TestUnknownFile(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs/x", http.NoBody)
	for _, name := range []string{"docs.html", "openapi.go", "../openapi.json", "swagger-ui.css.gz", "SHA256SUMS", "/"} {
		w := httptest.NewRecorder()
		found, err := openapi.NewDocs().Serve(w, r, name)
		if found || err != nil || len(w.Header()) != 0 || w.Body.Len() != 0 {
			t.Errorf("%q: found %t, error %v, headers %v", name, found, err, w.Header())
		}
	}
}

// The library is the one that was published, byte for byte, whether its client
// reads gzip or not.
func TestLibrary(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile("assets/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	published := map[string]string{}
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		published[name] = sum
	}
	if len(published) != 2 {
		t.Fatalf("checksums %v", published)
	}
	encodings := map[string]bool{
		"": false, "identity": false, "br": false, "gzip;q=0": false, "gzip; q=0.0, br": false, "xgzip": false,
		"gzip": true, "br, gzip": true, "deflate, GZIP;q=0.5": true,
	}
	for name, want := range published {
		for accepted, encoded := range encodings {
			w := serve(t, name, "Accept-Encoding", accepted)
			var body io.Reader = w.Body
			if (w.Header().Get("Content-Encoding") == "gzip") != encoded {
				t.Errorf("%s for %q: Content-Encoding %q", name, accepted, w.Header().Get("Content-Encoding"))
				continue
			}
			if encoded {
				if body, err = gzip.NewReader(w.Body); err != nil {
					t.Fatal(err)
				}
			}
			hash := sha256.New()
			if _, err := io.Copy(hash, body); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(hash.Sum(nil)); got != want {
				t.Errorf("%s for %q has the checksum %s, want %s", name, accepted, got, want)
			}
		}
	}
}

// The page loads nothing but its own files, all of which are there, and nothing
// in it is inline, which its policy would refuse.
func TestPage(t *testing.T) {
	t.Parallel()
	page := serve(t, "")
	names := openapi.NewDocs().Names()
	for _, match := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(page.Body.String(), -1) {
		name, isFile := strings.CutPrefix(match[1], "docs/")
		known := match[1] == "openapi.json" || match[1] == "data:,"
		for _, file := range names {
			known = known || isFile && name == file
		}
		if !known {
			t.Errorf("the page refers to %s", match[1])
		}
	}
	if regexp.MustCompile(`<style|style=|<script>|\son\w+=`).MatchString(page.Body.String()) {
		t.Error("something in the page is inline")
	}
	policy := page.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"} {
		if !strings.Contains(policy+"; ", want+"; ") {
			t.Errorf("the policy has no %q: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
		t.Errorf("the policy is %s", policy)
	}
}
