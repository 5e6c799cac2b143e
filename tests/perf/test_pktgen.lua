#!/usr/bin/env lua5.3
-- SPDX-License-Identifier: Apache-2.0
--
-- scripts/pktgen's search (RFC 2544) against a stand-in for Pktgen-DPDK: a link, and
-- behind it something that forwards so many packets a second. Prints "ok NAME" or
-- "FAIL NAME: reason" a test.

local root = arg[0]:match("^(.*/)") .. "../../"
local LINK_PPS = 10000000 -- at 100 %

-- dut: { pps = what it can forward, loses = the share of it that it loses at any rate }
-- Returns what was asked of Pktgen, and the lines of the report.
local function run(script, dut)
	local asked = { trials = {}, latency_rates = {}, clients = {} }
	local rate, running, sent_us, latency = 0, false, 0, false
	local path = os.tmpname()
	local lines = {}

	local function sent() return math.floor(LINK_PPS * rate / 100 * sent_us / 1000000) end
	local function received()
		local most = math.floor(dut.pps * sent_us / 1000000)

		return math.floor(math.min(sent(), most) * (1 - dut.loses))
	end

	local function none() end
	local actions = {
		stop = function() running = false end,
		start = function()
			running = true
			table.insert(latency and asked.latency_rates or asked.trials, rate)
		end,
		clr = function() sent_us = 0 end,
		delay = function(ms) if running then sent_us = sent_us + ms * 1000 end end,
		set = function(_, what, value) if what == "rate" then rate = value end end,
		portStats = function(port)
			local n = tonumber(port)

			return { [n] = { opackets = n == 0 and sent() or 0, ipackets = n == 1 and received() or 0 } }
		end,
		pktStats = function(port) return { [tonumber(port)] = { latency = { min_us = 1, max_us = 2 } } } end,
		latency = function(_, state) latency = state == "enable" end,
		quit = function() asked.quit = true end,
		range = setmetatable({
			src_ip = function(_, what, value)
				if what == "max" then table.insert(asked.clients, value) end
			end,
		}, { __index = function() return none end }),
	}
	pktgen = setmetatable(actions, { __index = function() return none end })

	local environment = { WEIR_PKTGEN_DIR = root .. "scripts/pktgen", WEIR_REPORT = path,
			      WEIR_MAC = "02:00:00:00:00:01", WEIR_TRIAL_S = "2" }
	local getenv, print_, arg_ = os.getenv, print, arg

	os.getenv, print, arg = function(name) return environment[name] end, none, nil
	local ran, why = pcall(dofile, root .. "scripts/pktgen/" .. script)
	os.getenv, print, arg = getenv, print_, arg_
	assert(ran, why)

	for line in io.lines(path) do
		if not line:match("^#") then table.insert(lines, line) end
	end
	os.remove(path)
	return asked, lines
end

-- The third and the fourth column: loss, and percent of the link.
local function found(line)
	local _, _, loss, percent = line:match("^(%d+)  ([%d.]+)  ([%d.]+)  ([%d.]+) ")

	assert(percent, "no result: " .. line)
	return tonumber(loss), tonumber(percent)
end

local function assert_equal(what, got, want)
	assert(got == want, string.format("%s: %s, wanted %s", what, got, want))
end

local function assert_between(what, got, least, most)
	assert(got >= least and got <= most, string.format("%s: %s, wanted %s to %s", what, got, least, most))
end

local tests = {
	{ "memif_finds_the_rate_within_a_percent_of_the_link", function()
		local _, lines = run("memif.lua", { pps = 3700000, loses = 0 })
		local _, percent = found(lines[1])

		assert_equal("results", #lines, 3)
		assert_between("percent of the link", percent, 36, 37.04)
	end },
	{ "nics_finds_it_within_a_tenth", function()
		local loss, percent = found(select(2, run("nics.lua", { pps = 3700000, loses = 0 }))[1])

		assert_equal("loss", loss, 0)
		assert_between("percent of the link", percent, 36.9, 37)
	end },
	{ "a_thousandth_may_be_lost_over_memif", function()
		local _, lines = run("memif.lua", { pps = 3700000, loses = 0.0009 })

		assert_between("percent of the link", select(2, found(lines[1])), 36, 37.04)
	end },
	{ "and_no_more", function()
		local _, lines = run("memif.lua", { pps = 3700000, loses = 0.0011 })

		assert_equal("result", lines[1], "1  no rate is forwarded with so little loss")
	end },
	{ "none_may_be_lost_on_nics", function()
		local _, lines = run("nics.lua", { pps = 3700000, loses = 1e-9 })

		assert_equal("result", lines[1], "1  no rate is forwarded with so little loss")
	end },
	{ "all_of_the_link_needs_one_trial", function()
		local asked, lines = run("nics.lua", { pps = LINK_PPS, loses = 0 })

		assert_equal("percent of the link", select(2, found(lines[1])), 100)
		assert_equal("trials", #asked.trials, 3)
	end },
	{ "latency_is_measured_at_50_and_90_percent_of_it", function()
		local asked, lines = run("memif.lua", { pps = 3700000, loses = 0 })
		local _, percent = found(lines[1])

		assert_equal("trials with latency", #asked.latency_rates, 6)
		assert_between("first rate", asked.latency_rates[1], percent * 0.5 - 0.01, percent * 0.5 + 0.01)
		assert_between("second rate", asked.latency_rates[2], percent * 0.9 - 0.01, percent * 0.9 + 0.01)
	end },
	{ "flows_are_1_and_16384_and_1048576_clients", function()
		local asked = run("memif.lua", { pps = LINK_PPS, loses = 0 })

		assert_equal("last clients", table.concat(asked.clients, " "), "10.64.0.0 10.64.63.255 10.79.255.255")
	end },
	{ "pktgen_is_told_to_end", function()
		assert_equal("quit", run("memif.lua", { pps = LINK_PPS, loses = 0 }).quit, true)
	end },
}

local failed = false

for _, test in ipairs(tests) do
	local ok, why = pcall(test[2])

	print(ok and "ok " .. test[1] or "FAIL " .. test[1] .. ": " .. tostring(why))
	failed = failed or not ok
end
os.exit(not failed)
