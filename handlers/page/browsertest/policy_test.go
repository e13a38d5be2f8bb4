package browsertest

import (
	"slices"
	"strings"
	"testing"
)

// TestPolicyIsEnforced does what the page must never do. It shows that the
// browser refuses it, and that the other tests would fail for the attempt.
func TestPolicyIsEnforced(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, script, complaint string }{
		{"markup from text", `document.querySelector('main').innerHTML = '<img src=x>'`, "TrustedHTML"},
		{"an inline handler", `document.querySelector('main').setAttribute('onclick', 'document.title = "owned"')`, "TrustedScript"},
		{"an inline style", `document.head.append(Object.assign(document.createElement('style'), {textContent: 'main { display: none }'}))`, "style-src"},
		{"a request elsewhere", `fetch('http://127.0.0.1:1/').catch(() => {})`, "connect-src"},
		{"a picture from elsewhere", `document.querySelector('main').append(Object.assign(document.createElement('img'), {src: 'http://127.0.0.1:1/x.png'}))`, "img-src"},
		{"a form that leaves", `HTMLFormElement.prototype.submit.call(document.getElementById('login-form'))`, "form-action"},
		{"a message on the console", `console.log('debugging')`, "debugging"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := open(t, newSite(t))
			b.find("button", "Log in")
			evaluate[bool](b, `(() => { try { `+test.script+` } catch {} return true })()`)
			b.eventually("the browser complains of "+test.complaint, func() bool {
				b.mu.Lock()
				defer b.mu.Unlock()
				return strings.Contains(strings.Join(b.complaints, "\n"), test.complaint)
			})
			if !b.has("button", "Log in") {
				t.Error("it had an effect all the same")
			}
			b.forgive(test.complaint)
		})
	}
}

// forgive drops the complaints that a test has caused on purpose.
func (b *tab) forgive(about string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = slices.DeleteFunc(b.complaints, func(complaint string) bool {
		return strings.Contains(complaint, about) ||
			strings.Contains(complaint, "ContentSecurityPolicyIssue") ||
			strings.Contains(complaint, "Content Security Policy")
	})
}
