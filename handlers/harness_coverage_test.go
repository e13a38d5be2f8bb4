package handlers_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
)

// TestMain holds, once all tests have passed, that the OpenAPI document tells of
// nothing that none of them has seen.
func TestMain(m *testing.M) {
	status := m.Run()
	if status == 0 && allTestsRan() {
		for _, outcome := range documented().unseen() {
			fmt.Fprintln(os.Stderr, "openapi.json tells of an answer that no test has seen:", outcome)
			status = 1
		}
	}
	os.Exit(status)
}

func allTestsRan() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return !testing.Short()
}

// outcome is one way that an operation can end; the code is an error's.
type outcome struct {
	operation string
	status    int
	code      string
}

func (o outcome) String() string {
	return fmt.Sprintf("%s: %d %s", o.operation, o.status, o.code)
}

// outcomes are all that the document tells of.
func (c *contract) outcomes() []outcome {
	var all []outcome
	for _, operations := range c.Paths {
		for _, op := range operations {
			for status, r := range op.Responses {
				number, _ := strconv.Atoi(status)
				codes := []string{""}
				if content := r.Content["application/json"]; content != nil {
					codes = content.codes()
				}
				for _, code := range codes {
					all = append(all, outcome{op.OperationID, number, code})
				}
			}
		}
	}
	return all
}

// unseen are the outcomes that no test has met, in order.
func (c *contract) unseen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var missing []string
	for _, o := range c.outcomes() {
		if !c.seen[o] {
			missing = append(missing, o.String())
		}
	}
	slices.Sort(missing)
	return missing
}
