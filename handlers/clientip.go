package handlers

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// clientIPs tells which address a request came from, for the limits and the
// log. Its zero value trusts no proxy, so that every request is its peer's.
type clientIPs struct {
	// trusted are the proxies whose X-Forwarded-For is believed. IPv4 prefixes
	// are plain ones: a prefix within ::ffff:0:0/96 would match nothing.
	trusted []netip.Prefix
}

// of returns the address of the client that sent r: never IPv4 written as
// IPv6, never with a zone. It is invalid when the peer's address is none (a
// Unix socket), and then no header can change it.
//
// Everything to the left of the first address that no trusted proxy vouches
// for is the client's own invention. The walk therefore goes from the right,
// and stops there: a client that could move the result could give itself a new
// allowance with every request.
func (c clientIPs) of(r *http.Request) netip.Addr {
	client, ok := parseClientAddr(r.RemoteAddr)
	if !ok {
		return netip.Addr{}
	}

	// Several lines are one list (RFC 9110, section 5.3). It is neither joined
	// nor split: the walk mostly ends at its first element, however long the
	// rest is.
	lines := r.Header.Values("X-Forwarded-For")
	for _, line := range slices.Backward(lines) {
		rest, more := line, true
		for more {
			if !c.trusts(client) {
				return client
			}
			var element string
			rest, element, more = cutLast(rest)
			addr, ok := parseClientAddr(element)
			if !ok {
				return client
			}
			client = addr
		}
	}
	return client
}

func (c clientIPs) trusts(addr netip.Addr) bool {
	for _, p := range c.trusted {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// cutLast splits the last element off a comma-separated list; more says
// whether there is another before it, be it an empty one.
func cutLast(list string) (rest, last string, more bool) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return list[:i], list[i+1:], true
	}
	return "", list, false
}

// parseClientAddr reads an address as servers and proxies write it: alone or
// with a port, IPv6 in brackets or bare, with a zone, in quotes. Port and zone
// are checked for their form and cut off.
func parseClientAddr(s string) (netip.Addr, bool) {
	s = strings.Trim(s, " \t")
	if n := len(s); n >= 2 && s[0] == '"' && s[n-1] == '"' {
		s = strings.Trim(s[1:n-1], " \t")
	}

	bracketed := strings.HasPrefix(s, "[")
	if bracketed {
		host, port, found := strings.Cut(s[1:], "]")
		if !found || (port != "" && !isPort(port)) {
			return netip.Addr{}, false
		}
		s = host
	} else if i := strings.IndexByte(s, ':'); i >= 0 && i == strings.LastIndexByte(s, ':') {
		// A single colon: IPv6 has two at least.
		if !isPort(s[i:]) {
			return netip.Addr{}, false
		}
		s = s[:i]
	}

	// The zone goes before netip sees it: netip keeps every distinct zone in a
	// table of the whole process.
	s, zone, zoned := strings.Cut(s, "%")
	if zoned && zone == "" {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || (addr.Is4() && (zoned || bracketed)) {
		return netip.Addr{}, false
	}
	return addr.Unmap(), true
}

// isPort reports whether s is a colon and a port number.
func isPort(s string) bool {
	digits, found := strings.CutPrefix(s, ":")
	if !found {
		return false
	}
	_, err := strconv.ParseUint(digits, 10, 16)
	return err == nil
}

// limitKey returns the text under which the requests from addr are counted.
// One IPv6 subscriber has a /64 at least (RFC 6177) and would otherwise have
// 2^64 allowances. What has no address shares one.
func limitKey(addr netip.Addr) string {
	addr = addr.Unmap()
	switch {
	case !addr.IsValid():
		return "unknown"
	case addr.Is4():
		return addr.String()
	default:
		return netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
	}
}
