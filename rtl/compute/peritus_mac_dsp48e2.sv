// SPDX-License-Identifier: Apache-2.0
// Two int8 multiply-accumulates in one DSP48E2 (UG579), instantiated so that nothing is left to inference.
//
//   p_o = p_i + (w_hi * 2^19 + w_lo) * x_i,   weights and x as peritus_mac.sv says
//
//   we_hi ─▶ A2 ─┐                              shadow: A2 holds w_hi * 2^19, D holds w_lo
//                +─▶ AD ──┐                     active: the pre-adder joins them when swap_i loads AD
//   we_lo ─▶ D ──┘        ×─▶ M ─▶ + ─▶ P       P goes to the next slice by the cascade PCOUT ─▶ PCIN,
//                x_i ─▶ B ┘    PCIN             from the last one to logic
//
// All registers of the slice are used, none has a reset (only B, M and P are clocked always).
// In simulation sim/models/DSP48E2.sv stands for the slice. Latency: see peritus_mac.sv.

`default_nettype none

module peritus_mac_dsp48e2 #(
  parameter bit First = 1'b0,
  parameter bit Last = 1'b0
) (
  input  logic               clk_i,
  input  logic               we_lo_i,
  input  logic               we_hi_i,
  input  logic [7:0]         w_lo_i,
  input  logic [7:0]         w_hi_i,
  input  logic               swap_i,
  input  logic [8:0]         x_i,
  input  logic signed [47:0] p_i,
  output logic signed [47:0] p_o
);

  localparam logic [4:0] D_PLUS_A2 = 5'b00100;  // INMODE; B2 is the other operand
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
    .BREG         (1),
    .BCASCREG     (1),
    .MREG         (1),
    .PREG         (1),
    // Modes never change: wires, not registers. C and the carry are not used.
    .INMODEREG    (0),
    .OPMODEREG    (0),
    .ALUMODEREG   (0),
    .CARRYINSELREG(0),
    .CARRYINREG   (0),
    .CREG         (0)
  ) u_dsp (
    .CLK          (clk_i),
    .A            ({{3{w_hi_i[7]}}, w_hi_i, 19'd0}),
    .D            ({{19{w_lo_i[7]}}, w_lo_i}),
    .B            ({{9{x_i[8]}}, x_i}),
    .C            (48'd0),
    .PCIN         (First ? 48'd0 : p_i),
    .P            (p),
    .PCOUT        (pcout),
    .INMODE       (D_PLUS_A2),
    .OPMODE       (First ? M_ALONE : M_PLUS_PCIN),
    .ALUMODE      (4'b0000),                          // Z + W + X + Y + carry
    .CARRYIN      (1'b0),
    .CARRYINSEL   (3'b000),
    .CEA1         (1'b0),
    .CEA2         (we_hi_i),
    .CED          (we_lo_i),
    .CEAD         (swap_i),
    .CEB1         (1'b0),
    .CEB2         (1'b1),
    .CEM          (1'b1),
    .CEP          (1'b1),
    .CEC          (1'b0),
    .CECARRYIN    (1'b0),
    .CECTRL       (1'b0),
    .CEALUMODE    (1'b0),
    .CEINMODE     (1'b0),
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
