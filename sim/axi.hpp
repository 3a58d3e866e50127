// SPDX-License-Identifier: Apache-2.0
// AXI4 pins of the Verilated design, as pointers into its top-level struct.
//
// The clock loop reads and writes the public members of the model directly. Data buses are byte pointers,
// since Verilator keeps a 64-bit port in a QData and a 128-bit port in a VlWide<4>, both little endian: one
// code path serves every width. IDs are left out: the design uses one ID per port, and it is 0.
#pragma once

#include <cstdint>

#include "verilated.h"

namespace peritus {

// AR and R of a master; the non-const ones are inputs of the design.
struct ReadPins {
  unsigned data_bytes;
  const QData *araddr;
  const CData *arlen, *arsize, *arburst, *arvalid;
  CData *arready;
  std::uint8_t *rdata;
  CData *rresp, *rlast, *rvalid;
  const CData *rready;
};

// AW, W and B of a master.
struct WritePins {
  unsigned data_bytes;
  const QData *awaddr;
  const CData *awlen, *awsize, *awburst, *awvalid;
  CData *awready;
  const std::uint8_t *wdata, *wstrb;
  const CData *wlast, *wvalid;
  CData *wready;
  CData *bresp, *bvalid;
  const CData *bready;
};

#define PERITUS_READ_PINS(top, m)                                                                          \
  peritus::ReadPins {                                                                                      \
    sizeof((top).m##_axi_rdata), &(top).m##_axi_araddr, &(top).m##_axi_arlen, &(top).m##_axi_arsize,       \
        &(top).m##_axi_arburst, &(top).m##_axi_arvalid, &(top).m##_axi_arready,                            \
        reinterpret_cast<std::uint8_t *>(&(top).m##_axi_rdata), &(top).m##_axi_rresp,                      \
        &(top).m##_axi_rlast, &(top).m##_axi_rvalid, &(top).m##_axi_rready                                 \
  }

#define PERITUS_WRITE_PINS(top, m)                                                                         \
  peritus::WritePins {                                                                                     \
    sizeof((top).m##_axi_wdata), &(top).m##_axi_awaddr, &(top).m##_axi_awlen, &(top).m##_axi_awsize,       \
        &(top).m##_axi_awburst, &(top).m##_axi_awvalid, &(top).m##_axi_awready,                            \
        reinterpret_cast<const std::uint8_t *>(&(top).m##_axi_wdata),                                      \
        reinterpret_cast<const std::uint8_t *>(&(top).m##_axi_wstrb), &(top).m##_axi_wlast,                \
        &(top).m##_axi_wvalid, &(top).m##_axi_wready, &(top).m##_axi_bresp, &(top).m##_axi_bvalid,         \
        &(top).m##_axi_bready                                                                              \
  }

enum AxiResponse : CData { RESP_OKAY = 0, RESP_SLVERR = 2 };
enum AxiBurst : CData { BURST_INCR = 1 };

// What an address channel carries.
struct Request {
  QData address;
  CData len, size, burst;

  unsigned beats() const { return len + 1u; }
  bool operator==(const Request &o) const {
    return address == o.address && len == o.len && size == o.size && burst == o.burst;
  }
};

}  // namespace peritus
