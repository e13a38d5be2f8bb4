package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sessiond/sessiond/redisstore"
)

// respond sends a JSON body. Its error means that nothing was sent; that the
// client went away while it was is nobody's error.
func respond(w http.ResponseWriter, status int, body any) error {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return fmt.Errorf("encode a response: %w", err)
	}
	h := w.Header()
	h["Content-Type"] = jsonValue
	h["Content-Length"] = []string{strconv.Itoa(buffer.Len())}
	w.WriteHeader(status)
	_, _ = w.Write(buffer.Bytes())
	return nil
}

// timestamp is RFC 3339 in UTC with milliseconds. The time package has a short
// way for that format without them alone.
func timestamp(t time.Time) string {
	t = t.UTC()
	text := t.AppendFormat(make([]byte, 0, len("2006-01-02T15:04:05.000Z")), time.RFC3339)
	end := len(text) - len("Z")
	// Four digits, the first of which gives its place to the point.
	text = strconv.AppendInt(text[:end], 1000+int64(t.Nanosecond())/int64(time.Millisecond), 10)
	text[end] = '.'
	return string(append(text, 'Z'))
}

type sessionBody struct {
	ID              json.Number `json:"id"`
	Name            string      `json:"name"`
	Exp             int64       `json:"exp"`
	PermissionFlags *int64      `json:"permissionFlags"`
	UsedAt          *string     `json:"usedAt"`
	CreatedAt       string      `json:"createdAt"`
	UpdatedAt       string      `json:"updatedAt"`
	IP              *string     `json:"ip"`
	UserAgent       *string     `json:"userAgent"`
	Current         bool        `json:"current"`
}

// newSessionBody shows a session; current tells whether it is the one that asks.
func newSessionBody(s redisstore.Session, current bool) sessionBody {
	body := sessionBody{
		ID:              json.Number(s.ID),
		Name:            s.Name,
		Exp:             s.ExpiresAt.Unix(),
		PermissionFlags: s.PermissionFlags,
		CreatedAt:       timestamp(s.CreatedAt),
		UpdatedAt:       timestamp(s.UpdatedAt),
		IP:              known(s.IP),
		UserAgent:       known(s.UserAgent),
		Current:         current,
	}
	if !s.UsedAt.IsZero() {
		used := timestamp(s.UsedAt)
		body.UsedAt = &used
	}
	return body
}

// known is null for a text that is not there.
func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// newListBody is the page of all items that a request asks for.
func newListBody[S, T any](p page, all []S, item func(S) T) listBody[T] {
	from := min(p.offset, len(all))
	body := listBody[T]{Count: len(all), Items: []T{}}
	for _, s := range all[from:min(from+p.limit, len(all))] {
		body.Items = append(body.Items, item(s))
	}
	return body
}

type listBody[T any] struct {
	Count int `json:"count"`
	Items []T `json:"items"`
}

type sessionItem struct {
	ID   json.Number `json:"id"`
	Name string      `json:"name"`
}

type successBody struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Count   *int   `json:"count,omitempty"`
}

func sessionDeleted() successBody {
	return successBody{Code: "DELETE_SESSION_SUCCESS", Message: "Session Successfully Deleted"}
}

func sessionsDeleted(count int) successBody {
	return successBody{Code: "DELETE_SESSIONS_SUCCESS", Message: "Sessions Successfully Deleted", Count: &count}
}

// setQuota tells the client how much of a limit is left.
func setQuota(w http.ResponseWriter, q redisstore.Quota) {
	// In the canonical form, and of one array: with Set, each request would have
	// to find the one and to allocate three of the other.
	values := [...]string{strconv.Itoa(q.Limit), strconv.Itoa(q.Remaining), seconds(max(q.Reset, 0))}
	h := w.Header()
	h["Ratelimit-Limit"] = values[0:1:1]
	h["Ratelimit-Remaining"] = values[1:2:2]
	h["Ratelimit-Reset"] = values[2:3:3]
}

// retryAfter never says "at once" to a request that was refused.
func retryAfter(q redisstore.Quota) time.Duration {
	return max(q.RetryAfter, time.Second)
}
