-- SPDX-License-Identifier: Apache-2.0
--
-- For Pktgen-DPDK 23.03: the highest rate that Weir forwards (RFC 2544, section 26.1),
-- and the latency at 50 % and 90 % of it (section 26.2), for each number of flows.
--
-- nics.lua and memif.lua set what differs and then run this file; docs/benchmark.md
-- says how to start it and how to read it. Progress goes to the screen, a line a
-- result to `s.report`.

local s = settings

local function round(x, step) return math.floor(x / step + 0.5) * step end

-- The same value in every packet of a range field, or `count` values one after another.
local function field(name, start, inc, last)
	pktgen.range[name](s.send, "start", start)
	pktgen.range[name](s.send, "inc", inc)
	pktgen.range[name](s.send, "min", start)
	pktgen.range[name](s.send, "max", last)
end

-- The n-th address behind "a.b.c.d".
local function address(first, n)
	local a, b, c, d = first:match("(%d+)%.(%d+)%.(%d+)%.(%d+)")
	local value = ((a * 256 + b) * 256 + c) * 256 + d + n

	return string.format("%d.%d.%d.%d", value // 16777216 % 256, value // 65536 % 256,
			     value // 256 % 256, value % 256)
end

-- A flow is a client: addresses follow each other, the port is the same.
local function traffic(flows)
	local one = flows == 1

	pktgen.set_proto(s.send, s.protocol)
	pktgen.range.ip_proto(s.send, s.protocol)
	field("dst_mac", s.weir_mac, "00:00:00:00:00:00", s.weir_mac)
	field("src_ip", s.clients, one and "0.0.0.0" or "0.0.0.1", address(s.clients, flows - 1))
	field("dst_ip", s.vip, "0.0.0.0", s.vip)
	field("src_port", s.client_port, 0, s.client_port)
	field("dst_port", s.port, 0, s.port)
	field("pkt_size", s.size, 0, s.size)
	pktgen.set_range(s.send, "on")

	-- the packets that measure latency are made from these
	pktgen.set_mac(s.send, "dst", s.weir_mac)
	pktgen.set_ipaddr(s.send, "src", s.clients .. "/24")
	pktgen.set_ipaddr(s.send, "dst", s.vip)
	pktgen.set(s.send, "sport", s.client_port)
	pktgen.set(s.send, "dport", s.port)
	pktgen.set(s.send, "size", s.size)
	pktgen.set(s.send, "count", 0)
end

local function counters(port)
	return pktgen.portStats(port, "port")[tonumber(port)]
end

-- Send at `rate` percent of the link's speed for `seconds`.
-- Returns packets sent, received, and packets a second received.
local function trial(rate, seconds)
	local sent, got

	pktgen.stop(s.send)
	pktgen.clr()
	pktgen.set(s.send, "rate", rate)
	pktgen.delay(200)
	pktgen.start(s.send)
	pktgen.delay(math.floor(seconds * 1000))
	pktgen.stop(s.send)
	pktgen.delay(s.settle_ms)
	sent = counters(s.send).opackets
	got = counters(s.receive).ipackets
	print(string.format("  rate %6.2f %%: sent %d, received %d, lost %.4f %%", rate, sent, got,
			    sent > 0 and (sent - got) * 100 / sent or 0))
	return sent, got, got / seconds
end

-- What the generator itself cannot send is no fault of the one under test: the rate that
-- counts is the one that left.
local function search()
	local low, high, best = 0, 100, nil
	local rate = 100

	while high - low > s.resolution do
		local sent, got, pps = trial(rate, s.trial_s)

		if sent > 0 and (sent - got) / sent <= s.loss then
			low, best = rate, { rate = rate, pps = pps, loss = (sent - got) / sent }
		else
			high = rate
		end
		if rate == 100 and low == 100 then
			break
		end
		rate = round((low + high) / 2, 0.01)
	end
	return best
end

-- The mean is on Pktgen's latency page alone; scripts get the least and the most.
local function latency(rate)
	local l

	pktgen.latency(s.send, "enable")
	pktgen.latency(s.receive, "enable")
	trial(rate, s.trial_s)
	l = pktgen.pktStats(s.receive)[tonumber(s.receive)].latency
	pktgen.latency(s.send, "disable")
	pktgen.latency(s.receive, "disable")
	return l
end

local function report(line)
	local f = assert(io.open(s.report, "a"))

	print(line)
	f:write(line, "\n")
	f:close()
end

pktgen.screen("off")
os.remove(s.report)
report(string.format("# %s: loss at most %g %%, trials of %g s, %d-byte frames to %s port %d", s.name,
		     s.loss * 100, s.trial_s, s.size, s.vip, s.port))
report("# flows  Mpps  loss %  % of the link   latency us at 50 %: least/most   at 90 %")
for _, flows in ipairs(s.flows) do
	local best

	print(string.format("%d flows", flows))
	traffic(flows)
	best = search()
	if best == nil then
		report(string.format("%d  no rate is forwarded with so little loss", flows))
	else
		local half, most = latency(best.rate * 0.5), latency(best.rate * 0.9)

		report(string.format("%d  %.3f  %.4f  %.2f   %.1f/%.1f   %.1f/%.1f", flows,
				     best.pps / 1e6, best.loss * 100, best.rate, half.min_us,
				     half.max_us, most.min_us, most.max_us))
	end
end
pktgen.quit()
