local t, order, first, last = {}, {}, 1, 0
local expired, now = 0, 0
local function gone(t, k) expired = expired + 1; return 0 end
for round = 0, 199 do
  for i = 0, 4999 do
    local k = round * 5000 + i
    t[k] = { i, now }
    last = last + 1
    order[last] = k
  end
  now = now + 1
  while first <= last do
    local k = order[first]
    if t[k][2] + 5 >= now then break end
    if gone(t, k) <= 0 then t[k] = nil; order[first] = nil; first = first + 1 end
  end
end
now = now + 100
while first <= last do
  local k = order[first]
  if gone(t, k) <= 0 then t[k] = nil; order[first] = nil; first = first + 1 end
end
print(200, expired)
