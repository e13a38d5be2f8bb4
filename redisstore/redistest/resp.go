package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// What the proxy needs of RESP, the protocol that Redis speaks: where a request
// and a reply end.
// https://redis.io/docs/latest/develop/reference/protocol-spec/

var errProtocol = errors.New("not what a Redis client or server sends")

// readCommand reads one request, an array of bulk strings, and returns it as it
// was sent and as words.
func readCommand(r *bufio.Reader) (raw []byte, words []string, err error) {
	raw, n, err := readHead(r)
	if err != nil {
		return nil, nil, err
	}
	if raw[0] != '*' || n < 1 {
		return nil, nil, fmt.Errorf("request %q: %w", raw, errProtocol)
	}
	for range n {
		bulk, err := readReply(r)
		if err != nil {
			return nil, nil, err
		}
		if bulk[0] != '$' {
			return nil, nil, fmt.Errorf("word %q: %w", bulk, errProtocol)
		}
		raw = append(raw, bulk...)
		words = append(words, word(bulk))
	}
	return raw, words, nil
}

// word is the text of a bulk string, which stands between two line breaks.
func word(bulk []byte) string {
	for i, b := range bulk {
		if b == '\n' {
			return string(bulk[i+1 : len(bulk)-len("\r\n")])
		}
	}
	return ""
}

// readReply reads one value with all that it contains and returns it as it was
// sent.
func readReply(r *bufio.Reader) ([]byte, error) {
	raw, n, err := readHead(r)
	if err != nil {
		return nil, err
	}
	switch raw[0] {
	case '$', '=', '!': // A text of n bytes; -1 is null.
		if n < 0 {
			return raw, nil
		}
		body := make([]byte, n+len("\r\n"))
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, err
		}
		return append(raw, body...), nil
	case '%', '|': // Pairs. The second kind comes in front of the reply proper.
		n *= 2
		if raw[0] == '|' {
			n++
		}
	case '*', '~', '>':
	default:
		return raw, nil
	}
	for range n {
		element, err := readReply(r)
		if err != nil {
			return nil, err
		}
		raw = append(raw, element...)
	}
	return raw, nil
}

// readHead reads the first line of a value and the number in it, if it has one.
func readHead(r *bufio.Reader) (line []byte, n int, err error) {
	line, err = r.ReadBytes('\n')
	if err != nil {
		return nil, 0, err
	}
	if len(line) < len("+\r\n") {
		return nil, 0, fmt.Errorf("line %q: %w", line, errProtocol)
	}
	switch line[0] {
	case '$', '=', '!', '%', '|', '*', '~', '>':
		n, err = strconv.Atoi(string(line[1 : len(line)-len("\r\n")]))
		if err != nil {
			return nil, 0, fmt.Errorf("line %q: %w", line, errProtocol)
		}
	}
	return line, n, nil
}
