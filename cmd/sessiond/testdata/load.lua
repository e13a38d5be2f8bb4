-- The load of the rolling restarts: wrk … -- TOKEN [LOGIN]
--
-- Reads the session of TOKEN. With LOGIN, the body of one, it logs in as well, on
-- every tenth request, and ends each such session once: a deletion that was
-- repeated on the way would be answered with 401.

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  token, login = args[1], args[2]
  turn, logins, ended, sessions = 0, 0, 0, {}
end

-- Every request has a connection of its own where writes are among them, since
-- nginx closes kept ones at a reload.
local function format(method, path, headers, content)
  if login then
    headers["Connection"] = "close"
  end
  return wrk.format(method, path, headers, content)
end

function request()
  turn = turn + 1
  if login and turn % 10 == 0 then
    return format("POST", "/api/login", {}, login)
  end
  if turn % 10 == 5 and #sessions > 0 then
    return format("DELETE", "/api/users/me/sessions/me", { Authorization = table.remove(sessions) })
  end
  return format("GET", "/api/users/me/sessions/me", { Authorization = token })
end

function response(status, _, text)
  if status == 201 then
    logins = logins + 1
    sessions[#sessions + 1] = text:match('"token":"([^"]+)"')
  elseif text:find("DELETE_SESSION_SUCCESS", 1, true) then
    ended = ended + 1
  end
end

function done(summary)
  local all = { logins = 0, ended = 0 }
  for _, thread in ipairs(threads) do
    all.logins = all.logins + thread:get("logins")
    all.ended = all.ended + thread:get("ended")
  end
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"failed":%d,"logins":%d,"ended":%d}\n',
    summary.requests, e.connect + e.read + e.write + e.timeout + e.status, all.logins, all.ended))
end
