package handlers

import (
	"regexp"
	"strings"
	"testing"
)

func TestUserAgentName(t *testing.T) {
	t.Parallel()

	const (
		webkit  = " AppleWebKit/537.36 (KHTML, like Gecko) "
		windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)" + webkit
		linux   = "Mozilla/5.0 (X11; Linux x86_64)" + webkit
		android = "Mozilla/5.0 (Linux; Android 13; Pixel 7)" + webkit
		iPhone  = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
	)
	tests := []struct{ ua, want string }{
		// The table of the API.
		{windows + "Chrome/119.0.0.0 Safari/537.36", "Chrome v119 on Windows v10"},
		{windows + "Chrome/119.0.0.0 Safari/537.36 Edg/119.0.2151.58", "Microsoft Edge v119 on Windows v10"},
		{"Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0", "Firefox v119 on GNU/Linux"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15", "Safari v17 on Mac v10"},
		{iPhone + "Version/17.1 Mobile/15E148 Safari/604.1", "Mobile Safari v17 on iOS v17"},
		{android + "Chrome/119.0.6045.66 Mobile Safari/537.36", "Chrome Mobile v119 on Android v13"},
		{"curl/8.4.0", "curl v8 on an Unknown OS"},
		{"python-requests/2.31.0", "Python Requests v2 on an Unknown OS"},
		{"Go-http-client/1.1", "Go-http-client v1 on an Unknown OS"},
		{"", "Unknown Browser on an Unknown OS"},
		{"Way Cool Uploader", "Unknown Browser on an Unknown OS"},

		// Desktop browsers.
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/119.0", "Firefox v119 on Windows v10"},
		{"Mozilla/5.0 (Windows NT 6.1; Win64; x64; rv:109.0) Gecko/20100101 Firefox/115.0", "Firefox v115 on Windows v7"},
		{"Mozilla/5.0 (Windows NT 5.1; rv:52.0) Gecko/20100101 Firefox/52.0", "Firefox v52 on Windows"},
		{"Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/119.0", "Firefox v119 on GNU/Linux"},
		{"Mozilla/5.0 (X11; Linux i686 on x86_64; rv:109.0) Gecko/20100101 Firefox/119.0", "Firefox v119 on GNU/Linux"},
		{"Mozilla/5.0 (X11; FreeBSD amd64; rv:109.0) Gecko/20100101 Firefox/119.0", "Firefox v119 on FreeBSD"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:109.0) Gecko/20100101 Firefox/119.0", "Firefox v119 on Mac v10"},
		{windows + "Chrome/118.0.0.0 Safari/537.36 OPR/104.0.0.0", "Opera v104 on Windows v10"},
		{windows + "Chrome/118.0.0.0 Safari/537.36 Vivaldi/6.4.3160.34", "Vivaldi v6 on Windows v10"},
		{windows + "Chrome/118.0.0.0 YaBrowser/23.11.0 Yowser/2.5 Safari/537.36", "Yandex Browser v23 on Windows v10"},
		{linux + "HeadlessChrome/119.0.0.0 Safari/537.36", "Headless Chrome v119 on GNU/Linux"},
		{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0)" + webkit + "Chrome/119.0.0.0 Safari/537.36", "Chrome v119 on Chrome OS"},

		// Phones, tablets and televisions.
		{"Mozilla/5.0 (Android 13; Mobile; rv:109.0) Gecko/119.0 Firefox/119.0", "Firefox Mobile v119 on Android v13"},
		{"Mozilla/5.0 (Linux; Android 10; K)" + webkit + "Chrome/119.0.0.0 Mobile Safari/537.36", "Chrome Mobile v119 on Android v10"},
		{"Mozilla/5.0 (Linux; Android 10; K)" + webkit + "Chrome/119.0.0.0 Safari/537.36", "Chrome Mobile v119 on Android v10"},
		{android + "Chrome/119.0.0.0 Mobile Safari/537.36 EdgA/119.0.2151.46", "Microsoft Edge Mobile v119 on Android v13"},
		{android + "Chrome/118.0.0.0 Mobile Safari/537.36 OPR/78.4.0", "Opera Mobile v78 on Android v13"},
		{android + "SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36", "Samsung Internet v23 on Android v13"},
		{android + "Version/4.0 Chrome/119.0.0.0 Mobile DuckDuckGo/5 Safari/537.36", "DuckDuckGo v5 on Android v13"},
		{iPhone + "CriOS/119.0.6045.109 Mobile/15E148 Safari/604.1", "Chrome Mobile v119 on iOS v17"},
		{iPhone + "FxiOS/119.0 Mobile/15E148 Safari/605.1.15", "Firefox Mobile v119 on iOS v17"},
		{iPhone + "Version/17.0 EdgiOS/119.0.2151.65 Mobile/15E148 Safari/604.1", "Microsoft Edge Mobile v119 on iOS v17"},
		{iPhone + "GSA/290.0.580 Mobile/15E148 Safari/604.1", "Mobile Safari on iOS v17"},
		{"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1", "Mobile Safari v16 on iPadOS v16"},
		{"Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5", "Firefox v48 on KaiOS"},
		{"Mozilla/5.0 (Web0S; Linux/SmartTV)" + webkit + "Chrome/94.0.4606.128 Safari/537.36", "Chrome v94 on webOS"},

		// Applications: their own name where we know it, else what they are
		// built on.
		{windows + "discord/1.0.9023 Chrome/108.0.5359.215 Electron/22.3.26 Safari/537.36", "Discord v1 on Windows v10"},
		{windows + "WayCool/3.1.4 Chrome/108.0.5359.215 Electron/22.3.26 Safari/537.36", "Electron v22 on Windows v10"},
		{linux + "WayCool/3.1.4 Chrome/118.0.0.0 Safari/537.36", "Chrome v118 on GNU/Linux"},

		// Tools and bots.
		{"Wget/1.20.3 (linux-gnu)", "Wget v1 on GNU/Linux"},
		{"ShareX/15.0.0", "ShareX v15 on an Unknown OS"},
		{"PostmanRuntime/7.35.0", "Postman v7 on an Unknown OS"},
		{"node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "node-fetch v1 on an Unknown OS"},
		{"Dalvik/2.1.0 (Linux; U; Android 13; Pixel 7 Build/TQ3A.230901.001)", "Dalvik v2 on Android v13"},
		{"Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.22621; en-US) PowerShell/7.4.0", "PowerShell v7 on Windows v10"},
		{"Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "Discordbot v2 on an Unknown OS"},
		{"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot v2 on an Unknown OS"},
		{"Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; WayCoolBot/1.0; +https://example.com/bot) Chrome/119.0.0.0 Safari/537.36", "Unknown Browser on an Unknown OS"},

		// Half of it known.
		{"WayCoolUploader/1.0 (Windows NT 10.0)", "Unknown Browser on Windows v10"},
		{"Mozilla/5.0", "Unknown Browser on an Unknown OS"},

		// Nothing that the client made up comes through.
		{"curl/<b>8</b>", "curl on an Unknown OS"},
		{"curl/8\u202e.4", "curl on an Unknown OS"},
		{"curl/123456.0", "curl on an Unknown OS"},
		{"curl/\u0668.4", "curl on an Unknown OS"},
		{"curl/", "curl on an Unknown OS"},
		{"Firefox/119.0 on your mother's phone", "Firefox v119 on an Unknown OS"},
		{"Mozilla/5.0 (Linux; Android <script>) Chrome/119.0.0.0 Mobile Safari/537.36", "Chrome Mobile v119 on Android"},
		{"\xff\xfe\x00", "Unknown Browser on an Unknown OS"},
		{"curl/8.4.0 " + strings.Repeat("(", 100_000), "curl v8 on an Unknown OS"},
		{strings.Repeat("x", maxUserAgent) + " curl/8.4.0", "Unknown Browser on an Unknown OS"},
	}
	for _, tt := range tests {
		if got := userAgentName(tt.ua); got != tt.want {
			t.Errorf("userAgentName(%.200q)\n got %q\nwant %q", tt.ua, got, tt.want)
		}
	}
}

// FuzzUserAgentName checks that no text of the client's gets into a name.
func FuzzUserAgentName(f *testing.F) {
	for _, ua := range []string{
		"", "curl/8.4.0", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/119.0.0.0 Safari/537.36",
		"Mozilla/5.0 (Linux; Android 13; Pixel 7) Chrome/119.0.0.0 Mobile Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) Version/17.1 Safari/604.1",
		"[(;:/ http://+https:// Linux 1", "XiaoMi/MiuiBrowser/17.1",
	} {
		f.Add(ua)
	}

	clients := []string{regexp.QuoteMeta(unknownClient)}
	for _, names := range clientNames {
		clients = append(clients, regexp.QuoteMeta(names.desktop))
		if names.handheld != "" {
			clients = append(clients, regexp.QuoteMeta(names.handheld))
		}
	}
	systems := []string{
		regexp.QuoteMeta(unknownOS), "Windows", "Windows Phone", "Android", "iOS", "iPadOS", "HarmonyOS",
		"BlackBerry", "Mac", "Chrome OS",
	}
	for _, mark := range osMarks {
		systems = append(systems, regexp.QuoteMeta(mark.name))
	}
	const version = `( v[0-9]{1,5})?`
	valid := regexp.MustCompile(`\A(` + strings.Join(clients, "|") + `)` + version +
		` on (` + strings.Join(systems, "|") + `)` + version + `\z`)

	f.Fuzz(func(t *testing.T, ua string) {
		if name := userAgentName(ua); !valid.MatchString(name) {
			t.Errorf("userAgentName(%q) = %q", ua, name)
		}
	})
}
