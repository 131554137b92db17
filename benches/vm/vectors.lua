local n = 2000000
local sieve = {}
for i = 0, n do sieve[i + 1] = true end
local i = 2
while i * i <= n do
  if sieve[i + 1] then
    local j = i * i
    while j <= n do sieve[j + 1] = false; j = j + i end
  end
  i = i + 1
end
local primes = {}
for i = 2, n do
  if sieve[i + 1] then primes[#primes + 1] = i end
end
local sum = 0
for r = 1, 20 do
  for k, p in ipairs(primes) do sum = sum + p end
end
print(#primes, sum)
