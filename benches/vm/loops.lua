local sum = 0
for i = 0, 6999 do
  for j = 0, 6999 do
    if j == i then sum = sum + 1 end
  end
end
print(sum)
