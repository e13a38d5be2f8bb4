// Package jwkstest checks the key set that sessiond publishes with a client that
// others have written. It is a module of its own, so that the product's go.mod
// lists only what the product uses.
package jwkstest
