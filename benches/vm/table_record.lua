-- Records are no keys by value in Lua: a text made of the fields stands for them.
local t, n = {}, 0
local h = "10.1.2.3"
for i = 0, 999999 do
  local r = { host = h, port = i % 1000 }
  local k = r.host .. ":" .. r.port
  if t[k] then t[k] = t[k] + 1 else t[k] = 1; n = n + 1 end
end
print(n, t["10.1.2.3:7"])
