-- wrk -t1 ... -s revoke.lua URL -- FILE BEGIN: revokes the serials of FILE, one a line, from line BEGIN on, each once.
local serials, at = {}, 0

function init(args)
    for serial in io.lines(args[1]) do
        serials[#serials + 1] = serial
    end
    at = tonumber(args[2])
    wrk.method = "POST"
    wrk.body = '{"reason":"superseded"}'
end

function request()
    at = at + 1
    return wrk.format(nil, wrk.path .. "/" .. assert(serials[at], "no more serials") .. "/revoke")
end

-- The last line that wrk prints: requests, requests/s, p50 and p99 in µs, errors.
function done(summary, latency)
    local errors = summary.errors
    print(string.format("%d %f %d %d %d", summary.requests, summary.requests * 1e6 / summary.duration,
        latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
