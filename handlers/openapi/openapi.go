// Package openapi tells what the API is: to programs as an OpenAPI 3.1
// document, and to people as a page that shows it.
//
// The document is openapi.json, written by hand and valid as it stands. The
// tests of package handlers hold every answer that they get against it, and
// fail where it tells of an endpoint, a status or an error that they never met:
// what changes in the API changes here in the same commit.
package openapi

import (
	_ "embed" // The document is part of the binary.
	"encoding/json"
	"strings"
)

//go:embed openapi.json
var source string

// What the source says of a particular server, as it is written there.
const (
	sourceVersion  = `"version": "dev"`
	sourceBasePath = `"url": "/api"`
)

// Document returns the document for an API at basePath, which is empty or a
// path such as "/api", of a version of sessiond.
func Document(basePath, version string) json.RawMessage {
	if basePath == "" {
		basePath = "/"
	}
	return json.RawMessage(strings.NewReplacer(
		sourceVersion, `"version": `+quote(version),
		sourceBasePath, `"url": `+quote(basePath),
	).Replace(source))
}

// quote writes text as JSON, which no text can fail to be.
func quote(text string) string {
	quoted, _ := json.Marshal(text)
	return string(quoted)
}
