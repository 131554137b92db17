local t = {}
local n = 0
local x = 1
for i = 1, 3000000 do
  x = (x * 1103515245 + 12345) % 2147483648
  local k = x % 5000
  if t[k] then t[k] = t[k] + 1 else t[k] = 1; n = n + 1 end
end
local sum = 0
for k, v in pairs(t) do sum = sum + v end
print(n, sum)
