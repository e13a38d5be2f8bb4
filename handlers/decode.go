package handlers

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/sessiond/sessiond/redisstore"
	"github.com/sessiond/sessiond/tokens/strictjson"
)

const (
	// maxBody is in bytes.
	maxBody = 102_400
	// maxPage is how many sessions a list or a deletion takes at most.
	maxPage = 50
)

// readObject reads a body that is one JSON object. A body that is none has no
// members, so that its reader finds each field missing.
func readObject(w http.ResponseWriter, r *http.Request) (map[string]json.RawMessage, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, errBodyTooLarge
	}
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // A body that was cut off is as good as none.
	}
	members, err := strictjson.Object(data)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // See above.
	}
	return members, nil
}

// readIDs reads the `ids` of a deletion, each once, with "me" as it stands.
func readIDs(w http.ResponseWriter, r *http.Request) ([]string, error) {
	members, err := readObject(w, r)
	if err != nil {
		return nil, err
	}
	items, ok := strictjson.Array(members["ids"])
	if !ok {
		return nil, errMissingFields("ids")
	}
	if len(items) > maxPage {
		return nil, errTooManyIDs
	}
	ids := make([]string, 0, len(items))
	for _, item := range items {
		id, ok := readID(item)
		if !ok {
			return nil, errMissingFields("ids")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// readID reads one ID: text, or a whole number written out.
func readID(item json.RawMessage) (string, bool) {
	id, ok := strictjson.String(item)
	if !ok {
		id, ok = strictjson.Whole(item)
	} else if id == "me" {
		return id, true
	}
	return id, ok && redisstore.ValidSessionID(id)
}

// page is the part of a list that a request asks for.
type page struct {
	offset, limit int
}

// readPage reads the query. What is no such number, or no query at all, means
// the default; a limit over the greatest means the greatest.
func readPage(r *http.Request) page {
	query := readQuery(r)
	p := page{offset: 0, limit: maxPage}
	if offset, ok := wholeNumber(query.Get("offset")); ok {
		p.offset = offset
	}
	if limit, ok := wholeNumber(query.Get("limit")); ok && limit > 0 {
		p.limit = min(limit, maxPage)
	}
	return p
}

// readFlag reads a query parameter that is off unless it is plainly on.
func readFlag(query url.Values, name string) bool {
	value := query.Get(name)
	return value == "true" || value == "1"
}

// readQuery returns nothing of a query of which a part can't be read: half a
// query may mean something else than the whole.
func readQuery(r *http.Request) url.Values {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil
	}
	return query
}

// wholeNumber reads decimal digits; a number too great for an int is the
// greatest int.
func wholeNumber(text string) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 63)
	if errors.Is(err, strconv.ErrRange) {
		return maxInt, true
	}
	return int(n), err == nil
}

const maxInt = int(^uint(0) >> 1)
