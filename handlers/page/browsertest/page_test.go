package browsertest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	firefoxOnLinux = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safariOnIPhone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
	curl           = "curl/8.14.1"
)

func TestLogIn(t *testing.T) {
	t.Parallel()
	b := open(t, newSite(t))
	b.focuses("textbox Username")
	b.logIn()
	b.focuses("heading Where you’re logged in")
	b.shows("1 session\n")
	b.shows("You’re logged in nowhere else.")
	if b.has("button", "End all other sessions") {
		t.Error("there is a button to end all others, of which there are none")
	}
	if got := evaluate[string](b, `document.title`); got != "Where you’re logged in" {
		t.Errorf("title %q", got)
	}
}

func TestLogInNamesTheSession(t *testing.T) {
	t.Parallel()
	b := open(t, newSite(t))
	b.click("DisclosureTriangle", "Name this session")
	b.enter("Session name (optional)", "Küche 台所 🍳")
	b.click("checkbox", "Remember me")
	b.logIn()
	b.find("heading", "Küche 台所 🍳")
	// Ten years from now.
	if expires := evaluate[string](b, `document.querySelector('.expires time').dateTime`); expires < "2030" {
		t.Errorf("a session that is remembered expires %s", expires)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.login("", firefoxOnLinux)
	s.login("Backup job", curl)
	b := open(t, s)
	b.logIn()
	b.shows("3 sessions")
	b.find("heading", "Firefox v140 on GNU/Linux")
	// The API keeps the beginning.
	b.shows(firefoxOnLinux[:40])
	b.shows("127.0.0.1")
	b.find("heading", "Backup job")

	marked := evaluate[[]string](b, `[...document.querySelectorAll('li')].filter((li) => li.innerText.includes('This session')).map((li) => li.id)`)
	var current string
	for _, listed := range s.sessions(b.token()) {
		if listed.Current {
			current = "session-" + listed.ID.String()
		}
	}
	if len(marked) != 1 || marked[0] != current {
		t.Errorf("marked as this session: %q, it is %s", marked, current)
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := s.login("Old laptop", firefoxOnLinux)
	b := open(t, s)
	b.logIn()

	b.click("button", "Rename Old laptop")
	b.focuses("textbox Name")
	b.enter("Name", "   ")
	b.click("button", "Save")
	b.shows("Please enter a name.")
	b.enter("Name", "Kitchen laptop")
	b.click("button", "Save")
	b.shows("Renamed to “Kitchen laptop”.")
	b.focuses("button Rename Kitchen laptop")

	names := []string{}
	for _, listed := range s.sessions(other.Token) {
		names = append(names, listed.Name)
	}
	if !slices.Contains(names, "Kitchen laptop") || slices.Contains(names, "Old laptop") {
		t.Errorf("the API has the names %q", names)
	}
}

func TestEndOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other, kept := s.login("Lost phone", safariOnIPhone), s.login("Desktop", firefoxOnLinux)
	b := open(t, s)
	b.logIn()

	b.click("button", "End Lost phone")
	b.shows("“Lost phone” is logged out at once")
	b.click("button", "Cancel")
	b.focuses("button End Lost phone")
	if got := s.status(other.Token); got != http.StatusOK {
		t.Fatalf("after Cancel its token is answered with %d", got)
	}

	b.click("button", "End Lost phone")
	b.click("button", "End session")
	b.shows("“Lost phone” has ended.")
	if got := s.status(other.Token); got != http.StatusUnauthorized {
		t.Errorf("its token is answered with %d", got)
	}
	if got := s.status(kept.Token); got != http.StatusOK {
		t.Errorf("the token of another session is answered with %d", got)
	}
	b.shows("2 sessions")
	if b.has("heading", "Lost phone") {
		t.Error("it is still in the list")
	}
	// Below it there was nothing.
	b.focuses("button End Desktop")
}

// TestEndWhatHasEnded ends a session that ended by itself: that is what was
// asked for.
func TestEndWhatHasEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := s.login("Lost phone", safariOnIPhone)
	b := open(t, s)
	b.logIn()
	b.click("button", "End Lost phone")
	var gone struct{ Code string }
	s.call(http.MethodDelete, "/users/me/sessions/me", other.Token, "", http.StatusOK, &gone)
	b.click("button", "End session")
	b.shows("“Lost phone” has ended.")
	b.shows("You’re logged in nowhere else.")
}

func TestEndAllOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	one, two := s.login("One", firefoxOnLinux), s.login("Two", safariOnIPhone)
	b := open(t, s)
	b.logIn()
	b.click("button", "End all other sessions")
	b.shows("2 other sessions are logged out at once.")
	b.click("button", "End others")
	b.shows("2 other sessions have ended.")
	b.shows("You’re logged in nowhere else.")
	b.focuses("heading Where you’re logged in")
	for _, token := range []string{one.Token, two.Token} {
		if got := s.status(token); got != http.StatusUnauthorized {
			t.Errorf("another's token is answered with %d", got)
		}
	}
	if got := s.status(b.token()); got != http.StatusOK {
		t.Errorf("this one's token is answered with %d", got)
	}
}

func TestLogOut(t *testing.T) {
	t.Parallel()
	b := open(t, newSite(t))
	b.logIn()
	token := b.token()
	b.click("button", "Log out")
	b.shows("You’re logged out.")
	b.focuses("textbox Username")
	if got := b.site.status(token); got != http.StatusUnauthorized {
		t.Errorf("the token is answered with %d", got)
	}
	if left := evaluate[int](b, `sessionStorage.length`); left != 0 {
		t.Errorf("sessionStorage still holds %d items", left)
	}
	if text := evaluate[string](b, `document.getElementById('list').textContent`); text != "" {
		t.Errorf("the list still holds %q", text)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range 60 {
		s.login("Script", curl)
	}
	s.login("Newest script", curl)
	b := open(t, s)
	b.logIn()
	b.shows("1–50 of 62")
	if rows := evaluate[int](b, `document.querySelectorAll('#list > li').length`); rows != 50 {
		t.Errorf("%d rows on the first page", rows)
	}
	b.click("button", "Older")
	b.shows("51–62 of 62")
	b.focuses("heading Where you’re logged in")
	if rows := evaluate[int](b, `document.querySelectorAll('#list > li').length`); rows != 12 {
		t.Errorf("%d rows on the second page", rows)
	}
	if strings.Contains(b.visible(), "Newest script") {
		t.Error("the newest is among the oldest")
	}
	b.click("button", "Newer")
	b.shows("1–50 of 62")
	b.click("button", "Older")
	b.shows("51–62 of 62")
	b.click("button", "End all other sessions")
	b.click("button", "End others")
	b.shows("61 other sessions have ended.")
	b.shows("1 session\n")
}
