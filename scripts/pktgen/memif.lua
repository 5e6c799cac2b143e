-- SPDX-License-Identifier: Apache-2.0
-- Pktgen-DPDK and Weir on one machine, two memif pairs (memif.sh starts both).
local here = arg and arg[0] and arg[0]:match("^(.*/)") or os.getenv("WEIR_PKTGEN_DIR") .. "/"

settings = {
	name = "memif",
	send = "0", receive = "1",	 -- ports of Pktgen
	weir_mac = os.getenv("WEIR_MAC") or "02:00:00:00:00:01", -- memif has no filter: any will do
	vip = "203.0.113.10", port = 80, protocol = "tcp",
	clients = "10.64.0.0", client_port = 40000,
	size = 64,			 -- with FCS
	flows = { 1, 16384, 1048576 },
	loss = 0.001,			 -- on a shared machine a process is away now and then
	trial_s = tonumber(os.getenv("WEIR_TRIAL_S") or 2),
	settle_ms = 500,
	resolution = 1,			 -- percent of the link
	report = os.getenv("WEIR_REPORT") or "memif.txt",
}
dofile(here .. "rfc2544.lua")
