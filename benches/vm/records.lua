local function update(c, n)
  c.bytes = c.bytes + n
  c.packets = c.packets + 1
  if c.id.orig_p == c.id.resp_p then c.bytes = 0 end
end
local total = 0
for i = 0, 99999 do
  local c = { id = { orig_p = i, resp_p = 80 }, bytes = 0, packets = 0 }
  for j = 0, 39 do update(c, j) end
  total = total + c.bytes + c.packets
end
print(total)
