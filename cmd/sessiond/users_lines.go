package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxImportLine is in bytes: room for an account with some ten thousand
// sessions.
const maxImportLine = 1 << 20

var errImportLineTooLong = errors.New("over 1 MiB long")

// utf8BOM is what some programs put in front of a text.
var utf8BOM = []byte("\xef\xbb\xbf")

// lineReader reads lines of bounded length. It holds one line, and of one that
// is too long no more than the bound.
type lineReader struct {
	r *bufio.Reader
	// number counts the lines read, from 1 for the first; bytes counts theirs.
	number int
	bytes  int64
	line   []byte
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 1<<16)}
}

// next returns the next line without white space around it, which is good until
// the call after. After the last line the error is io.EOF. A line over the bound
// is read to its end and is errImportLineTooLong; the next call goes on behind.
func (l *lineReader) next() ([]byte, error) {
	l.line = l.line[:0]
	l.number++
	tooLong := false
	for {
		part, err := l.r.ReadSlice('\n')
		l.bytes += int64(len(part))
		if len(l.line)+len(part) > maxImportLine+len("\r\n") {
			tooLong = true
		}
		if !tooLong {
			l.line = append(l.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			if len(l.line) == 0 && !tooLong {
				return nil, io.EOF
			}
		case err != nil:
			return nil, err
		}
		break
	}
	if l.number == 1 {
		l.line = bytes.TrimPrefix(l.line, utf8BOM)
	}
	line := bytes.Trim(l.line, " \t\r\n")
	if tooLong || len(line) > maxImportLine {
		return nil, errImportLineTooLong
	}
	return line, nil
}
