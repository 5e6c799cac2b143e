-- SPDX-License-Identifier: Apache-2.0
-- Pktgen-DPDK on one machine, Weir on another, two links between them:
--
--   Pktgen port 0 ----> Weir [port in]     Weir [port out] ----> Pktgen port 1
local here = arg and arg[0] and arg[0]:match("^(.*/)") or os.getenv("WEIR_PKTGEN_DIR") .. "/"

settings = {
	name = "nics",
	send = "0", receive = "1",	 -- ports of Pktgen
	weir_mac = os.getenv("WEIR_MAC") or error("WEIR_MAC: the MAC of Weir's [port in]"),
	vip = "203.0.113.10", port = 80, protocol = "tcp",
	clients = "10.64.0.0", client_port = 40000,
	size = tonumber(os.getenv("WEIR_SIZE") or 64), -- with FCS
	flows = { 1, 16384, 1048576 },
	loss = 0,
	trial_s = tonumber(os.getenv("WEIR_TRIAL_S") or 60), -- RFC 2544, section 24
	settle_ms = 2000,		 -- section 23
	resolution = 0.1,		 -- percent of the link
	report = os.getenv("WEIR_REPORT") or "nics.txt",
}
dofile(here .. "rfc2544.lua")
