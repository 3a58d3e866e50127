// SPDX-License-Identifier: Apache-2.0
// Reciprocal square root by table and one Newton step.
//
//   1 / sqrt(v_i) ~ r_o * 2^-(16 + half_o),   1 <= v_i < 2^48,   r_o in 2^15 .. 65535
//   h = floor(log2(v_i)) rounded down to even,   half_o = h / 2
//   u = v normalized to [2^16, 2^18),   T = RSQRT_TABLE[(u >> 9) - 128],   a = T^2 >> 16
//   c = (3 * 2^32 - u a) >> 16,   r = min(65535, (T c + 2^16) >> 17)
//
// Reference: peritus.reference.rsqrt. Latency: RSQRT_LATENCY, one value per cycle:
// normalize; table; T^2; u a; c; T c; round. Registers hold while their stage is not valid.

`default_nettype none

module peritus_rsqrt
  import peritus_latency_pkg::*;
  import peritus_tables_pkg::*;
(
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        valid_i,
  input  logic [47:0] v_i,
  output logic        valid_o,
  output logic [15:0] r_o,
  output logic [4:0]  half_o
);

  localparam int STAGES = int'(RSQRT_LATENCY - NORMALIZE_LATENCY);

  logic normal_valid;
  logic [17:0] u;
  logic [29:0] unused_low;
  logic [4:0] zero_pairs;
  logic unused_odd;

  peritus_normalize #(
    .Width    (48),
    .DropSteps(1)
  ) u_normalize (
    .clk_i,
    .rst_ni,
    .valid_i,
    .value_i(v_i),
    .valid_o(normal_valid),
    .value_o({u, unused_low}),
    .zeros_o({zero_pairs, unused_odd})
  );

  logic [STAGES:0] valid;  // [stage]: the inputs of this stage
  logic [17:0] u_q[2];
  logic [4:0] zero_pairs_q[STAGES-1];
  logic [15:0] table_q[4];
  logic [15:0] a_q;
  logic [33:0] product_q;
  logic [17:0] c_q;
  logic [17:0] refined_q;  // T c >> 16
  logic [16:0] rounded;

  always_ff @(posedge clk_i) begin
    if (valid[0]) begin
      u_q[0]     <= u;
      table_q[0] <= RSQRT_TABLE[u[17:9]-9'd128];
    end
    if (valid[1]) begin
      u_q[1]     <= u_q[0];
      table_q[1] <= table_q[0];
      a_q        <= 16'((32'(table_q[0]) * 32'(table_q[0])) >> 16);
    end
    if (valid[2]) begin
      table_q[2] <= table_q[1];
      product_q  <= 34'(u_q[1]) * 34'(a_q);
    end
    if (valid[3]) begin
      table_q[3] <= table_q[2];
      c_q        <= 18'((34'h3_0000_0000 - product_q) >> 16);
    end
    if (valid[4]) refined_q <= 18'((34'(table_q[3]) * 34'(c_q)) >> 16);
    if (valid[5]) begin
      r_o    <= rounded[16] ? 16'hffff : rounded[15:0];
      half_o <= 5'd23 - zero_pairs_q[STAGES-2];
    end
    for (int stage = 0; stage < STAGES - 1; stage++) begin
      if (valid[stage]) zero_pairs_q[stage] <= (stage == 0) ? zero_pairs : zero_pairs_q[stage-1];
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
  else $error("rsqrt: v_i = 0 has no reciprocal square root");
`endif

endmodule

`default_nettype wire
