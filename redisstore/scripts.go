package redisstore

import (
	"context"
	"embed"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua lua/shared/*.lua
var luaFiles embed.FS

var (
	createSessionScript   = mustScript("create_session", "generation", "trail")
	listSessionsScript    = mustScript("list_sessions", "generation")
	endSessionsScript     = mustScript("end_sessions", "generation", "trail")
	endAllSessionsScript  = mustScript("end_all_sessions", "generation", "trail")
	endEveryoneScript     = mustScript("end_everyone")
	sweepSessionScript    = mustScript("sweep_session", "generation", "trail")
	touchSessionScript    = mustScript("touch_session")
	renameSessionScript   = mustScript("rename_session", "generation")
	createUserScript      = mustScript("create_user")
	changeUserScript      = mustScript("change_user")
	setPasswordScript     = mustScript("set_password", "generation", "trail")
	banUserScript         = mustScript("ban_user", "generation", "trail")
	removeUserScript      = mustScript("remove_user", "generation", "trail")
	importUserScript      = mustScript("import_user", "generation")
	claimUsernameScript   = mustScript("claim_username")
	confirmUsernameScript = mustScript("confirm_username")
	releaseUsernameScript = mustScript("release_username")
	mendSessionScript     = mustScript("mend_session")
	fenceScript           = mustScript("fence")
)

// script is a Lua script and its SHA-1, by which Redis knows it once it has run.
// https://redis.io/docs/latest/commands/evalsha/
type script struct {
	source, digest string
}

// mustScript returns a script behind the functions of shared files. It panics
// where the program was built without a file: no input can bring that about.
func mustScript(name string, shared ...string) script {
	var source strings.Builder
	files := make([]string, 0, len(shared)+1)
	for _, file := range shared {
		files = append(files, "shared/"+file)
	}
	for _, file := range append(files, name) {
		text, err := luaFiles.ReadFile("lua/" + file + ".lua")
		if err != nil {
			panic(err) //nolint:forbidigo // See above.
		}
		source.Write(text)
	}
	return script{source: source.String(), digest: redis.NewScript(source.String()).Hash()}
}

// run runs a script by its digest and sends it whole where Redis does not know
// it (any more), so that SCRIPT FLUSH and a restart go unnoticed. It sends again
// what Redis refused to run at the moment, and never what may have run.
func (s *Store) run(ctx context.Context, script script, keys []string, args ...any) *redis.Cmd {
	for attempt := 0; ; attempt++ {
		cmd := evalOnce(ctx, s.rdb, "evalsha", script.digest, keys, args)
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			cmd = evalOnce(ctx, s.rdb, "eval", script.source, keys, args)
		}
		if !refusedForNow(cmd.Err()) || !pause(ctx, attempt) {
			return cmd
		}
	}
}

// runner is run or runReplicated.
type runner func(ctx context.Context, script script, keys []string, args ...any) *redis.Cmd

// settle runs a script whose keys depend on what the user's index holds, until
// they suffice: the script replies 'retry' and the index members where they do
// not, having changed nothing. It begins with those that are known already, if
// any. It returns the reply without its first word, and that word.
func (s *Store) settle(ctx context.Context, run runner, script script, known []string, build func(known []string) (keys []string, args []any)) (string, []string, error) {
	for {
		keys, args := build(known)
		reply, err := run(ctx, script, keys, args...).StringSlice()
		if err != nil {
			return "", nil, err
		}
		if len(reply) == 0 {
			return "", nil, fmt.Errorf("empty reply of a script")
		}
		if reply[0] != "retry" {
			return reply[0], reply[1:], nil
		}
		known = reply[1:]
	}
}

// appendArgs adds texts to a script's arguments.
func appendArgs(args []any, texts []string) []any {
	for _, text := range texts {
		args = append(args, text)
	}
	return args
}

// scriptCall is one script of a batch.
type scriptCall struct {
	script script
	keys   []string
	args   []any
}

// runAll runs scripts in one round trip and returns their replies in order.
// Those that Redis does not know run again one by one: inside a pipeline
// nothing falls back on the source by itself.
func (s *Store) runAll(ctx context.Context, calls []scriptCall) []*redis.Cmd {
	replies := make([]*redis.Cmd, len(calls))
	pipe := s.rdb.Pipeline()
	for i, call := range calls {
		replies[i] = newEval(ctx, "evalsha", call.script.digest, call.keys, call.args)
		_ = pipe.Process(ctx, once{replies[i]})
	}
	// Each reply carries its own error, that of a lost connection too.
	_, _ = pipe.Exec(ctx)
	for i, call := range calls {
		if err := replies[i].Err(); redis.HasErrorPrefix(err, "NOSCRIPT") || refusedForNow(err) {
			replies[i] = s.run(ctx, call.script, call.keys, call.args...)
		}
	}
	return replies
}
