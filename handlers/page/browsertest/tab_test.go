package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a tab with the page. It is used as a person would use it: what to
// click is told by its role and name, as a screen reader tells them, and clicked
// with a mouse or reached with keys.
type tab struct {
	t    *testing.T
	site *site
	ctx  context.Context

	mu         sync.Mutex
	complaints []string
}

// open opens the page in a browser context without a past.
func open(t *testing.T, s *site) *tab {
	t.Helper()
	return openIn(browser, t, s, chromedp.WithNewBrowserContext())
}

// another opens the page in one more tab beside this one.
func (b *tab) another() *tab {
	b.t.Helper()
	return openIn(b.ctx, b.t, b.site)
}

func openIn(parent context.Context, t *testing.T, s *site, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{t: t, site: s}
	ctx, cancel := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.listen))...)
	ctx, cancelLate := context.WithTimeout(ctx, 3*patience)
	b.ctx = ctx
	t.Cleanup(func() {
		b.finish()
		cancelLate()
		cancel()
	})
	b.must(chromedp.Do(ctx))
	// Chromium's own checks: a blocked script or a field without a label is an issue.
	_, err := chromedp.Call(ctx, audits.Enable, cdp.Empty{})
	b.must(err)
	b.must(chromedp.Do(ctx, chromedp.EmulateViewport(1000, 800)))
	b.must(chromedp.Do(ctx, chromedp.Navigate(s.url+"/sessions")))
	return b
}

// listen collects what the browser complains about: exceptions, messages on the
// console, violations of the policy, issues.
func (b *tab) listen(event any) {
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		details, _ := json.Marshal(event.ExceptionDetails)
		b.complain("exception: " + string(details))
	case *runtime.EventConsoleAPICalled:
		text, _ := json.Marshal(event.Args)
		b.complain("console: " + string(text))
	case *log.EventEntryAdded:
		// The API's refusals are what tests ask for.
		if event.Entry.Source == log.EntrySourceNetwork && strings.Contains(event.Entry.URL, "/api/") {
			return
		}
		b.complain(fmt.Sprintf("%s: %s (%s)", event.Entry.Source, event.Entry.Text, event.Entry.URL))
	case *audits.EventIssueAdded:
		details, _ := json.Marshal(event.Issue.Details)
		b.complain(fmt.Sprintf("issue %s: %s", event.Issue.Code, details))
	}
}

func (b *tab) complain(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complaints = append(b.complaints, text)
}

func (b *tab) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, complaint := range b.complaints {
		b.t.Errorf("the browser complains: %s", complaint)
	}
	if b.t.Failed() {
		b.screenshot("failed")
	}
}

// screenshot keeps a picture with the test's artifacts.
func (b *tab) screenshot(name string) {
	b.t.Helper()
	picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		path := filepath.Join(b.t.ArtifactDir(), name+".png")
		if err = os.WriteFile(path, picture, 0o600); err == nil {
			b.t.Logf("screenshot: %s", path)
		}
	}
	if err != nil {
		b.t.Logf("no screenshot: %v", err)
	}
}

func (b *tab) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// evaluate runs a script in the page; it must give a T.
func evaluate[T any](b *tab, script string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%v in %.300s", err, script)
	}
	return value
}

// eventually waits until a condition holds.
func (b *tab) eventually(what string, holds func() bool) {
	b.t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-deadline:
			b.t.Fatalf("never: %s\nThe page has:\n%s", what, b.visible())
		case <-ticker.C:
		}
	}
}

// visible is the text that the page shows.
func (b *tab) visible() string {
	b.t.Helper()
	return evaluate[string](b, `document.body.innerText`)
}

// shows waits for a text.
func (b *tab) shows(text string) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("the page shows %q", text), func() bool { return strings.Contains(b.visible(), text) })
}

func (b *tab) showsNot(text string) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("the page no longer shows %q", text), func() bool { return !strings.Contains(b.visible(), text) })
}

// nodes are what assistive technology finds under a role and a name.
func (b *tab) nodes(role, name string) []*accessibility.Node {
	b.t.Helper()
	root, err := chromedp.Call(b.ctx, dom.GetDocument, dom.GetDocumentParams{})
	b.must(err)
	tree, err := chromedp.Call(b.ctx, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{
		BackendNodeID: root.Root.BackendNodeID, Role: role, AccessibleName: name,
	})
	b.must(err)
	var found []*accessibility.Node
	for _, node := range tree.Nodes {
		if !node.Ignored {
			found = append(found, node)
		}
	}
	return found
}

// find waits for the one element with a role and a name.
func (b *tab) find(role, name string) *accessibility.Node {
	b.t.Helper()
	var found []*accessibility.Node
	b.eventually(fmt.Sprintf("there is one %s %q", role, name), func() bool {
		found = b.nodes(role, name)
		return len(found) == 1
	})
	return found[0]
}

func (b *tab) has(role, name string) bool {
	b.t.Helper()
	return len(b.nodes(role, name)) > 0
}

// click clicks with the mouse in the middle of an element, where something else
// may lie on top of it.
func (b *tab) click(role, name string) {
	b.t.Helper()
	id := b.find(role, name).BackendDOMNodeID
	_, err := chromedp.Call(b.ctx, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: id})
	b.must(err)
	quads, err := chromedp.Call(b.ctx, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: id})
	b.must(err)
	if len(quads.Quads) == 0 {
		b.t.Fatalf("%s %q has no place", role, name)
	}
	quad := quads.Quads[0]
	b.must(chromedp.Do(b.ctx, chromedp.MouseClickXY((quad[0]+quad[4])/2, (quad[1]+quad[5])/2)))
}

// enter replaces what a field holds.
func (b *tab) enter(field, text string) {
	b.t.Helper()
	b.click("textbox", field)
	evaluate[bool](b, `(document.activeElement.select(), true)`)
	if text == "" {
		b.key("\b")
		return
	}
	b.write(text)
}

// write puts text into the field that has the focus, as a keyboard or an input
// method does.
func (b *tab) write(text string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, input.InsertText, input.InsertTextParams{Text: text})
	b.must(err)
}

func (b *tab) key(key string, modifiers ...chromedp.Modifier) {
	b.t.Helper()
	b.must(chromedp.Do(b.ctx, chromedp.KeyEvent(key, chromedp.KeyModifiers(modifiers...))))
}

// focused is the role and name of what has the focus.
func (b *tab) focused() string {
	b.t.Helper()
	object, err := chromedp.Run(b.ctx, chromedp.Evaluate[*runtime.RemoteObject](`document.activeElement`))
	b.must(err)
	tree, err := chromedp.Call(b.ctx, accessibility.GetPartialAXTree, accessibility.GetPartialAXTreeParams{ObjectID: object.ObjectID})
	b.must(err)
	return textOf(tree.Nodes[0].Role) + " " + textOf(tree.Nodes[0].Name)
}

func (b *tab) focuses(want string) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("%q has the focus", want), func() bool { return b.focused() == want })
}

// tabTo presses Tab until an element has the focus; once around the page is
// not enough.
func (b *tab) tabTo(want string) {
	b.t.Helper()
	var passed []string
	for range 60 {
		if b.focused() == want {
			return
		}
		b.key("\t")
		passed = append(passed, b.focused())
	}
	b.t.Fatalf("Tab never reaches %q, but %q", want, passed)
}

func textOf(value *accessibility.Value) string {
	var text string
	if value != nil {
		_ = json.Unmarshal(value.Value, &text) // What is no text has none.
	}
	return text
}

// logIn logs the site's account in, and waits for its list.
func (b *tab) logIn() {
	b.t.Helper()
	b.enter("Username", b.site.username)
	b.enter("Password", password)
	b.click("button", "Log in")
	b.find("button", "Log out")
	b.shows("This session")
}

// token is what the page keeps.
func (b *tab) token() string {
	b.t.Helper()
	return evaluate[string](b, `JSON.parse(sessionStorage.getItem('sessiond')).token`)
}
