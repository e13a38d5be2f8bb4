package handlers

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// proxies are the trusted ones in these tests.
var proxies = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("2001:db8:aaaa::/48"),
	netip.MustParsePrefix("fe80::/10"),
}

func requestFrom(peer string, forwardedFor ...string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	if forwardedFor != nil {
		r.Header["X-Forwarded-For"] = forwardedFor
	}
	return r
}

func TestClientIP(t *testing.T) {
	t.Parallel()

	const proxy = "10.0.0.1:40000"
	tests := []struct {
		name         string
		peer         string
		forwardedFor []string
		want         string
	}{
		{"no header", "203.0.113.7:1234", nil, "203.0.113.7"},
		{"no header, by a proxy", proxy, nil, "10.0.0.1"},
		{"IPv6 peer", "[2001:db8::1]:1234", nil, "2001:db8::1"},
		{"IPv6 peer with a zone", "[fe80::1%eth0]:1234", nil, "fe80::1"},
		{"mapped peer", "[::ffff:203.0.113.7]:1234", nil, "203.0.113.7"},

		{"spoofed by a peer that is no proxy", "203.0.113.7:1234", []string{"198.51.100.1"}, "203.0.113.7"},
		{"spoofed by an IPv6 peer", "[2001:db8::1]:1234", []string{"198.51.100.1"}, "2001:db8::1"},
		{"spoofed by a mapped peer", "[::ffff:203.0.113.7]:1", []string{"198.51.100.1"}, "203.0.113.7"},
		{"spoofed through a proxy", proxy, []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"spoofed as a proxy", proxy, []string{"10.0.0.9, 203.0.113.7"}, "203.0.113.7"},
		{"spoofed on a line of its own", proxy, []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},

		{"by a proxy", proxy, []string{"203.0.113.7"}, "203.0.113.7"},
		{"by an IPv6 proxy", "[2001:db8:aaaa::1]:1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"by a mapped proxy", "[::ffff:10.0.0.1]:1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"by a neighbour of the proxies", "11.0.0.1:1", []string{"203.0.113.7"}, "11.0.0.1"},
		{"by a link-local proxy", "[fe80::1%eth0]:1", []string{"203.0.113.7"}, "203.0.113.7"},
		{"by two proxies", proxy, []string{"198.51.100.1, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"by two proxies on two lines", proxy, []string{"198.51.100.1, 203.0.113.7", "10.0.0.2"}, "203.0.113.7"},
		{"by proxies alone, the leftmost", proxy, []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"by proxies alone, on two lines", proxy, []string{"10.0.0.3", "10.0.0.2"}, "10.0.0.3"},
		{"mapped proxy in the list", proxy, []string{"203.0.113.7, ::ffff:10.0.0.2"}, "203.0.113.7"},

		{"port", proxy, []string{"203.0.113.7:8080"}, "203.0.113.7"},
		{"zone", proxy, []string{"fe81::7%eth0, 203.0.113.7, fe80::2%eth0"}, "203.0.113.7"},
		{"zone of the client", proxy, []string{"2001:db8::7%eth0"}, "2001:db8::7"},
		{"IPv6", proxy, []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv6 in brackets", proxy, []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv6 with a port", proxy, []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{"IPv6 with a zone and a port", proxy, []string{"[2001:db8::7%25eth0]:443"}, "2001:db8::7"},
		{"mapped", proxy, []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"mapped, in hexadecimal", proxy, []string{"::ffff:cb00:7107"}, "203.0.113.7"},
		{"mapped, with a zone and a port", proxy, []string{"[::ffff:203.0.113.7%eth0]:443"}, "203.0.113.7"},
		{"quoted", proxy, []string{`"[2001:db8::7]:443"`}, "2001:db8::7"},
		{"spaces and tabs", proxy, []string{"198.51.100.1,\t 203.0.113.7 \t,10.0.0.2 "}, "203.0.113.7"},

		{"rubbish", proxy, []string{"rubbish"}, "10.0.0.1"},
		{"rubbish on the left", proxy, []string{"rubbish, 203.0.113.7"}, "203.0.113.7"},
		{"rubbish on the right", proxy, []string{"203.0.113.7, rubbish"}, "10.0.0.1"},
		{"rubbish between proxies", proxy, []string{"203.0.113.7, rubbish, 10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"rubbish on the line between", proxy, []string{"203.0.113.7", "rubbish", "10.0.0.2"}, "10.0.0.2"},
		{"empty", proxy, []string{""}, "10.0.0.1"},
		{"empty line between", proxy, []string{"203.0.113.7", "", "10.0.0.2"}, "10.0.0.2"},
		{"empty element", proxy, []string{"203.0.113.7,,10.0.0.2"}, "10.0.0.2"},
		{"trailing comma", proxy, []string{"203.0.113.7,"}, "10.0.0.1"},
		{"unknown", proxy, []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		{"port out of range", proxy, []string{"203.0.113.7:65536"}, "10.0.0.1"},
		{"port missing", proxy, []string{"203.0.113.7:"}, "10.0.0.1"},
		{"port of letters", proxy, []string{"203.0.113.7:http"}, "10.0.0.1"},
		{"port with a sign", proxy, []string{"203.0.113.7:+80"}, "10.0.0.1"},
		{"port of IPv6 out of range", proxy, []string{"[2001:db8::7]:65536"}, "10.0.0.1"},
		{"text behind the bracket", proxy, []string{"[2001:db8::7]x"}, "10.0.0.1"},
		{"bracket left open", proxy, []string{"[2001:db8::7"}, "10.0.0.1"},
		{"IPv4 in brackets", proxy, []string{"[203.0.113.7]"}, "10.0.0.1"},
		{"IPv4 with a zone", proxy, []string{"203.0.113.7%eth0"}, "10.0.0.1"},
		{"empty zone", proxy, []string{"2001:db8::7%"}, "10.0.0.1"},
		{"leading zeros", proxy, []string{"203.0.113.007"}, "10.0.0.1"},
		{"short IPv4", proxy, []string{"127.1"}, "10.0.0.1"},
		{"a prefix", proxy, []string{"203.0.113.0/24"}, "10.0.0.1"},
		{"line break", proxy, []string{"203.0.113.7\r\n"}, "10.0.0.1"},
	}
	ips := clientIPs{trusted: proxies}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := ips.of(requestFrom(tt.peer, tt.forwardedFor...)); got.String() != tt.want {
				t.Errorf("client of %s, X-Forwarded-For %q: got %v, want %s", tt.peer, tt.forwardedFor, got, tt.want)
			}
		})
	}
}

func TestClientIPTrustsNobodyByDefault(t *testing.T) {
	t.Parallel()

	for _, peer := range []string{"127.0.0.1", "::1", "10.0.0.1", "2001:db8::1"} {
		r := requestFrom("["+peer+"]:1234", "203.0.113.7")
		if strings.Contains(peer, ".") {
			r.RemoteAddr = peer + ":1234"
		}
		if got := (clientIPs{}).of(r); got.String() != peer {
			t.Errorf("client of %s: got %v", peer, got)
		}
	}
}

func TestClientIPOfPeerWithoutAddress(t *testing.T) {
	t.Parallel()

	everybody := clientIPs{trusted: []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"),
	}}
	for _, peer := range []string{"", "@", "/run/sessiond.sock", "localhost:80"} {
		got := everybody.of(requestFrom(peer, "203.0.113.7"))
		if got.IsValid() {
			t.Errorf("client of %q: got %v, want none", peer, got)
		}
		if key := limitKey(got); key != "unknown" {
			t.Errorf("limit key of %q: got %q", peer, key)
		}
	}
}

// The walk neither joins nor splits the header, so that its length costs
// nothing.
func TestClientIPOfHugeHeaderAllocatesNothing(t *testing.T) {
	huge := strings.Repeat("198.51.100.1,", 80_000) + "203.0.113.7"
	r := requestFrom("10.0.0.1:1234", huge)
	ips := clientIPs{trusted: proxies}
	var got netip.Addr
	if n := testing.AllocsPerRun(10, func() { got = ips.of(r) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	if want := netip.MustParseAddr("203.0.113.7"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLimitKey(t *testing.T) {
	t.Parallel()

	for addr, want := range map[string]string{
		"203.0.113.7":          "203.0.113.7",
		"::ffff:203.0.113.7":   "203.0.113.7",
		"2001:db8:1:2::1":      "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::9": "2001:db8:1:2::/64",
		"2001:db8:1:3::1":      "2001:db8:1:3::/64",
		"fe80::1%eth0":         "fe80::/64",
		"::1":                  "::/64",
	} {
		if got := limitKey(netip.MustParseAddr(addr)); got != want {
			t.Errorf("limitKey(%s) = %q, want %q", addr, got, want)
		}
	}
	if got := limitKey(netip.Addr{}); got != "unknown" {
		t.Errorf("limitKey of no address = %q, want %q", got, "unknown")
	}
}

// FuzzClientIP holds the walk against its definition, carried out plainly:
// join, split, look from the right.
func FuzzClientIP(f *testing.F) {
	f.Add("10.0.0.1:1", "198.51.100.1, 203.0.113.7", "10.0.0.2")
	f.Add("203.0.113.7:1", "198.51.100.1", "")
	f.Add("[fe80::1%eth0]:1", `"[2001:db8::7]:443"`, "rubbish, 10.0.0.2")
	f.Add("10.0.0.1", "::ffff:1.2.3.4", ",,")

	ips := clientIPs{trusted: proxies}
	f.Fuzz(func(t *testing.T, peer, first, second string) {
		got := ips.of(requestFrom(peer, first, second))

		want, _ := parseClientAddr(peer)
		elements := strings.Split(first+","+second, ",")
		for i := len(elements) - 1; i >= 0 && ips.trusts(want); i-- {
			addr, ok := parseClientAddr(elements[i])
			if !ok {
				break
			}
			want = addr
		}
		if got != want {
			t.Errorf("peer %q, X-Forwarded-For %q and %q: got %v, want %v", peer, first, second, got, want)
		}
		if got.Zone() != "" || got.Is4In6() {
			t.Errorf("peer %q, X-Forwarded-For %q and %q: %v is not plain", peer, first, second, got)
		}

		// Where an untrusted address stands in the list, nothing to its left
		// matters.
		const client = "203.0.113.7"
		plain := ips.of(requestFrom(peer, client+","+second))
		for _, lines := range [][]string{{first + "," + client + "," + second}, {first, client, second}} {
			if spoofed := ips.of(requestFrom(peer, lines...)); spoofed != plain {
				t.Errorf("peer %q: X-Forwarded-For %q moved the client from %v to %v", peer, lines, plain, spoofed)
			}
		}
	})
}
