local queue, head, tail = {}, 1, 0
local handlers = {}
local n, total = 0, 0
local function raise(name, ...)
  tail = tail + 1
  queue[tail] = { name, ... }
end
handlers.step = {
  function(i, s)
    n = n + 1
    total = total + i + #s
    if i < 2000000 then raise("step", i + 1, s) end
  end,
}
raise("step", 0, "payload")
while head <= tail do
  local e = queue[head]
  queue[head] = nil
  head = head + 1
  for _, h in ipairs(handlers[e[1]]) do h(e[2], e[3]) end
end
print(n, total)
