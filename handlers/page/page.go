// Package page serves the page "Where you're logged in": a person's own view of
// the sessions that the API keeps, and the one place here that is made for a
// browser.
//
// The page is static. Its scripts call the API like any other client, with a
// token that they keep in sessionStorage, and show what other people sent
// (names, user agents) as text alone. The headers forbid everything else: no
// script, style or request but to this origin, no frame around it, no form that
// leaves it.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // The page is part of the binary.
	"encoding/base64"
	"html"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Path is where the page is; all that it loads is below.
const Path = "/sessions"

var (
	//go:embed assets/page.html
	pageHTML string
	//go:embed assets/page.css
	pageCSS string
	//go:embed assets/page.js
	pageJS string
	//go:embed assets/login.js
	loginJS string
	//go:embed assets/sessions.js
	sessionsJS string
	//go:embed assets/dialogs.js
	dialogsJS string
	//go:embed assets/api.js
	apiJS string
	//go:embed assets/words.js
	wordsJS string
	//go:embed assets/icon.svg
	iconSVG string
)

// apiBaseMark is where the markup takes the API's base path.
const apiBaseMark = "{{api-base}}"

const (
	typeHTML = "text/html; charset=utf-8"
	typeCSS  = "text/css; charset=utf-8"
	typeJS   = "text/javascript; charset=utf-8"
	typeSVG  = "image/svg+xml"
)

// contentSecurityPolicy lets the page load its own files and call its own
// origin. Trusted Types make the browser refuse markup made from text, so that
// a session's name can never become an element, whatever a later change does.
var contentSecurityPolicy = strings.Join([]string{
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"connect-src 'self'",
	"img-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
	"require-trusted-types-for 'script'",
	"trusted-types 'none'",
}, "; ")

// headers go with every file. The files' names never change, so a browser asks
// each time whether its copy is still good, which their ETags answer: after an
// upgrade nobody runs old scripts in a new page.
var headers = map[string]string{
	"Cache-Control":                "no-cache",
	"Content-Security-Policy":      contentSecurityPolicy,
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY", // For browsers without frame-ancestors.
}

// Handler serves the page and its files, to GET and HEAD.
type Handler struct {
	files map[string]file
}

type file struct {
	contentType, text, etag string
}

// New returns the page for an API at base, which is empty or a path such as
// "/api" on the same origin.
func New(base string) *Handler {
	markup := strings.ReplaceAll(pageHTML, apiBaseMark, html.EscapeString(base))
	h := &Handler{files: make(map[string]file)}
	h.add("", typeHTML, markup)
	h.add("/page.css", typeCSS, pageCSS)
	h.add("/page.js", typeJS, pageJS)
	h.add("/login.js", typeJS, loginJS)
	h.add("/sessions.js", typeJS, sessionsJS)
	h.add("/dialogs.js", typeJS, dialogsJS)
	h.add("/api.js", typeJS, apiJS)
	h.add("/words.js", typeJS, wordsJS)
	h.add("/icon.svg", typeSVG, iconSVG)
	return h
}

func (h *Handler) add(name, contentType, text string) {
	sum := sha256.Sum256([]byte(text))
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h.files[Path+name] = file{contentType: contentType, text: text, etag: etag}
}

// Paths are those of the page and its files, in order. There is nothing else
// to serve.
func (h *Handler) Paths() []string {
	return slices.Sorted(maps.Keys(h.files))
}

// ServeHTTP serves one of the Paths.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := h.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("ETag", f.etag)
	// It answers conditional requests and HEAD. The zero time is no time.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader([]byte(f.text)))
}
