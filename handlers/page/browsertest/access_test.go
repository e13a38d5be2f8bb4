package browsertest

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestKeyboard does everything without a mouse.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := s.login("Lost phone", safariOnIPhone)
	s.login("Old laptop", firefoxOnLinux)
	b := open(t, s)

	b.focuses("textbox Username")
	b.write(s.username)
	b.key(kb.Tab)
	b.write(password)
	b.key(kb.Enter)
	b.shows("This session")
	b.focuses("heading Where you’re logged in")

	b.tabTo("button Rename Old laptop")
	b.key(kb.Enter)
	b.focuses("textbox Name")
	b.key(kb.Escape)
	b.focuses("button Rename Old laptop")
	b.key(" ")
	b.focuses("textbox Name")
	b.write("New laptop") // The old name is selected.
	b.key(kb.Enter)
	b.shows("Renamed to “New laptop”.")
	b.focuses("button Rename New laptop")

	b.tabTo("button End Lost phone")
	b.key(kb.Enter)
	b.focuses("button Cancel") // What destroys is not where Enter is.
	b.key(kb.Tab)
	b.focuses("button End session")
	b.key(kb.Tab, chromedp.ModifierShift)
	b.key(kb.Escape)
	b.focuses("button End Lost phone")
	b.key(kb.Enter)
	b.tabTo("button End session")
	b.key(kb.Enter)
	b.shows("“Lost phone” has ended.")
	if got := s.status(other.Token); got != http.StatusUnauthorized {
		t.Errorf("its token is answered with %d", got)
	}
	b.focuses("button End New laptop")

	b.tabTo("button End all other sessions")
	b.key(kb.Enter)
	b.tabTo("button End others")
	b.key(kb.Enter)
	b.shows("1 other session has ended.")
	b.tabTo("button Log out")
	b.key(kb.Enter)
	b.shows("You’re logged out.")
	b.focuses("textbox Username")
}

// TestFocusIsVisible looks at every stop of the Tab key.
func TestFocusIsVisible(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.login("Old laptop", firefoxOnLinux)
	b := open(t, s)
	outline := func() {
		t.Helper()
		for range 12 {
			b.key(kb.Tab)
			style := evaluate[string](b, `document.activeElement === document.body ? '3px' : getComputedStyle(document.activeElement).outlineWidth`)
			if style != "3px" {
				t.Errorf("%q has an outline of %s", b.focused(), style)
			}
		}
	}
	outline()
	b.logIn()
	outline()
}

// axe is the source of the accessibility checker.
var axe = sync.OnceValues(func() (string, error) {
	source, err := os.ReadFile(filepath.Join("node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		return "", fmt.Errorf("%w (`make test` installs it)", err)
	}
	return string(source), nil
})

// accessible fails for each rule of WCAG 2.2 AA, or of good practice, that the
// page breaks as it stands.
func (b *tab) accessible(state string) {
	b.t.Helper()
	source, err := axe()
	b.must(err)
	violations := evaluate[[]string](b, `(async () => {
		if (!window.axe) {
			`+source+`
		}
		// Colours are measured at rest.
		await Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations !== Infinity).map((a) => a.finished));
		const result = await axe.run(document, {resultTypes: ['violations', 'incomplete']});
		if (result.passes.length < 10) {
			return ['axe checked next to nothing'];
		}
		return result.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html + ' ' + n.failureSummary).join('; '));
	})()`)
	for _, violation := range violations {
		b.t.Errorf("%s: %s", state, violation)
	}
}

// bigEnough fails for controls that a finger misses.
func (b *tab) bigEnough(state string) {
	b.t.Helper()
	small := evaluate[[]string](b, `[...document.querySelectorAll('button, input, summary, .check')]
		.filter((e) => e.checkVisibility() && e.type !== 'checkbox' && e.getBoundingClientRect().height < 44)
		.map((e) => e.outerHTML + ' ' + e.getBoundingClientRect().height)`)
	if len(small) > 0 {
		b.t.Errorf("%s: less than 44 px high: %q", state, small)
	}
}

// look is how somebody looks at the page.
type look struct {
	name          string
	width, height int64
	dark, reduced bool
}

var looks = []look{
	{name: "desktop-light", width: 1000, height: 900},
	{name: "desktop-dark", width: 1000, height: 900, dark: true},
	{name: "phone-light", width: 320, height: 700, reduced: true},
	{name: "phone-dark", width: 390, height: 844, dark: true},
}

func (b *tab) emulate(l look) {
	b.t.Helper()
	scheme, motion := "light", "no-preference"
	if l.dark {
		scheme = "dark"
	}
	if l.reduced {
		motion = "reduce"
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "prefers-reduced-motion", Value: motion},
	}})
	b.must(err)
	b.must(chromedp.Do(b.ctx, chromedp.EmulateViewport(l.width, l.height)))
}

// TestEveryState brings the page into each state, in every look, and checks
// what holds for all of them. `go test -run EveryState -artifacts` keeps the
// pictures.
func TestEveryState(t *testing.T) {
	t.Parallel()
	for _, l := range looks {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			everyState(t, l)
		})
	}
}

func everyState(t *testing.T, l look) {
	s := newSite(t)
	b := open(t, s)
	b.emulate(l)
	number := 0
	check := func(state string) {
		t.Helper()
		number++
		b.accessible(state)
		b.bigEnough(state)
		b.fits()
		b.screenshot(fmt.Sprintf("%02d-%s", number, strings.ReplaceAll(state, " ", "-")))
	}
	logIn := func(password string) {
		t.Helper()
		b.enter("Username", s.username)
		b.enter("Password", password)
		b.click("button", "Log in")
	}

	check("login")
	if dark := evaluate[bool](b, `matchMedia('(prefers-color-scheme: dark)').matches && getComputedStyle(document.body).backgroundColor === 'rgb(18, 20, 26)'`); dark != l.dark {
		t.Errorf("dark: %v", dark)
	}
	b.click("button", "Log in")
	b.shows("Please enter your password.")
	check("login missing")
	logIn("not it")
	b.shows("Wrong username or password.")
	check("login wrong")
	s.fail(http.MethodPost, "/login", http.StatusTooManyRequests, "RATELIMITED_ERROR", "Retry-After", "42")
	logIn(password)
	b.shows("Too many attempts.")
	check("login limited")
	b.must(b.reload())

	release := s.hold(http.MethodGet, "/users/me/sessions")
	logIn(password)
	b.shows("Loading your sessions…")
	check("list loading")
	release()
	b.shows("You’re logged in nowhere else.")
	check("list alone")

	s.answer(nil)
	s.login("", firefoxOnLinux)
	s.login("Mum’s phone", safariOnIPhone)
	s.login("Backup job", curl)
	b.must(b.reload())
	b.shows("4 sessions")
	check("list")
	b.click("button", "Rename Backup job")
	check("rename")
	b.enter("Name", "")
	b.click("button", "Save")
	b.shows("Please enter a name.")
	check("rename empty")
	b.click("button", "Cancel")
	s.fail(http.MethodDelete, "/users/me/sessions", http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	b.click("button", "End Mum’s phone")
	check("end")
	b.click("button", "End session")
	b.shows("Something went wrong on the server.")
	check("end failed")
	s.answer(nil)
	b.click("button", "End session")
	b.shows("“Mum’s phone” has ended.")
	check("ended")
	b.click("button", "End all other sessions")
	check("end others")
	b.click("button", "Cancel")

	s.fail(http.MethodGet, "/users/me/sessions", http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	b.must(b.reload())
	b.shows("Something went wrong on the server.")
	check("list failed")
	s.answer(nil)
	s.command("sessions", "end", s.username, "--all")
	b.click("button", "Try again")
	b.shows("This session was ended")
	check("ended elsewhere")
}

// TestStructure holds the landmarks and the order of headings that a screen
// reader moves by.
func TestStructure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.login("Old laptop", firefoxOnLinux)
	b := open(t, s)
	b.find("banner", "")
	b.find("main", "")
	b.find("region", "Log in")
	b.logIn()
	b.find("region", "Where you’re logged in")
	b.find("list", "Where you’re logged in")
	if items := len(b.nodes("listitem", "")); items != 2 {
		t.Errorf("%d items in the list", items)
	}
	b.click("button", "End Old laptop")
	b.find("dialog", "End this session?")
	if b.has("button", "Log out") {
		t.Error("behind the dialog, buttons can still be reached")
	}
}
