package main

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

const (
	// logDelay is how long a line may wait for others. Each write costs a busy
	// replica more than making the line does; nobody who reads it sees the
	// difference.
	logDelay = 5 * time.Millisecond
	// logBufferSize, in bytes, is how much waits at most.
	logBufferSize = 32 << 10
)

// logBuffer writes lines of the log together that come within a moment. It is
// safe for concurrent use. What has not been written when the process is killed
// is lost.
type logBuffer struct {
	out   io.Writer
	delay time.Duration

	mu    sync.Mutex
	lines []byte
	timer *time.Timer
}

func newLogBuffer(out io.Writer, delay time.Duration) *logBuffer {
	b := &logBuffer{out: out, delay: delay, lines: make([]byte, 0, logBufferSize)}
	b.timer = time.AfterFunc(delay, b.flush)
	return b
}

// Write implements io.Writer. Its error may be that of earlier lines, which are
// lost then, like those that a logger without a buffer can't write.
func (b *logBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == 0 {
		b.timer.Reset(b.delay)
	}
	b.lines = append(b.lines, line...)
	if len(b.lines) < logBufferSize {
		return len(line), nil
	}
	return len(line), b.write()
}

// flush writes what waits.
func (b *logBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.write()
}

func (b *logBuffer) write() error {
	if len(b.lines) == 0 {
		return nil
	}
	_, err := b.out.Write(b.lines)
	b.lines = b.lines[:0]
	return err
}

// bufferedHandler is a handler that writes to a logBuffer. From the level of
// warnings on nothing waits there: it may be the last that is heard.
type bufferedHandler struct {
	slog.Handler
	buffer *logBuffer
}

// Handle implements slog.Handler.
func (h bufferedHandler) Handle(ctx context.Context, r slog.Record) error {
	err := h.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn {
		h.buffer.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (h bufferedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bufferedHandler{h.Handler.WithAttrs(attrs), h.buffer}
}

// WithGroup implements slog.Handler.
func (h bufferedHandler) WithGroup(name string) slog.Handler {
	return bufferedHandler{h.Handler.WithGroup(name), h.buffer}
}
