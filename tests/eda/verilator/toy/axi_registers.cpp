// SPDX-License-Identifier: Apache-2.0
// Writes a value to register 1 and reads it back: one write and one read on the Verilated model.

#include <cstdint>
#include <memory>

#include "Vtop.h"
#include "verilated.h"
#if VM_TRACE_FST
#include "verilated_fst_c.h"
#endif

namespace {
class Bench {
public:
    explicit Bench(const char* wave_file) {
#if VM_TRACE_FST
        context_.traceEverOn(true);
        top_.trace(&trace_, 99);
        trace_.open(wave_file);
#endif
    }

    void cycle() {
        for (const int level : {0, 1}) {
            top_.clk_i = level;
            top_.eval();
#if VM_TRACE_FST
            trace_.dump(context_.time());
#endif
            context_.timeInc(5);
        }
    }

    uint32_t write_read(uint32_t value) {
        cycle();
        top_.rst_ni = 1;
        top_.s_axil_bready = top_.s_axil_rready = 1;
        top_.s_axil_awaddr = top_.s_axil_araddr = 4;
        top_.s_axil_awvalid = top_.s_axil_wvalid = 1;
        top_.s_axil_wdata = value;
        top_.s_axil_wstrb = 0xf;
        cycle();
        top_.s_axil_awvalid = top_.s_axil_wvalid = 0;
        top_.s_axil_arvalid = 1;
        cycle();
        return top_.s_axil_rdata;
    }

private:
    VerilatedContext context_;
    Vtop top_{&context_};
#if VM_TRACE_FST
    VerilatedFstC trace_;
#endif
};
}  // namespace

extern "C" uint32_t write_read(uint32_t value, const char* wave_file) {
    return std::make_unique<Bench>(wave_file)->write_read(value);
}
