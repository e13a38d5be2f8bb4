package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// load is a run of wrk: a number of connections, each with one request in
// flight, for some time.
type load struct {
	target      target
	connections int
	duration    time.Duration
	offset      uint64 // Requests sent before: where to go on in the rotation.
}

// target is what gets the load.
type target struct {
	url     string
	headers string // File with a header line for each request, in rotation.
}

// loadResult is what wrk reports. Latencies are in microseconds.
type loadResult struct {
	Requests uint64
	Micros   uint64
	P50, P99 float64

	Status, Connect, Read, Write, Timeout uint64
}

func (r loadResult) perSecond() float64 {
	return float64(r.Requests) / (float64(r.Micros) / 1e6)
}

// voidError is a run of which nothing can be said.
type voidError struct {
	url    string
	result loadResult
}

func (e voidError) Error() string {
	return fmt.Sprintf("void: of %d requests to %s, %d were answered with an error; connections that could not be made: %d, broken: %d, timed out: %d",
		e.result.Requests, e.url, e.result.Status, e.result.Connect, e.result.Read+e.result.Write, e.result.Timeout)
}

func (l *lab) load(ctx context.Context, o load) (loadResult, error) {
	threads := min(l.options.threads, o.connections)
	out, err := l.output(ctx, command{path: "wrk", args: []string{
		"-t", strconv.Itoa(threads), "-c", strconv.Itoa(o.connections), "-d", fmt.Sprintf("%ds", int(o.duration.Seconds())),
		"-s", l.wrk, o.target.url, "--", o.target.headers, strconv.FormatUint(o.offset, 10), strconv.Itoa(threads),
	}})
	if err != nil {
		return loadResult{}, err
	}
	r, err := parseLoadResult(out)
	if err != nil {
		return loadResult{}, err
	}
	if r.Requests == 0 || r.Status+r.Connect+r.Read+r.Write+r.Timeout > 0 {
		return loadResult{}, voidError{o.target.url, r}
	}
	return r, nil
}

func parseLoadResult(out string) (loadResult, error) {
	_, rest, found := strings.Cut(out, "RESULT ")
	line, _, _ := strings.Cut(rest, "\n")
	var r loadResult
	if err := json.Unmarshal([]byte(line), &r); err != nil || !found {
		return loadResult{}, fmt.Errorf("wrk did not report: %s", out)
	}
	return r, nil
}

// checkEach sends one request with each header line and wants 200, or 204 where
// there is nothing to send: wrk takes anything below 400 for success.
func (t target) checkEach(ctx context.Context) error {
	file, err := os.Open(t.headers)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	client := &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if err := checkOne(ctx, client, t.url, lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func checkOne(ctx context.Context, client *http.Client, url, header string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	name, value, _ := strings.Cut(header, ": ")
	req.Header.Set(name, value)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := readAll(res)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s answers %s: %s", url, res.Status, body)
	}
	return nil
}
