package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sessiond/sessiond/handlers/openapi"
)

// schemas are those of the OpenAPI document, whose dialect is JSON Schema 2020-12
// (OpenAPI 3.1, section 4.8.24), compiled when they are first needed.
type schemas struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

// schemasOf takes the document decoded by jsonschema.UnmarshalJSON.
func schemasOf(document any) (*schemas, error) {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	if err := compiler.AddResource("openapi.json", document); err != nil {
		return nil, err
	}
	return &schemas{compiler: compiler, compiled: map[string]*jsonschema.Schema{}}, nil
}

// check holds a value against the schema that a JSON pointer leads to.
func (s *schemas) check(pointer string, value any) error {
	schema, err := s.at(pointer)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func (s *schemas) at(pointer string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if schema := s.compiled[pointer]; schema != nil {
		return schema, nil
	}
	schema, err := s.compiler.Compile("openapi.json#" + (&url.URL{Fragment: pointer}).EscapedFragment())
	if err != nil {
		return nil, err
	}
	s.compiled[pointer] = schema
	return schema, nil
}

// checkHeader holds a header that is there against its schema; digits alone are
// a number.
func (s *schemas) checkHeader(h *header, text string) error {
	var value any = text
	if _, err := strconv.ParseUint(text, 10, 64); err == nil {
		value = json.Number(text)
	}
	return s.check(h.pointer+"/schema", value)
}

func (s *schemas) checkBody(r *response, mediaType, text string) error {
	body, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.check(r.pointer+"/content/"+escapePointer(mediaType)+"/schema", body)
}

// escapePointer writes a name as a step of a JSON pointer (RFC 6901, section 3).
func escapePointer(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// Every example in the document, of bodies, parameters, headers and schemas, is
// one of what it stands for, and everything that can have one has one.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(openapi.Document("/api", "test")))
	if err != nil {
		t.Fatal(err)
	}
	all, err := schemasOf(document)
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	check := func(schema string, example any) {
		checked++
		if err := all.check(schema, example); err != nil {
			t.Errorf("an example for %s: %v", schema, err)
		}
	}
	var walk func(pointer string, value any)
	walk = func(pointer string, value any) {
		switch value := value.(type) {
		case map[string]any:
			named, _ := value["examples"].(map[string]any)
			for _, example := range named {
				object, _ := example.(map[string]any)
				check(pointer+"/schema", object["value"])
			}
			if example, ok := value["example"]; ok {
				check(pointer+"/schema", example)
			} else if _, needsOne := value["schema"]; needsOne && len(named) == 0 {
				t.Errorf("no example at %s", pointer)
			}
			list, _ := value["examples"].([]any)
			for _, example := range list {
				check(pointer, example)
			}
			for name, member := range value {
				if name != "examples" && name != "example" {
					walk(pointer+"/"+escapePointer(name), member)
				}
			}
		case []any:
			for i, item := range value {
				walk(fmt.Sprint(pointer, "/", i), item)
			}
		}
	}
	walk("", document)
	if checked < 50 {
		t.Errorf("only %d examples were found", checked)
	}
}
