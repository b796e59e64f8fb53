-- What Lua brings: tables, closures, metatables, string patterns, integer and float arithmetic, its garbage collector.
local Vector = {}
Vector.__index = Vector
Vector.__add = function(a, b) return setmetatable({ x = a.x + b.x, y = a.y + b.y }, Vector) end
Vector.__tostring = function(v) return "(" .. v.x .. ", " .. v.y .. ")" end

local sum = setmetatable({ x = 0, y = 0 }, Vector)
for i = 1, 50000 do sum = sum + setmetatable({ x = i, y = i / 2 }, Vector) end
print(sum, _VERSION)

local function counter()
    local n = 0
    return function() n = n + 1; return n end
end
local a, b = counter(), counter()
a(); a()
print(a(), b())

local words = {}
for word in ("the Arctic tern sees the most light of all; the tern goes far"):gmatch("%a+") do
    words[word] = (words[word] or 0) + 1
end
local order = {}
for word in pairs(words) do order[#order + 1] = word end
table.sort(order, function(x, y) return words[x] > words[y] or (words[x] == words[y] and x < y) end)
print(table.concat(order, " ", 1, 5), #order)

print(7 // 2, -7 // 2, 7 % -3, 7.5 // 2, 1 / 0, -1 / 0, math.maxinteger + 1 == math.mininteger, 3 | 4, ~0 >> 60)
print(string.format("%5.2f|%-6s|%06d|%x|%q", math.pi, "ab", 42, 255, "a\nb"), ("x"):rep(3, "-"), ("hello"):gsub("l", "L"))
print(utf8.len("größer"), #"größer", utf8.char(8734))

local function queens(n)
    local count, columns, up, down = 0, {}, {}, {}
    local function place(row)
        if row > n then count = count + 1 return end
        for c = 1, n do
            if not (columns[c] or up[row + c] or down[row - c]) then
                columns[c], up[row + c], down[row - c] = true, true, true
                place(row + 1)
                columns[c], up[row + c], down[row - c] = nil, nil, nil
            end
        end
    end
    place(1)
    return count
end
print(queens(6), queens(7))
collectgarbage()
print(select("#", table.unpack({ 1, 2, nil, 4 }, 1, 4)), math.type(2^31), math.tointeger(8.0))
