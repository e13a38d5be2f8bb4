package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// kind is a type of value: how it is read and which values there are. Values
// are read from what the file or the environment holds, never through viper's
// conversions: those would take the number 10 for a duration of 10 ns and a
// list for its first element.
type kind[T any] struct {
	// parse reads text, or a value as a settings file decodes to it. Its
	// errors say what is wrong with the value; allowed says what is not.
	parse func(raw any) (T, error)
	// allowed completes "want …" in an error and explains the setting in the
	// help text.
	allowed string
}

// ofText makes a kind of a parser of text, for values that are written as text
// in a file, too.
func ofText[T any](allowed string, parse func(string) (T, error)) kind[T] {
	return kind[T]{allowed: allowed, parse: func(raw any) (T, error) {
		var none T
		s, ok := raw.(string)
		if !ok {
			return none, notText(raw)
		}
		return parse(s)
	}}
}

// notText says what a value is that should have been text.
func notText(raw any) error {
	switch raw.(type) {
	case []any:
		return errors.New("is a list")
	case map[string]any, map[any]any:
		return errors.New("is a section")
	case bool:
		return errors.New("is true or false, not text (put it in quotes)")
	case time.Time:
		return errors.New("is a date, not text (put it in quotes)")
	default:
		return errors.New("is a number, not text (put it in quotes)")
	}
}

var errEmpty = errors.New("is empty")

var (
	text = ofText("text", func(s string) (string, error) {
		if s == "" {
			return "", errEmpty
		}
		return plain(s)
	})
	optionalText = ofText("text", plain)
)

// plain refuses text that would break a log line or a Redis command apart.
func plain(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errors.New("is no valid UTF-8")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", fmt.Errorf("%s has a control character", quote(s))
	}
	return s, nil
}

// secret is text that no error may repeat. Where it is given it must not be
// empty: an unset variable in a deployment would otherwise switch
// authentication off.
var secret = kind[string]{allowed: "text that is not empty", parse: func(raw any) (string, error) {
	s, ok := raw.(string)
	switch {
	case !ok:
		return "", notText(raw)
	case s == "":
		return "", errEmpty
	case strings.HasSuffix(s, "\n") || strings.HasSuffix(s, "\r"):
		return "", errors.New("ends in a line break")
	}
	return s, nil
}}

// oneOf is text out of a fixed choice.
func oneOf(choice ...string) kind[string] {
	return ofText("one of "+strings.Join(choice, ", "), func(s string) (string, error) {
		if s == "" {
			return "", errEmpty
		}
		if !slices.Contains(choice, s) {
			return "", fmt.Errorf("%s is not known", quote(s))
		}
		return s, nil
	})
}

// level is one of the four levels of log/slog, without its arithmetic.
var level = func() kind[slog.Level] {
	choice := oneOf("debug", "info", "warn", "error")
	return ofText(choice.allowed, func(s string) (l slog.Level, err error) {
		if s, err = choice.parse(s); err != nil {
			return 0, err
		}
		err = l.UnmarshalText([]byte(s))
		return l, err
	})
}()

var boolean = kind[bool]{allowed: "true or false", parse: func(raw any) (bool, error) {
	switch v := raw.(type) {
	case bool:
		return v, nil
	case string:
		if v == "true" || v == "false" {
			return v == "true", nil
		}
		if v == "" {
			return false, errEmpty
		}
		return false, fmt.Errorf("%s is neither", quote(v))
	}
	return false, errors.New("is neither")
}}

// integer is a whole number from least to most.
func integer(least, most int) kind[int] {
	return kind[int]{
		allowed: fmt.Sprintf("a whole number from %d to %d", least, most),
		parse: func(raw any) (int, error) {
			n, err := wholeNumber(raw)
			if err != nil {
				return 0, err
			}
			if n < int64(least) || n > int64(most) {
				return 0, fmt.Errorf("%d is out of range", n)
			}
			return int(n), nil
		},
	}
}

func wholeNumber(raw any) (int64, error) {
	switch v := raw.(type) {
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case uint64:
		return 0, fmt.Errorf("%d is out of range", v)
	case float64: // Every number in JSON, and 3.0 in YAML.
		if v != math.Trunc(v) || math.Abs(v) > math.MaxInt32 {
			return 0, fmt.Errorf("%v is no whole number in range", v)
		}
		return int64(v), nil
	case string:
		if v == "" {
			return 0, errEmpty
		}
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s is no whole number in range", quote(v))
		}
		return n, nil
	}
	return 0, errors.New("is no number")
}

var bareNumber = regexp.MustCompile(`^[+-]?[0-9.]+$`)

// duration is a length of time from least to most, with its unit.
func duration(least, most time.Duration) kind[time.Duration] {
	return kind[time.Duration]{
		allowed: fmt.Sprintf("a duration with its unit, from %s to %s", short(least), short(most)),
		parse: func(raw any) (time.Duration, error) {
			s, ok := raw.(string)
			if !ok {
				switch raw.(type) {
				case int, int64, uint64, float64:
					return 0, fmt.Errorf("%v has no unit", raw)
				}
				return 0, errors.New("is no duration")
			}
			if s == "" {
				return 0, errEmpty
			}
			if bareNumber.MatchString(s) {
				return 0, fmt.Errorf("%s has no unit", quote(s))
			}
			d, err := time.ParseDuration(s)
			if err != nil {
				return 0, fmt.Errorf("%s is no duration", quote(s))
			}
			if d < least || d > most {
				return 0, fmt.Errorf("%s is out of range", quote(s))
			}
			return d, nil
		},
	}
}

// wholeSeconds is a duration that Unix seconds can count.
func wholeSeconds(least, most time.Duration) kind[time.Duration] {
	length := duration(least, most)
	return kind[time.Duration]{allowed: length.allowed + ", in whole seconds", parse: func(raw any) (time.Duration, error) {
		d, err := length.parse(raw)
		if err == nil && d%time.Second != 0 {
			return 0, fmt.Errorf("%s is not a whole number of seconds", d)
		}
		return d, err
	}}
}

// orOff is a duration, or 0 for what is switched off.
func orOff(length kind[time.Duration]) kind[time.Duration] {
	zero := duration(0, 0)
	return kind[time.Duration]{allowed: "0s, or " + length.allowed, parse: func(raw any) (time.Duration, error) {
		if d, err := zero.parse(raw); err == nil {
			return d, nil
		}
		return length.parse(raw)
	}}
}

// quote repeats a value in an error, on one line and not at any length.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}

// short writes a duration without the zero units that [time.Duration.String]
// ends in.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
