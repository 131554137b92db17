local total = 0
local parts = { "alpha", "beta", "gamma", "delta" }
for i = 0, 2999999 do
  local s = parts[i % 4 + 1] .. "-" .. parts[(i + 1) % 4 + 1] .. "/"
  total = total + #s
end
for r = 1, 200 do
  local grow = ""
  for i = 1, 2000 do grow = grow .. "xy" end
  total = total + #grow
end
print(total)
