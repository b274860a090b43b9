-- Drives POST /chat as customers do: many conversations at once, the messages of each in their order.
-- Arguments: a file with a conversation a line (JSON strings between tabs), a prefix for conversation ids, how many run at once.
local headers = { ["Content-Type"] = "application/json" }
local conversations, open, waits = {}, {}, {}
local place, begun = 0, 0
local worker
statuses, served = {}, {} -- global, or `done` could not read them

function setup(thread) worker = thread end

function init(arguments)
   for line in io.lines(arguments[1]) do
      local texts = {}
      for text in line:gmatch("[^\t]+") do texts[#texts + 1] = text end
      conversations[#conversations + 1] = texts
   end
   prefix, width = arguments[2], tonumber(arguments[3])
end

function request()
   place = place % width + 1
   local it = open[place]
   if it == nil or it.said == #it.texts then
      begun = begun + 1
      it = { name = prefix .. begun, texts = conversations[(begun - 1) % #conversations + 1], said = 0 }
      open[place] = it
   end
   it.said = it.said + 1
   local body = '{"conversation_id": "' .. it.name .. '", "text": ' .. it.texts[it.said] .. "}"
   return wrk.format("POST", "/chat", headers, body)
end

-- Who is told to come back later does, as many clients as were told to, if not the very same ones.
function delay()
   return table.remove(waits) or 0
end

function response(status, fields, body)
   local name = tostring(status)
   statuses[name] = (statuses[name] or 0) + 1
   if status == 200 then
      served[#served + 1] = tonumber(body:match('"latency_ms":%s*([%d.]+)'))
   else
      local wait = tonumber(fields["Retry-After"] or fields["retry-after"])
      if wait then waits[#waits + 1] = wait * 1000 end
   end
end

function done(summary, latency, _)
   local counts, times, errors = {}, worker:get("served"), summary.errors
   for status, count in pairs(worker:get("statuses")) do counts[#counts + 1] = string.format('"%s": %d', status, count) end
   table.sort(times)
   io.write(string.format(
      '{"seconds": %f, "p50": %f, "p95": %f, "p99": %f, "served_p99": %f, "lost": %d, "statuses": {%s}}\n',
      summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
      times[math.ceil(#times * 0.99)] or 0, errors.connect + errors.read + errors.write + errors.timeout, table.concat(counts, ", ")
   ))
end
