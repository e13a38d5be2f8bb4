package client

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// What the API refuses requests with, for errors.Is. What the server told
// beside is in the [*Error] that errors.As finds.
var (
	// ErrInvalidSession means that the token admits nobody (401): its session
	// ended or expired, or it is none. A login that bears a live token is
	// refused with it too.
	ErrInvalidSession = errors.New("invalid session")
	// ErrInvalidPassword means that the password is not the account's (401).
	ErrInvalidPassword = errors.New("invalid password")
	// ErrBanned means that the user is banned (403).
	ErrBanned = errors.New("banned")
	// ErrInsufficientPermissions means that the session may not do this (403).
	ErrInsufficientPermissions = errors.New("insufficient permissions")
	// ErrUnknownUser means that there is no such user (404).
	ErrUnknownUser = errors.New("unknown user")
	// ErrUnknownSession means that there is no such live session (404).
	ErrUnknownSession = errors.New("unknown session")
	// ErrInvalidEndpoint means that the server knows no such route (404): the
	// base URL is wrong, or the server older than the request.
	ErrInvalidEndpoint = errors.New("invalid endpoint")
	// ErrMissingFields means that the fields in Error.Fields are missing or of
	// the wrong kind (400).
	ErrMissingFields = errors.New("missing fields")
	// ErrBodyTooLarge means more than MaxIDs session IDs (400), or a body that
	// is too long (413).
	ErrBodyTooLarge = errors.New("body too large")
	// ErrRateLimited means that a limit is used up (429) for the time in
	// Error.RetryAfter.
	ErrRateLimited = errors.New("rate limited")
	// ErrInternal means that the server could not do it (500, or 503 of the
	// verify endpoint), for want of Redis, say. What a write did is unknown.
	ErrInternal = errors.New("internal server error")
	// ErrUnexpectedAnswer means that what answered is not the API, or not as
	// this package knows it: a proxy's error page, a redirect, an answer
	// without an end. What a write did is unknown.
	ErrUnexpectedAnswer = errors.New("unexpected answer")
)

// Error is an answer that is no success. It wraps one of the errors above,
// unless its code is unknown.
type Error struct {
	// Status is the HTTP status.
	Status int
	// Code is the API's, such as "BANNED_ERROR"; empty for what is not the
	// API's answer.
	Code string
	// Message is the API's, for people. It is no part of Error's text.
	Message string
	// Fields names what is missing or of the wrong kind.
	Fields []string
	// RetryAfter is how long to wait before another try; zero where the server
	// does not say.
	RetryAfter time.Duration

	// fault says what is wrong with an unexpected answer.
	fault string
}

// knownCodes are those whose error does not depend on the status.
var knownCodes = map[string]error{
	"INVALID_PASSWORD_ERROR":         ErrInvalidPassword,
	"BANNED_ERROR":                   ErrBanned,
	"INSUFFICIENT_PERMISSIONS_ERROR": ErrInsufficientPermissions,
	"INVALID_USER_ERROR":             ErrUnknownUser,
	"INVALID_ENDPOINT_ERROR":         ErrInvalidEndpoint,
	"MISSING_FIELDS_ERROR":           ErrMissingFields,
	"BODY_TOO_LARGE_ERROR":           ErrBodyTooLarge,
	"RATELIMITED_ERROR":              ErrRateLimited,
	"INTERNAL_SERVER_ERROR":          ErrInternal,
}

const codeInvalidSession = "INVALID_SESSION_ERROR"

// Unwrap returns the error of the list above that e is, or nil.
func (e *Error) Unwrap() error {
	switch {
	case e.Code == "":
		return ErrUnexpectedAnswer
	case e.Code == codeInvalidSession && e.Status == http.StatusUnauthorized:
		return ErrInvalidSession
	case e.Code == codeInvalidSession && e.Status == http.StatusNotFound:
		return ErrUnknownSession
	default:
		return knownCodes[e.Code]
	}
}

// Error says what the answer means, and repeats nothing that a server could
// make up.
func (e *Error) Error() string {
	kind := e.Unwrap()
	if kind == nil {
		return fmt.Sprintf("sessiond: refused with an unknown code (%d)", e.Status)
	}
	text := "sessiond: " + kind.Error()
	switch {
	case e.fault != "":
		text += ": " + e.fault
	case errors.Is(kind, ErrMissingFields):
		text += knownFields(e.Fields)
	case e.RetryAfter > 0:
		text += fmt.Sprintf(": try again in %s", e.RetryAfter)
	}
	return fmt.Sprintf("%s (%d)", text, e.Status)
}

// knownFields lists those fields that requests have. Others are not repeated:
// what answers may be anything, and send back what it was sent.
func knownFields(fields []string) string {
	text, separator := "", ": "
	for _, name := range fields {
		switch name {
		case "username", "password", "rememberMe", "ids", "name", "permissionFlags", "longLived":
			text += separator + name
			separator = ", "
		}
	}
	return text
}

func unexpected(status int, fault string) *Error {
	return &Error{Status: status, fault: fault}
}
