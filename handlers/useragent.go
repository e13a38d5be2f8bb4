package handlers

import (
	"strings"

	"github.com/mileusna/useragent"
)

// maxUserAgent is how much of a User-Agent is read, in bytes: the longest that
// real clients send is under half of it, and what parsing costs grows with it.
const maxUserAgent = 1024

const (
	unknownClient = "Unknown Browser"
	unknownOS     = "an Unknown OS"
)

// userAgentName describes the client with the User-Agent ua for people, as in
// "Firefox v119 on GNU/Linux".
//
// The header is the client's to choose, and the name is shown to whoever looks
// for an intruder among their sessions. Only names from the tables of this
// package, and digits, therefore find their way into it.
func userAgentName(ua string) string {
	if len(ua) > maxUserAgent {
		ua = ua[:maxUserAgent]
	}
	parsed := useragent.Parse(ua)
	system := osOf(ua, parsed)
	return clientOf(ua, parsed, system.handheld).String() + " on " + system.String()
}

// software is a client or an operating system.
type software struct {
	name     string
	major    string // Digits, or empty where the version is unknown.
	handheld bool   // The system of phones and tablets.
}

// String returns the name, and the version if there is one: "curl v8".
func (s software) String() string {
	if s.major == "" {
		return s.name
	}
	return s.name + " v" + s.major
}

func clientOf(ua string, parsed useragent.UserAgent, handheld bool) software {
	// On Android the parser glues "Mobile" to the product that follows it.
	key := strings.TrimPrefix(strings.ToLower(parsed.Name), "mobile ")
	names, known := clientNames[key]
	version := parsed.Version

	// What is built on Chromium may name itself first; where that name says
	// nothing to us, what it is built on still does.
	for _, base := range []string{"Electron", "Chrome"} {
		if known || parsed.Bot {
			break
		}
		if version, known = productVersion(ua, base); known {
			names = clientNames[strings.ToLower(base)]
		}
	}
	if !known {
		return software{name: unknownClient}
	}

	// Without a Version token the parser gives WebKit's build for Safari's.
	if key == "safari" && !strings.Contains(ua, "Version/") {
		version = ""
	}
	name := names.desktop
	if handheld && names.handheld != "" {
		name = names.handheld
	}
	return software{name: name, major: majorVersion(version)}
}

func osOf(ua string, parsed useragent.UserAgent) software {
	// Televisions and simple phones are Linux too, and some clients write the
	// system in a way that the parser passes over.
	if parsed.OS == "" || parsed.OS == useragent.Linux {
		lower := strings.ToLower(ua)
		for _, mark := range osMarks {
			if strings.Contains(lower, mark.text) {
				return software{name: mark.name}
			}
		}
	}

	switch parsed.OS {
	case useragent.Windows:
		return software{name: "Windows", major: windowsVersions[parsed.OSVersion]}
	case useragent.IOS:
		name := "iOS"
		if parsed.Device == "iPad" {
			name = "iPadOS"
		}
		return software{name: name, major: majorVersion(parsed.OSVersion), handheld: true}
	case useragent.Android:
		return software{name: "Android", major: majorVersion(parsed.OSVersion), handheld: true}
	case useragent.Harmony:
		return software{name: "HarmonyOS", major: majorVersion(parsed.OSVersion), handheld: true}
	case useragent.WindowsPhone:
		return software{name: "Windows Phone", major: majorVersion(parsed.OSVersion), handheld: true}
	case useragent.BlackBerry:
		return software{name: "BlackBerry", handheld: true}
	case useragent.MacOS:
		return software{name: "Mac", major: majorVersion(parsed.OSVersion)}
	case useragent.ChromeOS:
		return software{name: "Chrome OS"}
	default:
		return software{name: unknownOS}
	}
}

// productVersion returns the version of the first product called name, as in
// "Chrome/119.0.0.0" (RFC 9110, section 10.1.5).
func productVersion(ua, name string) (version string, found bool) {
	_, rest, found := strings.Cut(" "+ua, " "+name+"/")
	version, _, _ = strings.Cut(rest, " ")
	return version, found
}

// majorVersion returns what stands before the first dot if that is one to five
// digits, else nothing: a version must not smuggle text into a name.
func majorVersion(version string) string {
	const maxDigits = 5
	major, _, _ := strings.Cut(version, ".")
	if len(major) > maxDigits || strings.Trim(major, "0123456789") != "" {
		return ""
	}
	return major
}

// windowsVersions maps what the parser reads after "Windows NT" to the number
// that Windows was sold under. Browsers send 10.0 on Windows 11 too.
var windowsVersions = map[string]string{
	"10.0": "10",
	"6.3":  "8",
	"6.2":  "8",
	"6.1":  "7",
}

// osMarks names systems by a text in the lower-cased User-Agent. The first that
// occurs counts, so that plain Linux comes last.
var osMarks = []struct{ text, name string }{
	{"kaios", "KaiOS"},
	{"tizen", "Tizen"},
	{"web0s", "webOS"},
	{"webos", "webOS"},
	{"playstation", "PlayStation"},
	{"nintendo", "Nintendo"},
	{"freebsd", "FreeBSD"},
	{"openbsd", "OpenBSD"},
	{"netbsd", "NetBSD"},
	{"windows", "Windows"},
	{"linux", "GNU/Linux"},
}

// clientNames maps the parser's names, in lower case, to ours. A client that
// goes by another name on phones and tablets has a second one.
var clientNames = map[string]struct{ desktop, handheld string }{
	// Browsers.
	"chrome":            {"Chrome", "Chrome Mobile"},
	"edge":              {"Microsoft Edge", "Microsoft Edge Mobile"},
	"firefox":           {"Firefox", "Firefox Mobile"},
	"safari":            {"Safari", "Mobile Safari"},
	"opera":             {"Opera", "Opera Mobile"},
	"opera mini":        {desktop: "Opera Mini"},
	"opera touch":       {desktop: "Opera Touch"},
	"vivaldi":           {desktop: "Vivaldi"},
	"samsung browser":   {desktop: "Samsung Internet"},
	"yabrowser":         {desktop: "Yandex Browser"},
	"duckduckgo":        {desktop: "DuckDuckGo"},
	"ucbrowser":         {desktop: "UC Browser"},
	"huawei browser":    {desktop: "Huawei Browser"},
	"miui browser":      {desktop: "Miui Browser"},
	"whale":             {desktop: "Whale"},
	"silk":              {desktop: "Amazon Silk"},
	"android browser":   {desktop: "Android Browser"},
	"internet explorer": {desktop: "Internet Explorer"},
	"headless chrome":   {desktop: "Headless Chrome"},
	"lynx":              {desktop: "Lynx"},

	// Applications.
	"discord":       {desktop: "Discord"},
	"electron":      {desktop: "Electron"},
	"facebook app":  {desktop: "Facebook"},
	"instagram app": {desktop: "Instagram"},
	"tiktok app":    {desktop: "TikTok"},
	"slack":         {desktop: "Slack"},
	"sharex":        {desktop: "ShareX"},

	// Libraries and tools.
	"aiohttp":           {desktop: "aiohttp"},
	"apache-httpclient": {desktop: "Apache HttpClient"},
	"axios":             {desktop: "axios"},
	"bun":               {desktop: "Bun"},
	"curl":              {desktop: "curl"},
	"dalvik":            {desktop: "Dalvik"},
	"dart":              {desktop: "Dart"},
	"deno":              {desktop: "Deno"},
	"go-http-client":    {desktop: "Go-http-client"},
	"guzzlehttp":        {desktop: "Guzzle"},
	"httpie":            {desktop: "HTTPie"},
	"insomnia":          {desktop: "Insomnia"},
	"java":              {desktop: "Java"},
	"java-http-client":  {desktop: "Java HTTP Client"},
	"libwww-perl":       {desktop: "libwww-perl"},
	"node":              {desktop: "Node.js"},
	"node-fetch":        {desktop: "node-fetch"},
	"okhttp":            {desktop: "OkHttp"},
	"postmanruntime":    {desktop: "Postman"},
	"powershell":        {desktop: "PowerShell"},
	"python":            {desktop: "Python"},
	"python-httpx":      {desktop: "Python HTTPX"},
	"python-requests":   {desktop: "Python Requests"},
	"python-urllib":     {desktop: "Python urllib"},
	"reqwest":           {desktop: "reqwest"},
	"ruby":              {desktop: "Ruby"},
	"undici":            {desktop: "undici"},
	"wget":              {desktop: "Wget"},
	"windowspowershell": {desktop: "PowerShell"},

	// Bots.
	"applebot":            {desktop: "Applebot"},
	"bingbot":             {desktop: "Bingbot"},
	"discordbot":          {desktop: "Discordbot"},
	"facebookexternalhit": {desktop: "facebookexternalhit"},
	"googlebot":           {desktop: "Googlebot"},
	"twitterbot":          {desktop: "Twitterbot"},
	"yandexbot":           {desktop: "YandexBot"},
}
