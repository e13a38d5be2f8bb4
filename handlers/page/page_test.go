package page_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/handlers/page"
)

type answer struct {
	status int
	header http.Header
	text   string
}

func get(t *testing.T, h http.Handler, method, path string, headers ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), text: w.Body.String()}
}

func TestEveryFile(t *testing.T) {
	t.Parallel()
	h := page.New("/api")
	types := map[string]string{
		"": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	for _, path := range h.Paths() {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			file := get(t, h, http.MethodGet, path)
			if file.status != http.StatusOK || file.text == "" {
				t.Fatalf("status %d, %d bytes", file.status, len(file.text))
			}
			_, extension, dotted := strings.Cut(path, ".")
			if dotted {
				extension = "." + extension
			}
			want := map[string]string{
				"Content-Type":               types[extension],
				"Cache-Control":              "no-cache",
				"Cross-Origin-Opener-Policy": "same-origin",
				"Referrer-Policy":            "no-referrer",
				"X-Content-Type-Options":     "nosniff",
				"Last-Modified":              "",
			}
			for name, value := range want {
				if got := file.header.Get(name); got != value {
					t.Errorf("%s: %q, want %q", name, got, value)
				}
			}

			head := get(t, h, http.MethodHead, path)
			if got := head.header.Get("Content-Length"); head.status != http.StatusOK || head.text != "" || got != strconv.Itoa(len(file.text)) {
				t.Errorf("HEAD: status %d, Content-Length %s, body %q; the file has %d bytes", head.status, got, head.text, len(file.text))
			}
			etag := file.header.Get("ETag")
			if again := get(t, h, http.MethodGet, path, "If-None-Match", etag); again.status != http.StatusNotModified || again.text != "" {
				t.Errorf("with the ETag %s: status %d, body %.20q", etag, again.status, again.text)
			}
			if stale := get(t, h, http.MethodGet, path, "If-None-Match", `"older"`); stale.status != http.StatusOK || stale.text != file.text {
				t.Errorf("with an older ETag: status %d", stale.status)
			}
		})
	}
}

func TestOnlyItsPaths(t *testing.T) {
	t.Parallel()
	h := page.New("/api")
	for _, path := range []string{"/", "/sessions/", "/sessions/page.html", "/sessions/page.go", "/sessions/..%2Fpage.css", "/page.css"} {
		if got := get(t, h, http.MethodGet, path); got.status != http.StatusNotFound {
			t.Errorf("%s: status %d", path, got.status)
		}
	}
}

// TestPolicy holds the policy that keeps a name that is markup harmless even if
// a script should make a mistake.
func TestPolicy(t *testing.T) {
	t.Parallel()
	header := get(t, page.New("/api"), http.MethodGet, page.Path).header
	got := map[string]string{}
	for directive := range strings.SplitSeq(header.Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(directive, " ")
		got[name] = value
	}
	want := map[string]string{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "connect-src": "'self'",
		"img-src": "'self'", "base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'",
		"require-trusted-types-for": "'script'", "trusted-types": "'none'",
	}
	if len(got) != len(want) {
		t.Errorf("directives %v", got)
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s %s, want %s", name, got[name], value)
		}
	}
}

// TestNothingFromElsewhere looks at what the policy would forbid, and at what it
// can't see: an address in a file, which nobody would notice until it is used.
func TestNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	h := page.New("/api")
	address := regexp.MustCompile(`(?i)\b(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s"']*`)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?:\s+[^>]*)?>[^<]`)
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|localStorage|document\.cookie`)
	for _, path := range h.Paths() {
		body := get(t, h, http.MethodGet, path).text
		for _, found := range address.FindAllString(body, -1) {
			if found != "http://www.w3.org/2000/svg" {
				t.Errorf("%s names %s", path, found)
			}
		}
		if path == page.Path {
			if found := inline.FindString(body); found != "" {
				t.Errorf("%s has %q inline", path, found)
			}
		}
		if found := markup.FindString(body); found != "" {
			t.Errorf("%s uses %s", path, found)
		}
	}
}

// TestItsOwnFiles follows every path that the page and its scripts name.
func TestItsOwnFiles(t *testing.T) {
	t.Parallel()
	h := page.New("/api")
	reference := regexp.MustCompile(`(?:href|src)="(/[^"]*)"|from '\.(/[^']*)'`)
	served := map[string]bool{}
	for _, path := range h.Paths() {
		served[path] = true
	}
	used := map[string]bool{page.Path: true}
	for _, path := range h.Paths() {
		for _, match := range reference.FindAllStringSubmatch(get(t, h, http.MethodGet, path).text, -1) {
			name := match[1]
			if match[2] != "" {
				name = page.Path + match[2]
			}
			used[name] = true
			if !served[name] {
				t.Errorf("%s names %s, which is not served", path, name)
			}
		}
	}
	for path := range served {
		if !used[path] {
			t.Errorf("%s is served, and nothing uses it", path)
		}
	}
}

func TestAPIBase(t *testing.T) {
	t.Parallel()
	for base, want := range map[string]string{
		"":             `content=""`,
		"/api":         `content="/api"`,
		"/auth/v1":     `content="/auth/v1"`,
		`/"><script>x`: `content="/&#34;&gt;&lt;script&gt;x"`,
	} {
		body := get(t, page.New(base), http.MethodGet, page.Path).text
		if !strings.Contains(body, `<meta name="api-base" `+want+`>`) {
			t.Errorf("base %q: no %s in the page", base, want)
		}
		if strings.Contains(body, "{{") {
			t.Errorf("base %q: a mark is left in the page", base)
		}
	}
}

// TestBasesDiffer keeps a browser from taking the page of one base path for
// that of another.
func TestBasesDiffer(t *testing.T) {
	t.Parallel()
	one := get(t, page.New("/api"), http.MethodGet, page.Path).header.Get("ETag")
	other := get(t, page.New("/v2"), http.MethodGet, page.Path).header.Get("ETag")
	if one == other {
		t.Errorf("both have the ETag %s", one)
	}
}
