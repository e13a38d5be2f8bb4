package client

import (
	"context"
	"net/http"
	"net/url"
)

// MaxIDs is how many session IDs one call takes; more are [ErrBodyTooLarge].
const MaxIDs = 50

// Logout ends the session of the token itself, which any session may. A second
// one is [ErrInvalidSession].
func (a *Account) Logout(ctx context.Context) error {
	var answer deletion
	return a.do(ctx, call{method: http.MethodDelete, url: "/me", status: http.StatusOK, result: &answer})
}

// End ends sessions, up to MaxIDs in one step, and tells how many. Those that
// are unknown are passed over; where none is known it is [ErrUnknownSession].
func (a *Account) End(ctx context.Context, ids ...int64) (int, error) {
	answer, err := a.end(ctx, "", url.Values{}, ids)
	return answer.Count, err
}

// WouldEnd returns those of ids that End would end, and ends none.
func (a *Account) WouldEnd(ctx context.Context, ids ...int64) ([]int64, error) {
	answer, err := a.end(ctx, "", url.Values{"dry-run": {"true"}}, ids)
	return answer.IDs, err
}

// EndAllOptions say what EndAll ends.
type EndAllOptions struct {
	// IncludeSelf ends the session that asks, too.
	IncludeSelf bool
	// DryRun ends none, but tells which would be ended.
	DryRun bool
}

// Ended is what EndAll ended, or would end.
type Ended struct {
	Count int
	// IDs are known of a dry run alone.
	IDs []int64
}

// EndAll ends all sessions of the account in one step. None to end is no error.
func (a *Account) EndAll(ctx context.Context, o EndAllOptions) (Ended, error) {
	query := url.Values{}
	if o.IncludeSelf {
		query.Set("include-self", "true")
	}
	if o.DryRun {
		query.Set("dry-run", "true")
	}
	return a.end(ctx, "/all", query, nil)
}

// deletion is what the API answers deletions with.
type deletion struct {
	Count *int    `json:"count"`
	IDs   []int64 `json:"ids"`
}

func (a *Account) end(ctx context.Context, path string, query url.Values, ids []int64) (Ended, error) {
	k := call{method: http.MethodDelete, url: path + encoded(query), status: http.StatusOK}
	if path == "" {
		type body struct {
			IDs []int64 `json:"ids"`
		}
		// Not nil, which would be null and no list.
		k.body = body{IDs: append([]int64{}, ids...)}
	}
	var answer deletion
	k.result = &answer
	if err := a.do(ctx, k); err != nil {
		return Ended{}, err
	}
	switch {
	case answer.Count == nil:
		return Ended{}, unexpected(http.StatusOK, "it does not tell how many")
	case query.Has("dry-run") && answer.IDs == nil:
		// A server that does not know dry runs has just done it.
		return Ended{}, unexpected(http.StatusOK, "the server knows no dry run, and ended the sessions")
	}
	return Ended{Count: *answer.Count, IDs: answer.IDs}, nil
}
