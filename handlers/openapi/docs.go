package openapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // The page is part of the binary.
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The page is Swagger UI, which assets/swagger-ui.LICENSE.txt tells the version
// and the licences of. refresh-assets fetches it, compressed, as it is
// published; docs.* are our own.
//
//go:generate ./refresh-assets
var (
	//go:embed assets/docs.html
	docsHTML []byte
	//go:embed assets/docs.css
	docsCSS []byte
	//go:embed assets/docs.js
	docsJS []byte
	//go:embed assets/swagger-ui.css.gz
	swaggerCSS []byte
	//go:embed assets/swagger-ui-bundle.js.gz
	swaggerJS []byte
	//go:embed assets/swagger-ui.LICENSE.txt
	swaggerLicense []byte
)

// contentSecurityPolicy lets the page load its own files and send requests to
// its own origin, which is what trying an endpoint out does. No script or style
// is inline. The images in data URLs are the icons of the style sheet.
var contentSecurityPolicy = strings.Join([]string{
	"default-src 'none'",
	"script-src 'self'",
	"style-src 'self'",
	"connect-src 'self'",
	"img-src 'self' data:",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
}, "; ")

// pageHeaders go with every file of the page. The files' names never change, so
// a browser asks each time whether its copy is still good.
var pageHeaders = map[string]string{
	"Cache-Control":                "no-cache",
	"Content-Security-Policy":      contentSecurityPolicy,
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY", // For browsers without frame-ancestors.
}

// Docs is a page that shows the document in a browser. Its answers are HTML,
// scripts and styles, the only ones under the API's base path that are no JSON.
type Docs struct {
	files map[string]file
}

type file struct {
	contentType, etag string
	// data is compressed with gzip where gzipped tells so.
	data    []byte
	gzipped bool
}

// NewDocs returns the page.
func NewDocs() *Docs {
	d := &Docs{files: make(map[string]file)}
	d.add("", "text/html; charset=utf-8", docsHTML)
	d.add("docs.css", "text/css; charset=utf-8", docsCSS)
	d.add("docs.js", "text/javascript; charset=utf-8", docsJS)
	d.add("swagger-ui.css", "text/css; charset=utf-8", swaggerCSS)
	d.add("swagger-ui-bundle.js", "text/javascript; charset=utf-8", swaggerJS)
	d.add("swagger-ui.LICENSE.txt", "text/plain; charset=utf-8", swaggerLicense)
	return d
}

// gzipMagic is what every gzip file begins with (RFC 1952, section 2.3.1), and
// no text.
var gzipMagic = []byte{0x1f, 0x8b}

func (d *Docs) add(name, contentType string, data []byte) {
	sum := sha256.Sum256(data)
	d.files[name] = file{
		contentType: contentType,
		// Weak: the same for the file as it is and compressed.
		etag:    `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		data:    data,
		gzipped: bytes.HasPrefix(data, gzipMagic),
	}
}

// Names are those of the page's files, in order; the page itself has none.
func (d *Docs) Names() []string {
	return slices.Sorted(maps.Keys(d.files))
}

// Serve answers with the file of that name, or the page itself where it is
// empty. It tells whether there is one; where there is none it writes nothing.
func (d *Docs) Serve(w http.ResponseWriter, r *http.Request, name string) (bool, error) {
	f, ok := d.files[name]
	if !ok {
		return false, nil
	}
	data, encoded := f.data, f.gzipped
	if encoded && !acceptsGzip(r) {
		var err error
		if data, err = gunzip(data); err != nil {
			return true, err
		}
		encoded = false
	}
	h := w.Header()
	for name, value := range pageHeaders {
		h.Set(name, value)
	}
	h.Add("Vary", "Accept-Encoding") // CORS may have said Origin.
	h.Set("ETag", f.etag)
	if hasCopy(r, f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return true, nil
	}
	if encoded {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(data) // That the client went away is nobody's error.
	return true, nil
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3) as far as what
// browsers and proxies send of it: gzip, unless its weight is 0.
func acceptsGzip(r *http.Request) bool {
	for coding := range listed(r, "Accept-Encoding") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			_, number, weighted := strings.Cut(weight, "=")
			return !weighted || strings.Trim(number, " 0.") != ""
		}
	}
	return false
}

// hasCopy tells whether the client has the file already (RFC 9110, section
// 13.1.2).
func hasCopy(r *http.Request, etag string) bool {
	for tag := range listed(r, "If-None-Match") {
		if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(etag, "W/") {
			return true
		}
	}
	return false
}

// listed are the members of a header field that is a list, over all its lines.
func listed(r *http.Request, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range r.Header.Values(name) {
			for member := range strings.SplitSeq(line, ",") {
				if !yield(strings.TrimSpace(member)) {
					return
				}
			}
		}
	}
}

func gunzip(data []byte) ([]byte, error) {
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decompress a file of the page: %w", err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("decompress a file of the page: %w", err)
	}
	return text, nil
}
