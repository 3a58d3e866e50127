// SPDX-License-Identifier: Apache-2.0
// Reciprocal by table and one Newton step.
//
//   1 / v_i ~ r_o * 2^-shift_o,   1 <= v_i < 2^24,   r_o in 2^15 .. 65535,   shift_o = 16 + floor(log2(v_i))
//   u = v normalized to [2^15, 2^16),   T = RECIPROCAL_TABLE[(u >> 7) & 255],   t = 2^32 - u T
//   r = min(65535, (T (t >> 15) + 2^15) >> 16)
//
// Reference: peritus.reference.reciprocal. Latency: RECIPROCAL_LATENCY, one value per cycle:
// normalize; table; u T; t; T t; round. Registers hold while their stage is not valid.

`default_nettype none

module peritus_reciprocal
  import peritus_latency_pkg::*;
  import peritus_tables_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        valid_i,
  input  logic [23:0] v_i,
  output logic        valid_o,
  output logic [15:0] r_o,
  output logic [5:0]  shift_o
);

  localparam int STAGES = int'(RECIPROCAL_LATENCY - NORMALIZE_LATENCY);

  logic normal_valid;
  logic [15:0] u;
  logic [7:0] unused_low;
  logic [4:0] zeros;

  peritus_normalize #(
    .Width(24)
  ) u_normalize (
    .clk_i,
    .rst_ni,
    .valid_i,
    .value_i(v_i),
    .valid_o(normal_valid),
    .value_o({u, unused_low}),
    .zeros_o(zeros)
  );

  logic [STAGES:0] valid;  // [stage]: the inputs of this stage
  logic [4:0] zeros_q[STAGES-1];
  logic [15:0] u_q;
  logic [15:0] table_q, table_product_q, table_newton_q;
  logic [31:0] product_q;
  logic [16:0] newton_q;  // t >> 15
  logic [17:0] refined_q;  // (T (t >> 15)) >> 15
  logic [16:0] rounded;

  always_ff @(posedge clk_i) begin
    if (valid[0]) begin
      u_q        <= u;
      table_q    <= RECIPROCAL_TABLE[u[14:7]];
      zeros_q[0] <= zeros;
    end
    if (valid[1]) begin
      product_q       <= u_q * table_q;
      table_product_q <= table_q;
      zeros_q[1]      <= zeros_q[0];
    end
    if (valid[2]) begin
      newton_q       <= 17'((33'h1_0000_0000 - 33'(product_q)) >> 15);
      table_newton_q <= table_product_q;
      zeros_q[2]     <= zeros_q[1];
    end
    if (valid[3]) begin
      refined_q  <= 18'((33'(newton_q) * 33'(table_newton_q)) >> 15);
      zeros_q[3] <= zeros_q[2];
    end
    if (valid[4]) begin
      r_o     <= rounded[16] ? 16'hffff : rounded[15:0];
      shift_o <= 6'd39 - 6'(zeros_q[3]);
    end
  end

  assign rounded = refined_q[17:1] + 17'(refined_q[0]);

  always_ff @(posedge clk_i) begin
    valid[STAGES:1] <= valid[STAGES-1:0];
    if (!rst_ni) valid[STAGES:1] <= '0;
  end

  assign valid[0] = normal_valid;
  assign valid_o = valid[STAGES];

`ifndef SYNTHESIS
  assert property (@(posedge clk_i) disable iff (!rst_ni) valid_i |-> v_i != '0)
  else $error("reciprocal: v_i = 0 has no reciprocal");
`endif

endmodule

`default_nettype wire
