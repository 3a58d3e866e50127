// SPDX-License-Identifier: Apache-2.0
// Stand-in for FINN's FIFO in simulation, where the constant function that chooses its memory is refused. The same protocol
// and never more room than DEPTH; data appear one cycle after they were accepted, in FINN's up to three.

`default_nettype none

module fifo #(
  parameter  int unsigned DEPTH = 2,
  parameter  int unsigned DATA_WIDTH = 8,
  parameter               RAM_STYLE = "auto",
  localparam int unsigned COUNT_W = $clog2(DEPTH + 1) + 2  // as wide as FINN's
) (
  input  logic                  clk,
  input  logic                  rst,
  input  logic [DATA_WIDTH-1:0] idat,
  input  logic                  ivld,
  output logic                  irdy,
  output logic [DATA_WIDTH-1:0] odat,
  output logic                  ovld,
  input  logic                  ordy,
  output logic [COUNT_W-1:0] count,
  output logic [COUNT_W-1:0] maxcount
);

  logic [DATA_WIDTH-1:0] mem[DEPTH];
  logic [COUNT_W-1:0] write_q, read_q;

  assign irdy = 32'(count) != DEPTH;
  assign ovld = count != '0;
  assign odat = mem[read_q];

  always_ff @(posedge clk) begin
    if (ivld && irdy) begin
      mem[write_q] <= idat;
      write_q <= (32'(write_q) == DEPTH - 1) ? '0 : write_q + COUNT_W'(1);
    end
    if (ovld && ordy) read_q <= (32'(read_q) == DEPTH - 1) ? '0 : read_q + COUNT_W'(1);
    count <= count + COUNT_W'(ivld && irdy) - COUNT_W'(ovld && ordy);
    if (count > maxcount) maxcount <= count;
    if (rst) begin
      write_q <= '0;
      read_q <= '0;
      count <= '0;
      maxcount <= '0;
    end
  end

  logic unused;
  assign unused = RAM_STYLE == "auto";

endmodule

`default_nettype wire
