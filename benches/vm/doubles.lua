local inside = 0
for py = 0, 299 do
  local y0 = py / 150.0 - 1.0
  for px = 0, 299 do
    local x0 = px / 100.0 - 2.0
    local x, y, k = 0.0, 0.0, 0
    while k < 200 and x * x + y * y < 4.0 do
      local t = x * x - y * y + x0
      y = 2.0 * x * y + y0
      x = t
      k = k + 1
    end
    if k == 200 then inside = inside + 1 end
  end
end
print(inside)
