package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sessiond/sessiond/handlers/client"
)

// TestAllSessionsOfAChangingList ends and begins sessions between two pages.
func TestAllSessionsOfAChangingList(t *testing.T) {
	t.Parallel()
	const perPage = 3
	tests := []struct {
		name   string
		change func(ids []int64) []int64
		want   []int64 // all that live throughout, and those yielded before they ended
	}{
		{"nothing", func(ids []int64) []int64 { return ids }, []int64{9, 8, 7, 6, 5, 4, 3}},
		{"two begin", func(ids []int64) []int64 { return append([]int64{11, 10}, ids...) }, []int64{9, 8, 7, 6, 5, 4, 3}},
		{"two known end", func(ids []int64) []int64 { return ids[2:] }, []int64{9, 8, 7, 6, 5, 4, 3}},
		{"two unknown end", func(ids []int64) []int64 { return ids[:5] }, []int64{9, 8, 7, 6, 5}},
		{"one begins, two end", func(ids []int64) []int64 { return append([]int64{10}, ids[2:]...) }, []int64{9, 8, 7, 6, 5, 4, 3}},
		{"all known end", func(ids []int64) []int64 { return ids[3:] }, []int64{9, 8, 7, 6, 5, 4, 3}},
		{"all end", func([]int64) []int64 { return nil }, []int64{9, 8, 7}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			live := []int64{9, 8, 7, 6, 5, 4, 3}
			requests := 0
			c := newClient(t, "http://example.com", offline(func(w http.ResponseWriter, r *http.Request) {
				if requests++; requests == 2 {
					live = test.change(live)
				}
				var offset int
				_, _ = fmt.Sscan(r.URL.Query().Get("offset"), &offset)
				from := min(offset, len(live))
				items := []string{}
				for _, id := range live[from:min(from+perPage, len(live))] {
					items = append(items, fmt.Sprintf(`{"id":%d,"name":"n"}`, id))
				}
				answer(w, http.StatusOK, fmt.Sprintf(`{"count":%d,"items":[%s]}`, len(live), strings.Join(items, ",")))
			}))
			var got []int64
			for session, err := range c.As("x").AllSessions(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, session.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("sessions %d, want %d", got, test.want)
			}
		})
	}
}

func TestAllSessionsStops(t *testing.T) {
	t.Parallel()
	requests := 0
	c := newClient(t, "http://example.com", offline(func(w http.ResponseWriter, _ *http.Request) {
		if requests++; requests == 2 {
			answer(w, http.StatusUnauthorized, `{"code":"INVALID_SESSION_ERROR","message":"Invalid Session"}`)
			return
		}
		answer(w, http.StatusOK, `{"count":9,"items":[{"id":9,"name":"n"},{"id":8,"name":"n"}]}`)
	}))
	a := c.As("x")
	var got []int64
	var last error
	for session, err := range a.AllSessions(t.Context()) {
		got, last = append(got, session.ID), err
	}
	if !slices.Equal(got, []int64{9, 8, 0}) || !errors.Is(last, client.ErrInvalidSession) {
		t.Errorf("sessions %d, last error %v", got, last)
	}
	requests = 10
	for session, err := range a.AllSessions(t.Context()) {
		if err != nil || session.ID != 9 {
			t.Errorf("first session %+v, error %v", session, err)
		}
		break
	}
	if requests != 11 {
		t.Errorf("%d requests after the loop was left", requests-10)
	}
}
