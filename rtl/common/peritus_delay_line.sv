// SPDX-License-Identifier: Apache-2.0
// Shift register with one common enable and no reset, as LUT shift registers want it.
//
//   data_o = data_i, Stages enabled cycles ago

`default_nettype none

module peritus_delay_line #(
  parameter int unsigned Width = 8,
  parameter int unsigned Stages = 1
) (
  input  logic             clk_i,
  input  logic             en_i,
  input  logic [Width-1:0] data_i,
  output logic [Width-1:0] data_o
);

  if (Stages == 0) begin : gen_wire
    logic unused;
    assign unused = clk_i ^ en_i;
    assign data_o = data_i;
  end else begin : gen_shift
    logic [Width-1:0] data_q[Stages];

    always_ff @(posedge clk_i) begin
      if (en_i) begin
        data_q[0] <= data_i;
        for (int i = 1; i < int'(Stages); i++) data_q[i] <= data_q[i-1];
      end
    end

    assign data_o = data_q[Stages-1];
  end

endmodule

`default_nettype wire
