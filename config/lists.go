package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// listOf is a list in a file, or text separated by commas. Nothing may be in
// it twice: that is a slip, and the one meant instead is missing.
func listOf[T comparable](item kind[T]) kind[[]T] {
	return kind[[]T]{allowed: item.allowed + ", comma-separated or as a list", parse: func(raw any) ([]T, error) {
		entries, ok := raw.([]any)
		if s, isText := raw.(string); isText {
			entries, ok = splitList(s), true
		}
		if !ok {
			return nil, errors.New("is no list")
		}
		var list []T
		for i, entry := range entries {
			value, err := item.parse(entry)
			if err != nil {
				return nil, fmt.Errorf("entry %d %w", i+1, err)
			}
			if slices.Contains(list, value) {
				return nil, fmt.Errorf("entry %d is in the list twice", i+1)
			}
			list = append(list, value)
		}
		return list, nil
	}}
}

// nonEmpty is a list with at least one entry.
func nonEmpty[T any](list kind[[]T]) kind[[]T] {
	return kind[[]T]{allowed: list.allowed, parse: func(raw any) ([]T, error) {
		values, err := list.parse(raw)
		if err == nil && len(values) == 0 {
			return nil, errEmpty
		}
		return values, err
	}}
}

// splitList splits at commas; only white space is an empty list.
func splitList(s string) []any {
	if strings.TrimSpace(s) == "" {
		return nil
	}
	var entries []any
	for entry := range strings.SplitSeq(s, ",") {
		entries = append(entries, strings.TrimSpace(entry))
	}
	return entries
}
