local names = {}
for i = 0, 999 do names[i] = "host-" .. i .. ".example.org" end
local t = {}
local size = 0
for i = 0, 3999999 do
  local n = names[(i * 7) % 1000]
  if t[n] == nil then t[n] = 0; size = size + 1 end
  t[n] = t[n] + 1
end
print(size, t["host-7.example.org"])
