package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

func (b *tab) reload() error {
	return chromedp.Do(b.ctx, chromedp.Reload())
}

func TestTokenEndsWithTheTab(t *testing.T) {
	t.Parallel()
	b := open(t, newSite(t))
	b.logIn()
	token := b.token()
	places := evaluate[string](b, `JSON.stringify([localStorage, location.href, history.state, window.name, document.documentElement.outerHTML])`)
	if strings.Contains(places, token) {
		t.Errorf("the token is in %s", places)
	}
	cookies, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{})
	b.must(err)
	if len(cookies.Cookies) != 0 {
		t.Errorf("the page has %d cookies", len(cookies.Cookies))
	}
	if databases := evaluate[int](b, `indexedDB.databases().then((all) => all.length)`); databases != 0 {
		t.Errorf("the page made %d databases", databases)
	}
	if kept := evaluate[int](b, `caches.keys().then((all) => all.length)`); kept != 0 {
		t.Errorf("the page made %d caches", kept)
	}

	b.must(b.reload())
	b.shows("This session")
	if b.token() != token {
		t.Error("the token is another one after a reload")
	}

	other := b.another()
	other.find("button", "Log in")
	if kept := evaluate[int](other, `sessionStorage.length + localStorage.length`); kept != 0 {
		t.Errorf("another tab has %d items stored", kept)
	}
}

// TestPasswordIsForgotten: what was typed is gone from the page once it is used.
func TestPasswordIsForgotten(t *testing.T) {
	t.Parallel()
	b := open(t, newSite(t))
	b.logIn()
	if typed := evaluate[string](b, `document.getElementById('password').value + document.getElementById('username').value`); typed != "" {
		t.Errorf("the form still holds %q", typed)
	}
}

// TestHostileNames gives sessions names and user agents that are markup, that
// turn the direction of text, or that never end.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const markup = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`
	s.login(markup, `"><svg/onload=document.title='owned'>`)
	s.login("שלום (admin)", "Mozilla/5.0 (Mobile)")
	s.login(strings.Repeat("W", 256), strings.Repeat("m", 256))
	b := open(t, s)
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(320, 640)))
	b.logIn()
	b.find("heading", markup)
	b.fits()
	b.screenshot("hostile")

	b.click("button", "Rename "+markup)
	b.click("button", "Cancel")
	b.click("button", "End "+markup)
	b.shows("“" + markup + "”")
	b.fits()
	b.click("button", "End session")
	b.shows("“" + markup + "” has ended.")
	if got := evaluate[string](b, `document.title`); got != "Where you’re logged in" {
		t.Errorf("title %q", got)
	}
	if foreign := evaluate[int](b, `document.querySelectorAll('img, main script').length`); foreign != 0 {
		t.Errorf("%d elements came from names", foreign)
	}
	if direction := evaluate[string](b, `getComputedStyle([...document.querySelectorAll('.name')].find((name) => name.textContent.includes('שלום'))).direction`); direction != "rtl" {
		t.Errorf("a Hebrew name runs %s", direction)
	}
}

// fits fails where the page has to be scrolled sideways.
func (b *tab) fits() {
	b.t.Helper()
	size := evaluate[[]int](b, `[document.documentElement.scrollWidth, document.documentElement.clientWidth]`)
	if size[0] > size[1] {
		b.t.Errorf("the page is %d px wide in a window of %d", size[0], size[1])
	}
}
