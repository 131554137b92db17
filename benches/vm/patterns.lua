local lines = { "GET /index.html HTTP/1.1", "POST /login.php?user=admin HTTP/1.0",
  "HEAD /robots.txt HTTP/1.1", "nothing of interest here" }
local found = 0
for i = 0, 999999 do
  local l = lines[i % 4 + 1]
  if string.find(l, "[a-z]+%.php%?") then found = found + 1 end
  if string.find(l, "HTTP/1%.[01]$") then found = found + 1 end
end
print(found)
