local function adder(n) return function(x) return x + n end end
local sum = 0
for i = 0, 299999 do
  local f = adder(i % 7)
  for j = 1, 10 do sum = f(sum) % 1000003 end
end
print(sum)
