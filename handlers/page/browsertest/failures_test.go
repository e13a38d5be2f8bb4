package browsertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	b := open(t, newSite(t))
	b.enter("Username", b.site.username)
	b.enter("Password", "not it")
	b.click("button", "Log in")
	b.shows("Wrong username or password.")
	b.focuses("textbox Password")
	b.enter("Password", password)
	b.click("button", "Log in")
	b.find("button", "Log out")
}

// TestUnknownUser must look the same as a wrong password.
func TestUnknownUser(t *testing.T) {
	t.Parallel()
	b := open(t, newSite(t))
	b.enter("Username", "nobody-of-that-name")
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("Wrong username or password.")
}

func TestMissingFields(t *testing.T) {
	t.Parallel()
	b := open(t, newSite(t))
	b.click("button", "Log in")
	b.shows("Please enter your username.")
	b.shows("Please enter your password.")
	b.focuses("textbox Username")
	b.enter("Username", "ada")
	b.key("\r")
	b.showsNot("Please enter your username.")
	b.focuses("textbox Password")
}

func TestLogInTooOften(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	s.fail(http.MethodPost, "/login", http.StatusTooManyRequests, "RATELIMITED_ERROR", "Retry-After", "600")
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("Too many attempts.")
	b.shows("Try again in 600 seconds.")
	b.eventually("the seconds are counted", func() bool {
		ticking := evaluate[string](b, `document.querySelector('#login-error [aria-hidden]').textContent`)
		return ticking != "Try again in 600 seconds."
	})
	// Too early: the button would say "Logging in…" at once.
	b.click("button", "Log in")
	if !b.has("button", "Log in") {
		t.Error("an attempt before its time is made")
	}
	b.shows("Too many attempts.")
}

func TestLogInAfterTheLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	s.fail(http.MethodPost, "/login", http.StatusTooManyRequests, "RATELIMITED_ERROR", "Retry-After", "1")
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("You can try again now.")
	s.answer(nil)
	b.click("button", "Log in")
	b.find("button", "Log out")
}

func TestLogInBanned(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.command("users", "ban", s.username)
	b := open(t, s)
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("This account is banned.")
}

func TestLogInServerError(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	s.fail(http.MethodPost, "/login", http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("Something went wrong on the server.")
	s.answer(nil)
	b.click("button", "Try again")
	b.find("button", "Log out")
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	s.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/api") {
			return false
		}
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
		return true
	})
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("The server can’t be reached.")
}

func TestSlowLogIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	release := s.hold(http.MethodPost, "/login")
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("Logging in…")
	b.click("button", "Logging in…") // Impatience starts no second session.
	release()
	b.find("button", "Log out")
	b.shows("1 session\n")
}

func TestListLoads(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	release := s.hold(http.MethodGet, "/users/me/sessions")
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("Loading your sessions…")
	release()
	b.shows("This session")
	b.showsNot("Loading your sessions…")
}

// TestLateAnswer logs out while the list is on its way: what comes of it is no
// news any more, to the next login either.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	b.logIn()
	release := s.hold(http.MethodGet, "/users/me/sessions")
	b.must(b.reload())
	b.shows("Loading your sessions…")
	b.click("button", "Log out")
	b.shows("You’re logged out.")
	answered := fmt.Sprintf(`performance.getEntriesByType('resource').filter((e) => e.name.includes('full=true') && e.responseStatus === %d).length`, http.StatusUnauthorized)
	release()
	b.eventually("the list is answered", func() bool { return evaluate[int](b, answered) == 1 })
	b.shows("You’re logged out.")
	b.find("button", "Log in")
	b.logIn()
}

func TestListServerError(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	s.fail(http.MethodGet, "/users/me/sessions", http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("Something went wrong on the server.")
	s.answer(nil)
	b.click("button", "Try again")
	b.shows("This session")
	b.showsNot("Something went wrong on the server.")
}

func TestListTooOften(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	s.fail(http.MethodGet, "/users/me/sessions", http.StatusTooManyRequests, "RATELIMITED_ERROR", "Retry-After", "600")
	b.enter("Username", s.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.shows("Too many requests.")
	b.shows("Try again in 600 seconds.")
	s.fail(http.MethodGet, "/users/me/sessions", http.StatusTooManyRequests, "RATELIMITED_ERROR", "Retry-After", "1")
	b.must(b.reload())
	b.shows("You can try again now.")
	s.answer(nil)
	b.click("button", "Try again")
	b.shows("This session")
}

// TestActionsFail keeps each dialog open with what went wrong, and lets it be
// tried again.
func TestActionsFail(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := s.login("Old laptop", firefoxOnLinux)
	b := open(t, s)
	b.logIn()
	const wrong = "Something went wrong on the server."

	s.fail(http.MethodPut, "/users/me/sessions", http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	b.click("button", "Rename Old laptop")
	b.enter("Name", "Older laptop")
	b.click("button", "Save")
	b.shows(wrong)
	s.answer(nil)
	b.click("button", "Save")
	b.shows("Renamed to “Older laptop”.")

	s.fail(http.MethodDelete, "/users/me/sessions", http.StatusInternalServerError, "INTERNAL_SERVER_ERROR")
	b.click("button", "End all other sessions")
	b.click("button", "End others")
	b.shows(wrong)
	b.click("button", "Cancel")
	b.showsNot(wrong)
	b.click("button", "Log out")
	b.shows("You may still be logged in.")
	b.click("button", "End Older laptop")
	b.click("button", "End session")
	b.shows(wrong)
	if got := s.status(other.Token); got != http.StatusOK {
		t.Fatalf("what could not be ended is answered with %d", got)
	}
	s.answer(nil)
	b.click("button", "End session")
	b.shows("“Older laptop” has ended.")
}

func TestEndedElsewhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := s.login("Old laptop", firefoxOnLinux)
	b := open(t, s)
	b.logIn()
	var ended struct{ Count int }
	s.call(http.MethodDelete, "/users/me/sessions/all", other.Token, "", http.StatusOK, &ended)
	if ended.Count != 1 {
		t.Fatalf("%d sessions ended", ended.Count)
	}
	b.click("button", "Rename Old laptop")
	b.click("button", "Save")
	b.shows("This session was ended, so you’re logged out. Please log in again.")
	b.focuses("textbox Username")
	if evaluate[int](b, `document.querySelectorAll('dialog[open]').length`) != 0 {
		t.Error("the dialog is still open")
	}
	b.logIn()
	b.showsNot("This session was ended")
}

func TestBannedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	b.logIn()
	s.command("users", "ban", s.username)
	b.must(b.reload())
	b.shows("This account is banned.")
	b.find("button", "Log in")
}

func TestExpired(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := open(t, s)
	evaluate[bool](b, `(sessionStorage.setItem('sessiond', '{"token":"x","exp":1}'), true)`)
	b.must(b.reload())
	b.shows("Your session has expired. Please log in again.")
}
