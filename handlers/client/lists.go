package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// ListOptions say which part of a list is wanted. The zero value means the
// newest 50.
type ListOptions struct {
	// Limit is how many at most. The server gives no more than 50, which is
	// also what 0 means.
	Limit int
	// Offset is how many to pass over.
	Offset int
}

// Page is a part of a list, newest first.
type Page[T any] struct {
	// Count is how many live sessions there are, on this page or not.
	Count int `json:"count"`
	Items []T `json:"items"`
}

// Sessions returns a page of the account's sessions, with their names alone.
func (a *Account) Sessions(ctx context.Context, o ListOptions) (Page[SessionName], error) {
	return list[SessionName](ctx, a, o, url.Values{})
}

// FullSessions returns a page of the account's sessions.
func (a *Account) FullSessions(ctx context.Context, o ListOptions) (Page[Session], error) {
	return list[Session](ctx, a, o, url.Values{"full": {"true"}})
}

// AllSessions goes over all of the account's sessions, newest first, with their
// names alone. It asks for a page when it gets there; an error is the last that
// it yields. A session that lives throughout is yielded exactly once, even if
// others begin or end meanwhile.
func (a *Account) AllSessions(ctx context.Context) iter.Seq2[SessionName, error] {
	return all(func(o ListOptions) (Page[SessionName], error) {
		return a.Sessions(ctx, o)
	}, func(s SessionName) int64 { return s.ID })
}

// AllFullSessions is AllSessions with everything that is known of each.
func (a *Account) AllFullSessions(ctx context.Context) iter.Seq2[Session, error] {
	return all(func(o ListOptions) (Page[Session], error) {
		return a.FullSessions(ctx, o)
	}, func(s Session) int64 { return s.ID })
}

func list[T any](ctx context.Context, a *Account, o ListOptions, query url.Values) (Page[T], error) {
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Offset > 0 {
		query.Set("offset", strconv.Itoa(o.Offset))
	}
	var page Page[T]
	err := a.do(ctx, call{method: http.MethodGet, url: encoded(query), status: http.StatusOK, result: &page})
	if err != nil {
		return Page[T]{}, err
	}
	if page.Items == nil {
		return Page[T]{}, unexpected(http.StatusOK, "there is no list")
	}
	return page, nil
}

// encoded is a query as it follows a path.
func encoded(query url.Values) string {
	if len(query) == 0 {
		return ""
	}
	return "?" + query.Encode()
}

// all goes over the pages of a list that changes meanwhile. New sessions come in
// front and push known ones onto the next page: those are passed over. Ended
// ones pull unknown sessions to before the offset, at most as many as the list
// has become shorter: so far it steps back.
func all[T any](fetch func(ListOptions) (Page[T], error), id func(T) int64) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		known := map[int64]bool{}
		for offset, count := 0, 0; ; {
			page, err := fetch(ListOptions{Offset: offset})
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			shrunk := count - page.Count
			count = page.Count
			if shrunk > 0 {
				offset = max(0, offset-shrunk)
				continue
			}
			for _, item := range page.Items {
				if known[id(item)] {
					continue
				}
				known[id(item)] = true
				if !yield(item, nil) {
					return
				}
			}
			offset += len(page.Items)
			if len(page.Items) == 0 || offset >= page.Count {
				return
			}
		}
	}
}
