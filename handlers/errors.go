package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"
)

// apiError is an error that its client is told of.
type apiError struct {
	status  int
	code    string
	message string
	// fields names what is missing or of the wrong type.
	fields []string
	// retryAfter is sent rounded up to seconds, where it is not zero.
	retryAfter time.Duration
}

func (e *apiError) Error() string {
	return e.message
}

// Every error of the API, but for the fields of errMissingFields.
var (
	errBodyTooLarge            = &apiError{status: http.StatusRequestEntityTooLarge, code: "BODY_TOO_LARGE_ERROR", message: "Body Too Large"}
	errTooManyIDs              = &apiError{status: http.StatusBadRequest, code: "BODY_TOO_LARGE_ERROR", message: "Body Too Large"}
	errInvalidSession          = &apiError{status: http.StatusUnauthorized, code: "INVALID_SESSION_ERROR", message: "Invalid Session"}
	errInvalidPassword         = &apiError{status: http.StatusUnauthorized, code: "INVALID_PASSWORD_ERROR", message: "Invalid Password"}
	errBanned                  = &apiError{status: http.StatusForbidden, code: "BANNED_ERROR", message: "Banned"}
	errInsufficientPermissions = &apiError{status: http.StatusForbidden, code: "INSUFFICIENT_PERMISSIONS_ERROR", message: "Insufficient Permissions"}
	errUnknownUser             = &apiError{status: http.StatusNotFound, code: "INVALID_USER_ERROR", message: "Invalid User"}
	errUnknownSession          = &apiError{status: http.StatusNotFound, code: "INVALID_SESSION_ERROR", message: "Invalid Session"}
	errInvalidEndpoint         = &apiError{status: http.StatusNotFound, code: "INVALID_ENDPOINT_ERROR", message: "Invalid Endpoint"}
	errUnavailable             = &apiError{status: http.StatusServiceUnavailable, code: "INTERNAL_SERVER_ERROR", message: "Internal Server Error"}
	errInternal                = &apiError{status: http.StatusInternalServerError, code: "INTERNAL_SERVER_ERROR", message: "Internal Server Error"}
)

func errMissingFields(fields ...string) error {
	return &apiError{status: http.StatusBadRequest, code: "MISSING_FIELDS_ERROR", message: "Missing Fields", fields: fields}
}

func errRateLimited(retryAfter time.Duration) error {
	return &apiError{
		status: http.StatusTooManyRequests, code: "RATELIMITED_ERROR",
		message: "You Have Been Ratelimited. Please Try Again Later.", retryAfter: retryAfter,
	}
}

// handlerFunc is a handler whose error becomes the response. One that returns
// an error has written none.
type handlerFunc func(w http.ResponseWriter, r *http.Request) error

// handle is the one place where errors become responses. The cause of an
// unknown one goes to the log and to nobody else.
func (a *API) handle(h handlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			a.respondError(w, r, err)
		}
	})
}

func (a *API) respondError(w http.ResponseWriter, r *http.Request, err error) {
	var known *apiError
	if !errors.As(err, &known) {
		a.logInternal(r.Context(), err)
		known = errInternal
	}
	if known.status == http.StatusUnauthorized {
		// RFC 9110, section 15.5.2, asks for a challenge with every 401.
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if known.retryAfter > 0 {
		w.Header().Set("Retry-After", seconds(known.retryAfter))
	}
	body := errorBody{Code: known.code, Message: known.message, Fields: known.fields}
	if err := respond(w, known.status, body); err != nil {
		a.log.ErrorContext(r.Context(), "an error could not be answered", slog.Any("error", err))
	}
}

func (a *API) logInternal(ctx context.Context, err error) {
	if ctx.Err() != nil {
		// The client is gone, and took the request's work with it.
		infoOf(ctx).abandoned = true
		a.log.DebugContext(ctx, "request abandoned", slog.Any("error", err))
		return
	}
	a.log.ErrorContext(ctx, "request failed", slog.Any("error", err))
}

// recoverPanics answers a request whose handler panicked like any other unknown
// error, and keeps the process and its other requests alive.
func (a *API) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch cause := recover(); cause {
			case nil:
			case http.ErrAbortHandler:
				panic(cause) //nolint:forbidigo // It is how net/http is told to cut the connection.
			default:
				a.log.ErrorContext(r.Context(), "panic", slog.Any("cause", cause), slog.String("stack", string(debug.Stack())))
				a.respondError(w, r, errInternal)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

type errorBody struct {
	Code    string   `json:"code"`
	Message string   `json:"message"`
	Fields  []string `json:"fields,omitempty"`
}

// seconds rounds up: who waits that long has waited long enough.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
