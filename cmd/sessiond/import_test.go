package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sessiond/sessiond/redisstore"
)

// importedHash is of "secret", with the cost that the older system used.
const importedHash = "$2b$15$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"

// account is a good line with the members given, or others in their place.
func account(id int, name string, more string) string {
	return fmt.Sprintf(`{"id":"%013d","username":"%s","password":"%s"%s}`, id, name, importedHash, more)
}

func TestImport(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	far := time.Now().Add(time.Hour).Unix()
	file := filepath.Join(t.TempDir(), "users.jsonl")
	text := "\ufeff" + account(1700000000001, "Alice", "") + "\r\n \n\n" +
		account(1700000000002, "bob", fmt.Sprintf(`, "staff":true, "bannedAt":"2024-02-03T04:05:06.789+01:00", "createdAt":"2023-01-02T03:04:05Z",
			"sessions":[{"iat":1690000000,"exp":%d,"name":" a\u202e\tb "},{"iat":1690000001,"exp":%d},{"iat":1690000002,"exp":1690000003,"name":"x"}]`, far, far)) // No line break at the end.
	text = strings.ReplaceAll(text, "\n\t\t\t", "")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := sh.ok("users", "import", file); got != "2 created, 0 updated, 0 bad, 2 sessions taken over\n" {
		t.Errorf("users import: %q", got)
	}
	want := []redisstore.User{
		{ID: "1700000000001", Username: "Alice", PasswordHash: importedHash, CreatedAt: time.UnixMilli(1700000000001)},
		{
			ID: "1700000000002", Username: "bob", PasswordHash: importedHash, Staff: true,
			BannedAt: time.Date(2024, 2, 3, 3, 5, 6, 789e6, time.UTC), CreatedAt: time.Date(2023, 1, 2, 3, 4, 5, 0, time.UTC),
		},
	}
	for _, user := range want {
		if diff := cmp.Diff(user, sh.user(user.Username)); diff != "" {
			t.Errorf("account (-want +got):\n%s", diff)
		}
	}
	sessions, err := sh.store.Sessions(t.Context(), "1700000000002")
	if err != nil {
		t.Fatal(err)
	}
	wantSessions := []redisstore.SessionName{{ID: "1690000001", Name: unnamedSession}, {ID: "1690000000", Name: "ab"}}
	if diff := cmp.Diff(wantSessions, sessions); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}

	// Run again, it leaves sessions alone.
	sh.ok("sessions", "end", "bob", "1690000001")
	if got := sh.okWith(text, "users", "import", "-"); got != "0 created, 2 updated, 0 bad, 0 sessions taken over\n" {
		t.Errorf("users import again: %q", got)
	}
	sh.fails(`no session "1690000001"`, "sessions", "end", "bob", "1690000001")
}

func TestImportBadLines(t *testing.T) {
	t.Parallel()
	const (
		wantID   = "id: want 13 digits in quotes"
		wantHash = "password: want a bcrypt hash"
		wantTime = "want a time in RFC 3339, as in 2023-11-14T22:13:20Z"
		wantSecs = "want Unix seconds, a whole number of up to 10 digits"
	)
	members := func(id, username, password string) string {
		return fmt.Sprintf(`{"id":%s,"username":%s,"password":%s}`, id, username, password)
	}
	quoted := `"` + importedHash + `"`
	session := func(text string) string { return account(1700000000009, "x", `,"sessions":[`+text+`]`) }
	tests := []struct{ line, reason string }{
		{`x`, "not one JSON object"},
		{`null`, "not one JSON object"},
		{`[]`, "not one JSON object"},
		{`{} {}`, "not one JSON object"},
		{account(1700000000009, "x", "")[:40], "not one JSON object"},
		{account(1700000000009, "x\xff", ""), "invalid Unicode in JSON"},
		{account(1700000000009, `x\ud800`, ""), "invalid Unicode in JSON"},
		{account(1700000000009, "x", `,"id":"1700000000001"`), "repeated name in JSON object"},
		{account(1700000000009, "x", `,"bannedat":null`), `unknown member "bannedat"; want only id, username, password, staff, bannedAt, createdAt, sessions`},
		{account(1700000000009, "x", `,"\u001b[2J":1`), `unknown member "\x1b[2J"; want only id, username, password, staff, bannedAt, createdAt, sessions`},
		{`{"username":"x","password":` + quoted + `}`, "id: missing"},
		{members(`1700000000009`, `"x"`, quoted), wantID},
		{members(`"170000000009"`, `"x"`, quoted), wantID},
		{members(`"17000000000099"`, `"x"`, quoted), wantID},
		{members(`null`, `"x"`, quoted), wantID},
		{`{"id":"1700000000009","password":` + quoted + `}`, "username: missing"},
		{members(`"1700000000009"`, `7`, quoted), "username: want text"},
		{members(`"1700000000009"`, `" x"`, quoted), "username: " + redisstore.ErrUsernameInvalid.Error()},
		{members(`"1700000000009"`, `"1700000000001"`, quoted), "username: " + redisstore.ErrUsernameInvalid.Error()},
		{`{"id":"1700000000009","username":"x"}`, "password: missing"},
		{members(`"1700000000009"`, `"x"`, `"plain text"`), wantHash},
		{members(`"1700000000009"`, `"x"`, `null`), wantHash},
		{account(1700000000009, "x", `,"staff":1`), "staff: want true or false"},
		{account(1700000000009, "x", `,"staff":null`), "staff: want true or false"},
		{account(1700000000009, "x", `,"bannedAt":1700000000`), "bannedAt: " + wantTime},
		{account(1700000000009, "x", `,"bannedAt":""`), "bannedAt: " + wantTime},
		{account(1700000000009, "x", `,"bannedAt":false`), "bannedAt: " + wantTime},
		// The zero time would read as no ban at all.
		{account(1700000000009, "x", `,"bannedAt":"0001-01-01T00:00:00Z"`), "bannedAt: " + wantTime},
		{account(1700000000009, "x", `,"createdAt":"2023-11-14"`), "createdAt: " + wantTime},
		{account(1700000000009, "x", `,"sessions":null`), "sessions: want a list"},
		{account(1700000000009, "x", `,"sessions":{}`), "sessions: want a list"},
		{session(`7`), "sessions: number 1: not one JSON object"},
		{session(`{"iat":1690000000,"exp":1690000001},{"exp":1690000001}`), "sessions: number 2: iat: missing"},
		{session(`{"iat":1690000000}`), "sessions: number 1: exp: missing"},
		{session(`{"iat":1690000000123,"exp":1690000001}`), "sessions: number 1: iat: " + wantSecs},
		{session(`{"iat":169000000,"exp":1690000001}`), "sessions: number 1: iat: want Unix seconds in 10 digits"},
		{session(`{"iat":"1690000000","exp":1690000001}`), "sessions: number 1: iat: " + wantSecs},
		{session(`{"iat":1690000000,"exp":1690000001.5}`), "sessions: number 1: exp: " + wantSecs},
		{session(`{"iat":1690000000,"exp":-1}`), "sessions: number 1: exp: " + wantSecs},
		{session(`{"iat":1690000000,"exp":9e18}`), "sessions: number 1: exp: " + wantSecs},
		{session(`{"iat":1690000000,"exp":9223372036854775807}`), "sessions: number 1: exp: " + wantSecs},
		{session(`{"iat":1690000000,"exp":1690000001,"name":null}`), "sessions: number 1: name: want text"},
		{session(`{"iat":1690000000,"exp":1690000001,"id":"x"}`), `sessions: number 1: unknown member "id"; want only iat, exp, name`},
		{session(`{"iat":1690000000,"iat":1690000000,"exp":1690000001}`), "sessions: number 1: repeated name in JSON object"},
		{account(1700000000009, "x", `,"createdAt":"`+strings.Repeat("x", maxImportLine)+`"`), "over 1 MiB long"},
		{strings.Repeat(" ", maxImportLine+100), "over 1 MiB long"},
	}
	sh := newShell(t)
	// Each bad line has a good one before and behind it.
	var text, want strings.Builder
	for i, tt := range tests {
		text.WriteString(account(1700000100000+i, fmt.Sprintf("good %d", i), "") + "\n" + tt.line + "\n")
		fmt.Fprintf(&want, "line %d: %s\n", 2*i+2, tt.reason)
	}
	fmt.Fprintf(&want, "sessiond: %d bad lines left out\n", len(tests))
	text.WriteString(account(1700000200000, "last", ""))
	got := sessiond(t, sh.environ, text.String(), "users", "import", "-")
	summary := fmt.Sprintf("%d created, 0 updated, %d bad, 0 sessions taken over\n", len(tests)+1, len(tests))
	if diff := cmp.Diff(result{stdout: summary, stderr: want.String(), code: exitError}, got, cmp.AllowUnexported(result{})); diff != "" {
		t.Errorf("users import (-want +got):\n%s", diff)
	}
	if strings.Contains(got.stderr, importedHash[7:]) || strings.Contains(got.stderr, "plain text") {
		t.Error("a password is told")
	}
	if got := strings.Count(sh.ok("users", "list"), "\n"); got != len(tests)+1 {
		t.Errorf("%d users, want %d", got, len(tests)+1)
	}
	sh.fails(`no user "1700000000009"`, "users", "show", "1700000000009")
}

// Later lines see what earlier ones did, in one batch or not.
func TestImportOrder(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	sh.add("taken")
	sh.okWith(account(1700000000001, "first", "")+"\n"+account(1700000000002, "second", ""), "users", "import", "-")
	lines := []string{
		account(1700000000003, "Ann", ""),
		account(1700000000004, "ann", ""),              // Another's name.
		account(1700000000003, "Ann", `,"staff":true`), // The same account, again.
		account(1700000000005, "TAKEN", ""),            // Taken before the import.
		account(1700000000001, "third", ""),            // Gives up a name that
		account(1700000000002, "first", ""),            // this one takes,
		account(1700000000006, "second", ""),           // and so on.
	}
	got := sessiond(t, sh.environ, strings.Join(lines, "\n"), "users", "import", "-")
	want := result{
		stdout: "2 created, 3 updated, 2 bad, 0 sessions taken over\n",
		stderr: "line 2: user name is taken\nline 4: user name is taken\nsessiond: 2 bad lines left out\n",
		code:   exitError,
	}
	if got != want {
		t.Errorf("users import: %+v\nwant %+v", got, want)
	}
	if user := sh.user("ann"); user.ID != "1700000000003" || !user.Staff {
		t.Errorf("ann is %+v", user)
	}
	for name, id := range map[string]string{"third": "1700000000001", "first": "1700000000002", "second": "1700000000006"} {
		if got := sh.user(name).ID; got != id {
			t.Errorf("%s is %s, want %s", name, got, id)
		}
	}
}

func TestImportDropsOldSessions(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	sh.environ = append(sh.environ, "SESSIOND_SESSIONS_MAX_PER_USER=2")
	line := account(1700000000001, "alice", fmt.Sprintf(
		`,"sessions":[{"iat":1690000000,"exp":%[1]d},{"iat":1690000001,"exp":%[1]d},{"iat":1690000002,"exp":%[1]d}]`, time.Now().Add(time.Hour).Unix()))
	got := sessiond(t, sh.environ, line, "users", "import", "-")
	want := result{
		stdout: "1 created, 0 updated, 0 bad, 2 sessions taken over\n",
		stderr: "line 1: 1 older session left out, more than sessions.max_per_user\n",
	}
	if got != want {
		t.Errorf("users import: %+v\nwant %+v", got, want)
	}
}

// TestImportMany is long enough for many batches.
func TestImportMany(t *testing.T) {
	t.Parallel()
	const users = 5000
	sh := newShell(t)
	far := time.Now().Add(time.Hour).Unix()
	var text strings.Builder
	for i := range users {
		text.WriteString(account(1700000000000+i, fmt.Sprintf("user %d", i), fmt.Sprintf(`,"sessions":[{"iat":1690000000,"exp":%d,"name":"x"}]`, far)) + "\n")
	}
	want := fmt.Sprintf("%d created, 0 updated, 0 bad, %d sessions taken over\n", users, users)
	if got := sh.okWith(text.String(), "users", "import", "-"); got != want {
		t.Errorf("users import: %q, want %q", got, want)
	}
	if got := strings.Count(sh.ok("users", "list"), "\n"); got != users {
		t.Errorf("%d users, want %d", got, users)
	}
}

func TestImportUnreadable(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	directory := t.TempDir()
	missing := filepath.Join(directory, "missing")
	sh.fails("import: open "+missing+": no such file or directory", "users", "import", missing)
	sh.fails("import: "+directory+" is a directory", "users", "import", directory)
	if got := sh.ok("users", "import", os.DevNull); got != "0 created, 0 updated, 0 bad, 0 sessions taken over\n" {
		t.Errorf("users import of nothing: %q", got)
	}
}

// TestImportStopsWithoutRedis has Redis go away when the input has come to its
// middle.
func TestImportStopsWithoutRedis(t *testing.T) {
	t.Parallel()
	sh := newShell(t)
	text := func(from, to int) string {
		var lines strings.Builder
		for i := from; i < to; i++ {
			lines.WriteString(account(1700000000000+i, fmt.Sprintf("user %d", i), "") + "\n")
		}
		return lines.String()
	}
	const half = 2 * importBatchUsers
	stdin := io.MultiReader(
		strings.NewReader(text(0, half+1)),
		readerFunc(func([]byte) (int, error) { sh.server.Kill(); return 0, io.EOF }),
		strings.NewReader(text(half+1, 3*half)))
	var stdout, stderr strings.Builder
	code := report(&stderr, run(t.Context(), []string{"users", "import", "-"}, sh.environ, stdin, &stdout, &stderr))
	if code != exitError || stdout.String() != fmt.Sprintf("%d created, 0 updated, 0 bad, 0 sessions taken over\n", half) {
		t.Errorf("exit code %d, stdout %q", code, stdout.String())
	}
	for _, part := range []string{fmt.Sprintf("sessiond: line %d: ", half+1), "sessiond: stopped early: run it again"} {
		if !strings.Contains(stderr.String(), part) {
			t.Errorf("stderr %q lacks %q", stderr.String(), part)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLineReader(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", maxImportLine)
	broken := errors.New("broken")
	tests := map[string]struct {
		text string
		want []string
	}{
		"empty":            {"", nil},
		"one":              {"a", []string{"a"}},
		"breaks":           {"a\nb\r\n\n c \n", []string{"a", "b", "", "c"}},
		"mark":             {"\ufeffa\n\ufeffb", []string{"a", "\ufeffb"}},
		"mark alone":       {"\ufeff", []string{""}},
		"longest":          {longest + "\r\n" + longest, []string{longest, longest}},
		"too long":         {"a\n" + longest + "x\nb\n" + longest + longest + longest, []string{"a", "error", "b", "error"}},
		"other whitespace": {"\u00a0a\u2003\n", []string{"\u00a0a\u2003"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, reader := range []io.Reader{strings.NewReader(tt.text), iotest.HalfReader(strings.NewReader(tt.text)), iotest.DataErrReader(strings.NewReader(tt.text))} {
				lines := newLineReader(reader)
				var got []string
				for {
					line, err := lines.next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil {
						line = []byte("error")
					}
					got = append(got, string(line))
					if lines.number != len(got) {
						t.Errorf("line %d has number %d", len(got), lines.number)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("lines (-want +got):\n%.1000s", diff)
				}
				if cap(lines.line) > 2*maxImportLine {
					t.Errorf("%d bytes are held", cap(lines.line))
				}
			}
		})
	}
	lines := newLineReader(io.MultiReader(bufio.NewReader(strings.NewReader("a\nb")), iotest.ErrReader(broken)))
	if line, err := lines.next(); string(line) != "a" || err != nil {
		t.Errorf("next = %q, %v", line, err)
	}
	if line, err := lines.next(); line != nil || !errors.Is(err, broken) {
		t.Errorf("next = %q, %v; want %v", line, err, broken)
	}
}
