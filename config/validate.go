package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

var (
	listenAddress = ofText("host:port", func(s string) (string, error) { return address(s, true) })
	serverAddress = ofText("host:port", func(s string) (string, error) { return address(s, false) })

	// hostName is generous, as container names may hold underscores.
	hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$`)
)

// address checks host:port. To listen, the host may be missing and the port
// may be 0 (any free one). No error repeats the address: people paste URLs
// with passwords in them.
func address(s string, listen bool) (string, error) {
	if s == "" {
		return "", errEmpty
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", errors.New("is not of the form host:port")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || (n == 0 && !listen) {
		return "", errors.New("has no valid port number")
	}
	if host == "" && listen {
		return s, nil
	}
	// Brackets are for IPv6 addresses alone.
	if _, err := netip.ParseAddr(host); err != nil && (s[0] == '[' || !hostName.MatchString(host)) {
		return "", errors.New("has no valid host")
	}
	return s, nil
}

// segment is what a base path may be made of: it goes into a router's
// pattern, where braces and their like have a meaning, and is compared with
// paths as they were sent, where an escape has several spellings.
var segment = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

var basePath = ofText("/ or a path such as /api, of letters, digits and ._~- without a slash at its end", func(s string) (string, error) {
	if s == "/" {
		return "", nil
	}
	rest, ok := strings.CutPrefix(s, "/")
	if s == "" {
		return "", errEmpty
	}
	if !ok {
		return "", fmt.Errorf("%s does not begin with a slash", quote(s))
	}
	if strings.HasSuffix(s, "/") {
		return "", fmt.Errorf("%s ends in a slash", quote(s))
	}
	for part := range strings.SplitSeq(rest, "/") {
		if part == "." || part == ".." || !segment.MatchString(part) {
			return "", fmt.Errorf("%s has the part %s", quote(s), quote(part))
		}
	}
	return s, nil
})

// proxy is an address or a network; host bits that are set are cleared, as
// 10.1.2.3/8 can only mean 10.0.0.0/8.
var proxy = ofText("IP addresses or networks such as 10.0.0.0/8", func(s string) (netip.Prefix, error) {
	if s == "" {
		return netip.Prefix{}, errEmpty
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%s is neither an address nor a network", quote(s))
	}
	if p.Addr().Is4In6() {
		const mapped = 96 // ::ffff:0:0/96, RFC 4291, section 2.5.5.2.
		if p.Bits() < mapped {
			return netip.Prefix{}, fmt.Errorf("%s is more than the IPv4 addresses", quote(s))
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped)
	}
	if p.Bits() == 0 {
		return netip.Prefix{}, fmt.Errorf("%s would let every client choose its own address", quote(s))
	}
	return p.Masked(), nil
})

// origin is what a browser sends in Origin: scheme, host and, unless it is the
// scheme's default, port.
var origin = ofText("origins such as https://app.example.com", func(s string) (string, error) {
	if s == "" {
		return "", errEmpty
	}
	if strings.Contains(s, "*") {
		return "", fmt.Errorf("%s is a wildcard, which would hand the API to every page that holds a token", quote(s))
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return "", fmt.Errorf("%s is not of the form scheme://host[:port]", quote(s))
	}
	if exact := u.Scheme + "://" + u.Host; !strings.EqualFold(s, exact) {
		return "", fmt.Errorf("%s has more than scheme, host and port (no slash at the end either)", quote(s))
	}
	if _, err := address(net.JoinHostPort(u.Hostname(), "0"), true); err != nil {
		return "", fmt.Errorf("%s %w (an international name is written as xn--…)", quote(s), err)
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", fmt.Errorf("%s has no valid port number", quote(s))
		}
		if (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
			return "", fmt.Errorf("%s names the default port, which browsers leave out", quote(s))
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return "", fmt.Errorf("%s has no valid port number", quote(s))
	}
	return strings.ToLower(s), nil
})

// keyID is the name of a file in the key directory, without its ending.
var keyID = ofText("the name of a key's file without .pem", func(s string) (string, error) {
	if strings.ContainsAny(s, `/\`) || s == "." || s == ".." || len(s) > 200 {
		return "", fmt.Errorf("%s is no file name", quote(s))
	}
	return plain(s)
})

// rules are the conditions that span settings: about is the one to change.
var rules = []struct {
	about    string
	involves string
	broken   func(Config) bool
	reason   string
}{
	{
		"redis.addresses",
		"redis.mode",
		func(c Config) bool { return c.Redis.Mode == ModeStandalone && len(c.Redis.Addresses) != 1 },
		"has more than one entry; want exactly one where redis.mode is standalone",
	},
	{
		"redis.master_name",
		"redis.mode",
		func(c Config) bool { return c.Redis.Mode == ModeSentinel && c.Redis.MasterName == "" },
		"is missing; want the primary's name where redis.mode is sentinel",
	},
	{
		"redis.db",
		"redis.mode",
		func(c Config) bool { return c.Redis.Mode == ModeCluster && c.Redis.DB != 0 },
		"is not 0; want 0 where redis.mode is cluster, which has no other",
	},
	{
		"redis.username",
		"redis.password",
		func(c Config) bool { return c.Redis.Username != "" && c.Redis.Password == "" },
		"has no effect without redis.password; want both or neither",
	},
	{
		"admin.address",
		"http.address",
		func(c Config) bool {
			return c.Admin.Address == c.HTTP.Address && !strings.HasSuffix(c.Admin.Address, ":0")
		},
		"is the same as http.address; want another, since the public must not reach it",
	},
	{
		"verify.address",
		"http.address",
		func(c Config) bool {
			return c.Verify.Address != "" && c.Verify.Address == c.HTTP.Address && !strings.HasSuffix(c.Verify.Address, ":0")
		},
		"is the same as http.address; want another, since the public must not reach it",
	},
	{
		"verify.address",
		"admin.address",
		func(c Config) bool {
			return c.Verify.Address != "" && c.Verify.Address == c.Admin.Address && !strings.HasSuffix(c.Verify.Address, ":0")
		},
		"is the same as admin.address; want another",
	},
	{
		"verify.secret",
		"verify.address",
		func(c Config) bool { return c.Verify.Secret != "" && c.Verify.Address == "" },
		"has no effect without verify.address; want both or neither",
	},
}
