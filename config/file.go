package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/viper"
)

// entry is a value in a settings file, under the dotted path of its key as it
// was written.
type entry struct {
	path  string
	value any
}

// readFile decodes a settings file with viper's decoders, but keeps what
// viper's own reading drops: how keys were spelled, and which are there twice.
func readFile(file string) ([]entry, error) {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")
	switch format {
	case "yaml", "yml", "json", "toml":
	case "":
		format = "yaml" // A pipe or a mounted secret has no extension.
	default:
		return nil, fmt.Errorf("has the extension .%s; want .yaml, .yml, .json or .toml", format)
	}
	content, err := os.ReadFile(file) //nolint:gosec // The operator names the file.
	if err != nil {
		if pathError, ok := errors.AsType[*os.PathError](err); ok {
			err = pathError.Err // The caller names the file.
		}
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	decoder, err := viper.NewCodecRegistry().Decoder(format)
	if err != nil {
		return nil, fmt.Errorf("cannot be decoded as %s: %w", format, err)
	}
	document := make(map[string]any)
	if err := decoder.Decode(content, document); err != nil {
		return nil, fmt.Errorf("is no valid %s: %s", strings.ToUpper(format), syntaxFault(content, err))
	}
	if format == "json" {
		if name := repeatedName(content); name != "" {
			return nil, fmt.Errorf("is no valid JSON: the name %q is there twice in one object", name)
		}
	}
	return flatten(nil, "", document), nil
}

// flatten lists the values below a section. An empty section is nothing to
// list, unless no setting would belong in it: then it is there to be refused.
func flatten(entries []entry, path string, section map[string]any) []entry {
	for _, key := range slices.Sorted(maps.Keys(section)) {
		p, value := path+key, section[key]
		below, nested := asSection(value)
		switch {
		case nested && len(below) > 0 && !isSetting(p):
			entries = flatten(entries, p+".", below)
		case (nested || value == nil) && isSection(p):
		default:
			entries = append(entries, entry{p, value})
		}
	}
	return entries
}

// asSection returns a decoded mapping; YAML's may have keys that are no text.
func asSection(value any) (map[string]any, bool) {
	switch m := value.(type) {
	case map[string]any:
		return m, true
	case map[any]any:
		section := make(map[string]any, len(m))
		for key, below := range m {
			section[fmt.Sprint(key)] = below
		}
		return section, true
	}
	return nil, false
}

func isSetting(path string) bool {
	return slices.ContainsFunc(settings, func(s definition) bool { return strings.EqualFold(s.Key, path) })
}

func isSection(path string) bool {
	prefix := strings.ToLower(path) + "."
	return slices.ContainsFunc(settings, func(s definition) bool { return strings.HasPrefix(s.Key, prefix) })
}

var (
	backquoted = regexp.MustCompile("(?s)`.*`")
	quoted     = regexp.MustCompile(`["'].*["']`)
)

// syntaxFault words a decoder's error with its line, and without the parts of
// the file that the decoders quote: they may be of a password. The names of
// keys that are there twice stay.
func syntaxFault(content []byte, err error) string {
	reason := backquoted.ReplaceAllString(err.Error(), "…")
	lines := strings.Split(reason, "\n")
	for i, line := range lines {
		if !strings.Contains(line, "mapping key ") {
			lines[i] = quoted.ReplaceAllString(line, "…")
		}
	}
	reason = strings.Join(lines, "")
	reason = strings.ReplaceAll(reason, "map[string]interface {}", "settings")

	var (
		positioned interface{ Position() (row, column int) } // TOML.
		syntax     *json.SyntaxError
	)
	switch {
	case errors.As(err, &positioned):
		row, _ := positioned.Position()
		return fmt.Sprintf("line %d: %s", row, reason)
	case errors.As(err, &syntax):
		return fmt.Sprintf("line %d: %s", 1+bytes.Count(content[:syntax.Offset], []byte("\n")), reason)
	}
	return reason // YAML's errors name the line.
}

// repeatedName returns a name that one object of a JSON document has twice, of
// which encoding/json would quietly drop the first.
func repeatedName(content []byte) string {
	d := json.NewDecoder(bytes.NewReader(content))
	var (
		objects []map[string]bool // The names seen; nil for an array.
		isName  bool
	)
	for {
		token, err := d.Token()
		if err != nil {
			return "" // The end: the document has been decoded before.
		}
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				objects = append(objects, make(map[string]bool))
			case '[':
				objects = append(objects, nil)
			default:
				objects = objects[:len(objects)-1]
			}
			isName = true
		case string:
			if isName && len(objects) > 0 && objects[len(objects)-1] != nil {
				seen := objects[len(objects)-1]
				if seen[t] {
					return t
				}
				seen[t], isName = true, false
				continue
			}
			isName = true
		default:
			isName = true
		}
	}
}
