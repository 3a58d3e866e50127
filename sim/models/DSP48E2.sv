// SPDX-License-Identifier: Apache-2.0
// Simulation model of the part of a DSP48E2 that rtl/ uses; written from AMD's UltraScale Architecture DSP Slice User
// Guide (UG579): registers in figure 2-1, INMODE in table 2-5 ff., OPMODE in tables 2-7 to 2-9. Anything else is an
// error, not an approximation: attributes stop elaboration, modes and pins stop the simulation.
//
//   AD = (D or 0) +- (A2 or 0), 27 bits;  M = AD * B2, 45 bits;  P = (0 | PCIN | P) + (0 | M), 48 bits;  PCOUT = P
//
// One register each: A (A2), D, AD, M, P; one or two for B (B2; B1 in front of it), none or one for INMODE; loaded at CLK
// under their clock enables. No resets. Outputs that rtl/ leaves open are left out.

`default_nettype none

module DSP48E2 #(
  parameter string AMULTSEL = "A",
  parameter string BMULTSEL = "B",
  parameter string PREADDINSEL = "A",
  // verilog_lint: waive-start parameter-name-style (the vendor's names)
  parameter string USE_MULT = "MULTIPLY",
  // verilog_lint: waive-stop parameter-name-style
  parameter int    AREG = 1,
  parameter int    ACASCREG = 1,
  parameter int    DREG = 1,
  parameter int    ADREG = 1,
  parameter int    BREG = 1,
  parameter int    BCASCREG = 1,
  parameter int    MREG = 1,
  parameter int    PREG = 1,
  parameter int    INMODEREG = 1,
  parameter int    OPMODEREG = 1,
  parameter int    ALUMODEREG = 1,
  parameter int    CARRYINSELREG = 1,
  parameter int    CARRYINREG = 1,
  parameter int    CREG = 1
) (
  input  logic        CLK,
  input  logic [29:0] A,
  input  logic [17:0] B,
  input  logic [47:0] C,
  input  logic [26:0] D,
  input  logic [47:0] PCIN,
  output logic [47:0] P,
  output logic [47:0] PCOUT,
  input  logic [4:0]  INMODE,
  input  logic [8:0]  OPMODE,
  input  logic [3:0]  ALUMODE,
  input  logic        CARRYIN,
  input  logic [2:0]  CARRYINSEL,
  input  logic        CEA1,
  CEA2,
  CEB1,
  CEB2,
  CED,
  CEAD,
  CEM,
  CEP,
  input  logic        CEC,
  CECARRYIN,
  CECTRL,
  CEALUMODE,
  CEINMODE,
  input  logic        RSTA,
  RSTB,
  RSTC,
  RSTD,
  RSTM,
  RSTP,
  RSTALLCARRYIN,
  RSTALUMODE,
  RSTCTRL,
  RSTINMODE,
  input  logic [29:0] ACIN,
  input  logic [17:0] BCIN,
  input  logic        CARRYCASCIN,
  input  logic        MULTSIGNIN
);

  if (AMULTSEL != "AD" || BMULTSEL != "B" || PREADDINSEL != "A"
      || USE_MULT != "MULTIPLY") begin : gen_operands
    $fatal(1, "DSP48E2 model: only AMULTSEL AD, BMULTSEL B, PREADDINSEL A, USE_MULT MULTIPLY");
  end
  if (AREG != 1 || ACASCREG != 1 || DREG != 1 || ADREG != 1 || MREG != 1 || PREG != 1) begin : gen_data_registers
    $fatal(1, "DSP48E2 model: only one register each for A, D, AD, M, P");
  end
  if (!(BREG inside {1, 2}) || BCASCREG != BREG) begin : gen_b_registers
    $fatal(1, "DSP48E2 model: only one or two registers for B, all of them before BCOUT");
  end
  if (!(INMODEREG inside {0, 1}) || OPMODEREG != 0 || ALUMODEREG != 0 || CARRYINSELREG != 0 || CARRYINREG != 0
      || CREG != 0) begin : gen_control_registers
    $fatal(1, "DSP48E2 model: only INMODE may be registered, not the other modes, carry and C");
  end

  logic signed [26:0] a2_q, d_q, ad_q;
  logic signed [17:0] b1_q, b2_q;
  logic [4:0] inmode_q, inmode;
  logic signed [44:0] m_q;
  logic signed [47:0] p_q;

  // Pre-adder: INMODE[1] zeroes A, INMODE[2] lets D through, INMODE[3] subtracts A.
  logic signed [26:0] a_operand, d_operand;
  assign inmode    = (INMODEREG == 1) ? inmode_q : INMODE;
  assign a_operand = inmode[1] ? 27'sd0 : a2_q;
  assign d_operand = inmode[2] ? d_q : 27'sd0;

  // OPMODE = {W, Z, Y, X}: the multiplier's two partial products need X and Y together.
  logic signed [47:0] z, product;
  always_comb begin
    unique case (OPMODE[6:4])
      3'b001:  z = signed'(PCIN);
      3'b010:  z = p_q;
      default: z = 48'sd0;
    endcase
  end
  assign product = (OPMODE[3:0] == 4'b0101) ? 48'(m_q) : 48'sd0;

  always_ff @(posedge CLK) begin
    if (CEA2) a2_q <= signed'(A[26:0]);
    if (CED) d_q <= signed'(D);
    if (CEAD) ad_q <= inmode[3] ? d_operand - a_operand : d_operand + a_operand;
    if (CEB1) b1_q <= signed'(B);
    if (CEB2) b2_q <= (BREG == 2) ? b1_q : signed'(B);
    if (CEINMODE) inmode_q <= INMODE;
    if (CEM) m_q <= 45'(ad_q) * 45'(b2_q);
    if (CEP) p_q <= z + product;
  end

  assign P = p_q;
  assign PCOUT = p_q;

  always_ff @(posedge CLK) begin
    if (INMODE[0] || INMODE[4] || ALUMODE != 4'd0 || OPMODE[8:7] != 2'd0
        || !(OPMODE[6:4] inside {3'b000, 3'b001, 3'b010}) || !(OPMODE[3:0] inside {4'b0000, 4'b0101})) begin
      $fatal(1, "DSP48E2 model: INMODE %b, OPMODE %b, ALUMODE %b is not modelled", INMODE, OPMODE, ALUMODE);
    end
    if (|{RSTA, RSTB, RSTC, RSTD, RSTM, RSTP, RSTALLCARRYIN, RSTALUMODE, RSTCTRL, RSTINMODE}) begin
      $fatal(1, "DSP48E2 model: resets are not modelled");
    end
    if (|{C, CARRYIN, CARRYINSEL, ACIN, BCIN, CARRYCASCIN, MULTSIGNIN} || |{CEA1, CEC, CECARRYIN}
        || |{CECTRL, CEALUMODE} || (CEB1 && BREG != 2) || (CEINMODE && INMODEREG != 1) || A[29:26] != {4{A[26]}}) begin
      $fatal(1, "DSP48E2 model: a pin that is not modelled is not 0, or A has more than 27 bits");
    end
  end

endmodule

`default_nettype wire
