// The tests that drive the page in a browser are a module of their own, so that
// the product's go.mod lists only what the product uses.
module github.com/sessiond/sessiond/handlers/page/browsertest

go 1.26.0

require (
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
)

require github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
