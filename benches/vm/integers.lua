local best, best_at = 0, 0
local i = 1
while i < 300000 do
  local n, len = i, 0
  while n ~= 1 do
    if n % 2 == 0 then n = n // 2 else n = 3 * n + 1 end
    len = len + 1
  end
  if len > best then best = len; best_at = i end
  i = i + 1
end
print(best, best_at)
