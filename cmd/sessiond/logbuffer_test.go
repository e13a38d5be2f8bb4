package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sessiond/sessiond/config"
)

// writes is what a log's output was given, one element for each write.
type writes chan string

func (w writes) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

func TestLogLinesAreWrittenWholeAndInOrder(t *testing.T) {
	t.Parallel()
	const writers, lines = 4, 1000
	out := make(writes, writers*lines)
	buffer := newLogBuffer(out, time.Hour)
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(buffer, "%d %d\n", w, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	buffer.flush()
	if n := len(out); n != 1 {
		t.Errorf("%d writes of lines that one has room for", n)
	}
	close(out)
	var next [writers]int
	for text := range out {
		for line := range strings.Lines(text) {
			var w, i int
			if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil {
				t.Fatalf("line %q: %v", line, err)
			}
			if i != next[w] {
				t.Fatalf("writer %d: line %d instead of %d", w, i, next[w])
			}
			next[w]++
		}
	}
	if next != [writers]int{lines, lines, lines, lines} {
		t.Errorf("lines of each writer: %v", next)
	}
}

// Nobody has to flush: what waits is written by itself.
func TestLogLinesDoNotWaitForLong(t *testing.T) {
	t.Parallel()
	out := make(writes, 1)
	buffer := newLogBuffer(out, time.Millisecond)
	for range 3 {
		if _, err := io.WriteString(buffer, "line\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-out; got != "line\n" {
			t.Errorf("wrote %q", got)
		}
	}
}

func TestWarningsDoNotWait(t *testing.T) {
	t.Parallel()
	out := make(writes, 10)
	buffer := newLogBuffer(out, time.Hour)
	log := slog.New(bufferedHandler{newLogger(buffer, config.Log{Format: config.FormatText}).Handler(), buffer})
	for _, log := range []*slog.Logger{log, log.With("a", 1), log.WithGroup("g")} {
		log.Warn("behind the others")
		if got := <-out; !strings.Contains(got, `level=WARN msg="behind the others"`) {
			t.Errorf("wrote %q", got)
		}
	}
}

// A log that can't be written loses lines, and goes on with the next.
func TestLogGoesOnAfterAnError(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	out := &failing{err: full}
	buffer := newLogBuffer(out, time.Hour)
	if _, err := buffer.Write(make([]byte, logBufferSize)); !errors.Is(err, full) {
		t.Errorf("a full buffer: %v", err)
	}
	out.err = nil
	if _, err := buffer.Write(make([]byte, logBufferSize)); err != nil || out.written != logBufferSize {
		t.Errorf("afterwards: %d bytes, %v", out.written, err)
	}
}

type failing struct {
	err     error
	written int
}

func (f *failing) Write(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	f.written += len(p)
	return len(p), nil
}
