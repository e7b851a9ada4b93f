-- wrk -t1 ... -s ocsp.lua URL -- BEGIN [REQUEST [VALUES]]: GET, or POST of the file REQUEST. VALUES is a file of
-- serials or nonces of 16 octets: each request gets another one, in place of its last 16 octets, round and round from
-- BEGIN (0 to 1) of it, so that none comes again before all others have.
local function read(path)
    local file = assert(io.open(path, "rb"))
    local content = file:read("*a")
    file:close()
    return content
end

local function vary(values, begin)
    local head = wrk.format():sub(1, -17) -- made once: building headers is dear
    local count = #values / 16
    local at = math.floor(begin * count)
    function request()
        at = (at + 1) % count
        local octet = 16 * at
        return head .. values:sub(octet + 1, octet + 16)
    end
end

function init(args)
    if not args[2] then
        return
    end
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/ocsp-request"
    wrk.body = read(args[2])
    if args[3] then
        vary(read(args[3]), tonumber(args[1]))
    end
end

-- The last line that wrk prints: requests, requests/s, p50 and p99 in µs, octets an answer, errors.
function done(summary, latency)
    local errors = summary.errors
    print(string.format("%d %f %d %d %f %d", summary.requests, summary.requests * 1e6 / summary.duration,
        latency:percentile(50), latency:percentile(99), summary.bytes / summary.requests,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
