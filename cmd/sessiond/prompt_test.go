package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadPasswordFromInput(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ input, want, rest string }{
		"line":                  {"secret\n", "secret", ""},
		"no line break":         {"secret", "secret", ""},
		"Windows line break":    {"secret\r\n", "secret", ""},
		"one break of several":  {"secret\r\r\n", "secret\r", ""},
		"carriage return alone": {"secret\r", "secret\r", ""},
		"spaces are kept":       {" \tsecret \n", " \tsecret ", ""},
		"only the first line":   {"secret\nnext\n", "secret", "next\n"},
		"bytes as they are":     {"\xff\x00é\n", "\xff\x00é", ""},
		"longest":               {strings.Repeat("x", maxLine) + "\n", strings.Repeat("x", maxLine), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			a := &app{stdin: strings.NewReader(tt.input), stderr: &stderr}
			got, err := a.readPassword(t.Context(), "New password")
			if err != nil || got != tt.want {
				t.Errorf("readPassword = %q, %v; want %q", got, err, tt.want)
			}
			if rest, err := io.ReadAll(a.stdin); err != nil || string(rest) != tt.rest {
				t.Errorf("%q is left to read, %v; want %q", rest, err, tt.rest)
			}
			if stderr.Len() != 0 {
				t.Errorf("asked %q although nobody is there", stderr.String())
			}
		})
	}
}

func TestReadPasswordFromBadInput(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken pipe")
	for name, tt := range map[string]struct {
		stdin io.Reader
		want  error
	}{
		"nothing":     {strings.NewReader(""), errNoPassword},
		"empty line":  {strings.NewReader("\nsecret\n"), errNoPassword},
		"read error":  {iotest.ErrReader(broken), broken},
		"cut off":     {io.MultiReader(strings.NewReader("sec"), iotest.ErrReader(broken)), broken},
		"endless":     {strings.NewReader(strings.Repeat("x", maxLine+1)), errLineTooLong},
		"empty, CRLF": {strings.NewReader("\r\n"), errNoPassword},
	} {
		a := &app{stdin: tt.stdin, stderr: io.Discard}
		if got, err := a.readPassword(t.Context(), "New password"); got != "" || !errors.Is(err, tt.want) {
			t.Errorf("%s: readPassword = %q, %v; want %v", name, got, err, tt.want)
		}
	}
}

func TestConfirmAsksNobodyElsewhere(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	a := &app{stdin: strings.NewReader("n\n"), stderr: &stderr}
	if ok, err := a.confirm("Remove?"); !ok || err != nil || stderr.Len() != 0 {
		t.Errorf("confirm = %v, %v, asked %q; want true without a question", ok, err, stderr.String())
	}
}
