package handlers_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sessiond/sessiond/handlers/openapi"
)

// contract is the OpenAPI document, and what the tests have seen of it.
type contract struct {
	Paths      map[string]map[string]*operation
	Components struct {
		Headers   map[string]*header
		Responses map[string]*response
	}

	schemas *schemas

	mu   sync.Mutex
	seen map[outcome]bool
}

type operation struct {
	OperationID string
	Responses   map[string]*response
	RequestBody *struct{ Content map[string]*media }
}

type response struct {
	Ref     string `json:"$ref"`
	Headers map[string]*header
	Content map[string]*media
	// pointer is where the response is in the document.
	pointer string
}

type header struct {
	Ref      string `json:"$ref"`
	Required bool
	// pointer is where the header is in the document.
	pointer string
}

type media struct {
	Examples map[string]struct{ Value json.RawMessage }
}

// documented is the document with its references resolved, as far as the tests
// look into it.
var documented = sync.OnceValue(func() *contract {
	c := &contract{seen: map[outcome]bool{}}
	if err := c.read(openapi.Document("/api", "test")); err != nil {
		fmt.Fprintln(os.Stderr, "openapi.json:", err)
		os.Exit(1)
	}
	for name, h := range c.Components.Headers {
		h.pointer = "/components/headers/" + name
	}
	for name, r := range c.Components.Responses {
		r.pointer = "/components/responses/" + name
		c.resolveHeaders(r)
	}
	for path, operations := range c.Paths {
		for method, op := range operations {
			for status, r := range op.Responses {
				if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
					op.Responses[status] = c.Components.Responses[name]
					continue
				}
				r.pointer = "/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + method + "/responses/" + status
				c.resolveHeaders(r)
			}
		}
	}
	return c
})

func (c *contract) read(document []byte) error {
	if err := json.Unmarshal(document, c); err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		return err
	}
	c.schemas, err = schemasOf(value)
	return err
}

func (c *contract) resolveHeaders(r *response) {
	for name, h := range r.Headers {
		r.Headers[name] = c.Components.Headers[strings.TrimPrefix(h.Ref, "#/components/headers/")]
	}
}

// operation returns the operation that answers a request, or nil for a request
// to none. The path is below the base path, and as it was sent.
func (c *contract) operation(method, path string) *operation {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if path == "" {
		path = "/"
	}
	var found *operation
	for template, operations := range c.Paths {
		op := operations[strings.ToLower(method)]
		if op == nil || !matches(template, path) {
			continue
		}
		// What is spelled out wins over what is a parameter.
		if !strings.HasSuffix(template, "}") {
			return op
		}
		found = op
	}
	return found
}

func matches(template, path string) bool {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(want, got string) bool {
		return want == got || strings.HasPrefix(want, "{") && got != ""
	})
}

// unknownEndpoint is what answers a request to no operation.
func (c *contract) unknownEndpoint() *operation {
	all := c.Components.Responses
	return &operation{OperationID: "none", Responses: map[string]*response{
		"404": all["InvalidEndpoint"], "429": all["RateLimited"], "500": all["InternalServerError"],
	}}
}

// check holds an answer against the document.
func (c *contract) check(basePath, method, path string, got answer) error {
	below, isBelow := strings.CutPrefix(path, basePath)
	switch {
	case refusedByServer(got), isPreflight(got):
		return nil // None of them is an answer of the API's.
	case !isBelow || below != "" && below[0] != '/':
		below = "/outside/"
	}
	op := c.operation(method, below)
	if op == nil {
		op = c.unknownEndpoint()
	}
	documented := op.Responses[strconv.Itoa(got.status)]
	if documented == nil {
		return fmt.Errorf("%s has no status %d", op.OperationID, got.status)
	}
	if err := documented.checkHeaders(c.schemas, got.header); err != nil {
		return fmt.Errorf("%s, status %d: %w", op.OperationID, got.status, err)
	}
	code, err := documented.checkBody(c.schemas, method, got)
	if err != nil {
		return fmt.Errorf("%s, status %d: %w", op.OperationID, got.status, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[outcome{op.OperationID, got.status, code}] = true
	return nil
}

// refusedByServer tells whether net/http has refused a request that is none,
// before the API saw it.
func refusedByServer(got answer) bool {
	return got.status >= 400 && got.header.Get("Content-Type") == "text/plain; charset=utf-8" && got.header.Get("Cache-Control") == ""
}

func isPreflight(got answer) bool {
	return got.status == http.StatusNoContent && slices.Contains(got.header.Values("Vary"), "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
}

// checkHeaders wants every header that the document has, and no other but those
// of HTTP itself and of CORS.
func (r *response) checkHeaders(all *schemas, got http.Header) error {
	for name, h := range r.Headers {
		values := got.Values(name)
		if len(values) > 1 || h.Required && len(values) == 0 {
			return fmt.Errorf("the header %s is %q", name, values)
		}
		if len(values) == 1 {
			if err := all.checkHeader(h, values[0]); err != nil {
				return fmt.Errorf("the header %s is %q: %w", name, values[0], err)
			}
		}
	}
	documented := map[string]bool{"Connection": true, "Content-Length": true, "Content-Type": true, "Date": true}
	for name := range r.Headers {
		documented[http.CanonicalHeaderKey(name)] = true
	}
	for name, values := range got {
		cors := strings.HasPrefix(name, "Access-Control-") || name == "Vary" && slices.Equal(values, []string{"Origin"})
		if !documented[name] && !cors {
			return fmt.Errorf("the header %s is not in the document", name)
		}
	}
	return nil
}

// checkBody wants a documented type of content and JSON that fits its schema. It
// returns the body's code, which has to be in one of the examples.
func (r *response) checkBody(all *schemas, method string, got answer) (code string, err error) {
	if len(r.Content) == 0 {
		if got.text != "" {
			return "", fmt.Errorf("body %q", got.text)
		}
		return "", nil
	}
	mediaType, _, err := mime.ParseMediaType(got.header.Get("Content-Type"))
	if err != nil {
		return "", fmt.Errorf("content type %q: %w", got.header.Get("Content-Type"), err)
	}
	content := r.Content[mediaType]
	if content == nil {
		return "", fmt.Errorf("content of type %s", mediaType)
	}
	if method == http.MethodHead || mediaType != "application/json" {
		return "", nil
	}
	if err := all.checkBody(r, mediaType, got.text); err != nil {
		return "", fmt.Errorf("body %.300s: %w", got.text, err)
	}
	code, err = codeOf([]byte(got.text))
	if codes := content.codes(); err == nil && !slices.Contains(codes, code) {
		return "", fmt.Errorf("code %q is none of %q", code, codes)
	}
	return code, err
}

// codes are those of the examples, and the empty one where an example has none.
func (m *media) codes() []string {
	codes := map[string]bool{}
	for _, example := range m.Examples {
		code, _ := codeOf(example.Value)
		codes[code] = true
	}
	return slices.Sorted(maps.Keys(codes))
}

func codeOf(body []byte) (string, error) {
	var object struct{ Code string }
	err := json.Unmarshal(body, &object)
	return object.Code, err
}

// fitsDocument fails where an answer is not what the OpenAPI document says. Of
// other listeners it says nothing.
func (r *replica) fitsDocument(method, path string, got answer) {
	r.t.Helper()
	if r.contract == nil {
		return
	}
	if err := r.contract.check(r.config.HTTP.BasePath, method, path, got); err != nil {
		r.t.Errorf("%s %s: not as in openapi.json: %v", method, path, err)
	}
}

// rawFitsDocument is fitsDocument for the text of a request. What is no request
// never reaches the API.
func (r *replica) rawFitsDocument(text string, got answer) {
	r.t.Helper()
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return
	}
	r.fitsDocument(req.Method, req.URL.EscapedPath(), got)
}
