// SPDX-License-Identifier: Apache-2.0
// Two rows of two int8 multiply-accumulates in one DSP48E2 (UG579) at twice the fabric's clock.
//
//   p_o = p_i + w * x_i,   w = a in one cycle, d in the next;   a, d = high * 2^19 + (low, with its sign), packed already
//
//   a ─▶ A2 ─┐ one of them                      active: both are loaded at the swap
//            +─▶ AD ─┐                          modes: AD = A2 or D, registered in the slice
//   d ─▶ D ──┘       ×─▶ M ─▶ + ─▶ P            P goes to the next slice by the cascade PCOUT ─▶ PCIN
//      x_i ─▶ B1 ─▶ B2 ┘    PCIN
//
// All registers of the slice are used, none has a reset. In simulation sim/models/DSP48E2.sv stands for the slice.
// Latency: x_i is multiplied with what use_d_i, given in the same cycle, and A2 and D one cycle later say; P is there 4
// cycles after x_i. When: peritus_mac_double.sv.

`default_nettype none

module peritus_mac_double_slice #(
  parameter bit First = 1'b0,
  parameter bit Last = 1'b0
) (
  input  logic               clk2x_i,
  input  logic               swap_i,
  input  logic               use_d_i,
  input  logic [7:0]         a_high_i,
  input  logic [7:0]         a_low_i,
  input  logic [7:0]         d_high_i,
  input  logic [7:0]         d_low_i,
  input  logic [8:0]         x_i,
  input  logic signed [47:0] p_i,
  output logic signed [47:0] p_o
);

  localparam logic [8:0] M_ALONE = 9'b00_000_01_01;  // OPMODE: W = 0, Z = 0, Y and X = M
  localparam logic [8:0] M_PLUS_PCIN = 9'b00_001_01_01;  // Z = PCIN

  logic [47:0] p, pcout;
  assign p_o = signed'(Last ? p : pcout);

  DSP48E2 #(
    .AMULTSEL     ("AD"),
    .BMULTSEL     ("B"),
    .PREADDINSEL  ("A"),
    .USE_MULT     ("MULTIPLY"),
    .AREG         (1),
    .ACASCREG     (1),
    .DREG         (1),
    .ADREG        (1),
    .BREG         (2),
    .BCASCREG     (2),
    .MREG         (1),
    .PREG         (1),
    .INMODEREG    (1),
    // These modes never change: wires, not registers. C and the carry are not used.
    .OPMODEREG    (0),
    .ALUMODEREG   (0),
    .CARRYINSELREG(0),
    .CARRYINREG   (0),
    .CREG         (0)
  ) u_dsp (
    .CLK          (clk2x_i),
    .A            ({{3{a_high_i[7]}}, a_high_i, {11{a_low_i[7]}}, a_low_i}),
    .D            ({d_high_i, {11{d_low_i[7]}}, d_low_i}),
    .B            ({{9{x_i[8]}}, x_i}),
    .C            (48'd0),
    .PCIN         (First ? 48'd0 : p_i),
    .P            (p),
    .PCOUT        (pcout),
    .INMODE       ({2'b00, use_d_i, use_d_i, 1'b0}),                          // D and not A, or A and not D
    .OPMODE       (First ? M_ALONE : M_PLUS_PCIN),
    .ALUMODE      (4'b0000),                                                  // Z + W + X + Y + carry
    .CARRYIN      (1'b0),
    .CARRYINSEL   (3'b000),
    .CEA1         (1'b0),
    .CEA2         (swap_i),
    .CED          (swap_i),
    .CEAD         (1'b1),
    .CEB1         (1'b1),
    .CEB2         (1'b1),
    .CEM          (1'b1),
    .CEP          (1'b1),
    .CEC          (1'b0),
    .CECARRYIN    (1'b0),
    .CECTRL       (1'b0),
    .CEALUMODE    (1'b0),
    .CEINMODE     (1'b1),
    .RSTA         (1'b0),
    .RSTB         (1'b0),
    .RSTC         (1'b0),
    .RSTD         (1'b0),
    .RSTM         (1'b0),
    .RSTP         (1'b0),
    .RSTALLCARRYIN(1'b0),
    .RSTALUMODE   (1'b0),
    .RSTCTRL      (1'b0),
    .RSTINMODE    (1'b0),
    .ACIN         (30'd0),
    .BCIN         (18'd0),
    .CARRYCASCIN  (1'b0),
    .MULTSIGNIN   (1'b0)
  );

endmodule

`default_nettype wire
