// Package browsertest drives the page "Where you're logged in" in a real
// Chromium, against the real sessiond and a real Redis. It holds tests alone.
package browsertest
