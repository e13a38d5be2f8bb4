-- Sends each request with the next line of a file of header lines and reports
-- as one line of JSON. Run as: wrk -s wrk.lua URL -- FILE OFFSET THREADS
--
-- Requests are formatted once, before the load begins: what wrk does for each
-- one then costs the same for every server. There is no response() on purpose,
-- it would make wrk hand every answer to Lua and halve the load it can give.

local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

local requests = {}
local at = 0

function init(args)
  for line in io.lines(args[1]) do
    local name, value = line:match("^([^:]+): (.*)$")
    requests[#requests + 1] = wrk.format("GET", nil, { [name] = value, Host = wrk.headers["Host"] })
  end
  -- Each thread has a part of the lines of its own to begin with, and goes on
  -- where a run that sent OFFSET requests in all has left off.
  local offset, threads = tonumber(args[2]), tonumber(args[3])
  at = math.floor(offset / threads + id * #requests / threads) % #requests
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'RESULT {"requests":%d,"micros":%d,"p50":%d,"p99":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.status, e.connect, e.read, e.write, e.timeout))
end
