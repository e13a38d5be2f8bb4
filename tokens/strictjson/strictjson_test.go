package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/tokens/strictjson"
)

func TestObjectAccepts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   string
		want map[string]string
	}{
		{"empty", `{}`, map[string]string{}},
		{"white space around", " \t\r\n{ \"a\" : 1 } \n", map[string]string{"a": `1`}},
		{"every kind of value", `{"a":"x","b":1.5e3,"c":null,"d":[1, 2],"e":{"f":{}},"g":true}`, map[string]string{
			"a": `"x"`, "b": `1.5e3`, "c": `null`, "d": `[1, 2]`, "e": `{"f":{}}`, "g": `true`,
		}},
		{"letter case tells names apart", `{"a":1,"A":2}`, map[string]string{"a": `1`, "A": `2`}},
		{"escaped name", `{"\u0061":1}`, map[string]string{"a": `1`}},
		{"empty name", `{"":1}`, map[string]string{"": `1`}},
		{"surrogate pair", `{"a":"\ud83d\ude00","b":"\uD83D\uDE00"}`, map[string]string{"a": `"\ud83d\ude00"`, "b": `"\uD83D\uDE00"`}},
		{"escaped backslash before what looks like an escape", `{"a":"\\ud800"}`, map[string]string{"a": `"\\ud800"`}},
		{"replacement character that was sent", `{"a":"\ufffd"}`, map[string]string{"a": `"\ufffd"`}},
		{"deep", `{"a":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000) + `}`, map[string]string{
			"a": strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000),
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := strictjson.Object([]byte(tt.in))
			if err != nil {
				t.Fatalf("Object: %v", err)
			}
			text := make(map[string]string)
			for name, value := range got {
				text[name] = string(value)
			}
			if diff := cmp.Diff(tt.want, text); diff != "" {
				t.Errorf("members (-want +got):\n%s", diff)
			}
		})
	}
}

func TestObjectRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   string
		want error
	}{
		{"nothing", ``, strictjson.ErrNotObject},
		{"white space alone", " \n", strictjson.ErrNotObject},
		{"null", `null`, strictjson.ErrNotObject},
		{"array", `[]`, strictjson.ErrNotObject},
		{"array of an object", `[{}]`, strictjson.ErrNotObject},
		{"number", `5`, strictjson.ErrNotObject},
		{"string", `"{}"`, strictjson.ErrNotObject},
		{"cut off", `{"a":1`, strictjson.ErrNotObject},
		{"cut off in a string", `{"a":"\u00`, strictjson.ErrNotObject},
		{"second object behind it", `{"a":1}{}`, strictjson.ErrNotObject},
		{"second value after a space", `{"a":1} null`, strictjson.ErrNotObject},
		{"junk behind it", `{"a":1}x`, strictjson.ErrNotObject},
		{"NUL behind it", "{\"a\":1}\x00", strictjson.ErrNotObject},
		{"byte order mark", "\ufeff{}", strictjson.ErrNotObject},
		{"trailing comma", `{"a":1,}`, strictjson.ErrNotObject},
		{"comment", `{/**/}`, strictjson.ErrNotObject},
		{"name that is no string", `{a:1}`, strictjson.ErrNotObject},
		{"raw control character", "{\"a\":\"\n\"}", strictjson.ErrNotObject},
		{"deeper than encoding/json goes", `{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, strictjson.ErrNotObject},
		{"repeated name", `{"a":1,"b":2,"a":1}`, strictjson.ErrRepeatedName},
		{"repeated name, once escaped", `{"username":1,"\u0075sername":2}`, strictjson.ErrRepeatedName},
		{"repeated empty name", `{"":1,"":1}`, strictjson.ErrRepeatedName},
		{"broken UTF-8 in a value", "{\"a\":\"\xff\"}", strictjson.ErrBadText},
		{"broken UTF-8 in a name", "{\"\xc3\":1}", strictjson.ErrBadText},
		{"surrogate as UTF-8", "{\"a\":\"\xed\xa0\x80\"}", strictjson.ErrBadText},
		{"lone high surrogate", `{"a":"\ud800"}`, strictjson.ErrBadText},
		{"lone high surrogate in capitals", `{"a":"\uDBFFx"}`, strictjson.ErrBadText},
		{"lone low surrogate", `{"a":"\udc00"}`, strictjson.ErrBadText},
		{"two high surrogates", `{"a":"\ud800\ud800"}`, strictjson.ErrBadText},
		{"high surrogate before another escape", `{"a":"\ud800\u0041"}`, strictjson.ErrBadText},
		{"high surrogate before an escaped backslash", `{"a":"\ud800\\udc00"}`, strictjson.ErrBadText},
		{"lone surrogate in a name", `{"\ud800":1}`, strictjson.ErrBadText},
		{"lone surrogate deep inside", `{"a":[{"b":"\udfff"}]}`, strictjson.ErrBadText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := strictjson.Object([]byte(tt.in))
			if !errors.Is(err, tt.want) || got != nil {
				t.Errorf("Object = %v, %v; want nil, %v", got, err, tt.want)
			}
		})
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	const (
		isString = 1 << iota
		isTrue
		isFalse
		isWhole
		isNumber
		isArray
		isNull
	)
	tests := map[string]int{
		``:                        0,
		`"x"`:                     isString,
		`""`:                      isString,
		`"true"`:                  isString,
		`"1"`:                     isString,
		`true`:                    isTrue,
		`false`:                   isFalse,
		`0`:                       isWhole | isNumber,
		`17e3`:                    isNumber,
		`1700`:                    isWhole | isNumber,
		`1.0`:                     isNumber,
		`-1`:                      isNumber,
		`-0`:                      isNumber,
		`null`:                    isNull,
		`[]`:                      isArray,
		`[1,null]`:                isArray,
		`{}`:                      0,
		`12345678901234567890123`: isWhole | isNumber,
	}
	for raw, want := range tests {
		value := json.RawMessage(raw)
		got := 0
		if _, ok := strictjson.String(value); ok {
			got |= isString
		}
		if b, ok := strictjson.Bool(value); ok && b {
			got |= isTrue
		} else if ok {
			got |= isFalse
		}
		if digits, ok := strictjson.Whole(value); ok {
			got |= isWhole
			if digits != raw {
				t.Errorf("Whole(%s) = %s", raw, digits)
			}
		}
		if text, ok := strictjson.Number(value); ok {
			got |= isNumber
			if text != raw {
				t.Errorf("Number(%s) = %s", raw, text)
			}
		}
		if _, ok := strictjson.Array(value); ok {
			got |= isArray
		}
		if strictjson.IsNull(value) {
			got |= isNull
		}
		if got != want {
			t.Errorf("%s is taken for kinds %b, want %b", raw, got, want)
		}
	}
	if text, _ := strictjson.String(json.RawMessage(`"a\u00e9\n\ud83d\ude00"`)); text != "aé\n😀" {
		t.Errorf("String resolved escapes to %q", text)
	}
	elements, _ := strictjson.Array(json.RawMessage(`["me", 17]`))
	if diff := cmp.Diff([]json.RawMessage{json.RawMessage(`"me"`), json.RawMessage(`17`)}, elements); diff != "" {
		t.Errorf("Array (-want +got):\n%s", diff)
	}
}

// FuzzObject holds Object against encoding/json: it accepts nothing that
// encoding/json calls invalid, reads what it accepts in the same way, and
// refuses valid objects only for the reasons that it names.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"a":1}`, `{"a":1}{}`, `{"a":1,"\u0061":2}`, `{"a":"\ud800"}`,
		`{"a":"\ud83d\ude00"}`, "{\"\xff\":1}", ` { "a" : [ 1 , { "b" : null } ] } `,
		`{"alg":"ES256","typ":"JWT"}`, `{"username":"a","password":"b","rememberMe":true}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := strictjson.Object(data)
		var want map[string]json.RawMessage
		wantErr := json.Unmarshal(data, &want)

		switch {
		case err == nil:
			if wantErr != nil || !utf8.Valid(data) {
				t.Fatalf("accepted %q, for which encoding/json says: %v", data, wantErr)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%q read differently (-encoding/json +strictjson):\n%s", data, diff)
			}
		case errors.Is(err, strictjson.ErrNotObject):
			if wantErr == nil && want != nil {
				t.Fatalf("%q is an object: %v", data, err)
			}
		case errors.Is(err, strictjson.ErrBadText):
			// Every kind of broken text reaches us as U+FFFD or as an escape.
			if utf8.Valid(data) && !strings.Contains(string(data), `\u`) {
				t.Fatalf("refused %q: %v", data, err)
			}
		case errors.Is(err, strictjson.ErrRepeatedName):
			if wantErr != nil {
				t.Fatalf("%q: %v, but encoding/json says %v", data, err, wantErr)
			}
			if members := countMembers(t, data); members == len(want) {
				t.Fatalf("%q has %d members, all with names of their own", data, members)
			}
		default:
			t.Fatalf("error without a sentinel: %v", err)
		}
	})
}

// countMembers counts the members of a valid object, repeated ones too.
func countMembers(t *testing.T, data []byte) int {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(data)))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	count := 0
	for ; dec.More(); count++ {
		if _, err := dec.Token(); err != nil {
			t.Fatal(err)
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	return count
}
