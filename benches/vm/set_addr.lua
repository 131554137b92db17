-- Lua has no addresses: their text is the key.
local hosts = {}
for i = 0, 4095 do
  local n = 167772160 + i * 3
  hosts[i] = (n >> 24) .. "." .. ((n >> 16) & 255) .. "." .. ((n >> 8) & 255) .. "." .. (n & 255)
end
local seen, hits, fresh = {}, {}, 0
for i = 0, 3999999 do
  local a = hosts[(i * 31) % 4096]
  if not seen[a] then
    seen[a] = true
    hits[a] = 0
    fresh = fresh + 1
  end
  hits[a] = hits[a] + 1
end
print(fresh, fresh, hits["10.0.0.0"])
