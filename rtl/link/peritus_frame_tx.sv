// SPDX-License-Identifier: Apache-2.0
// Makes frames of bytes: flag, the bytes, their CRC, flag; stuffs what looks like a flag (peritus_link_pkg, docs/link.md).
// The first byte begins a frame, the one with last_i ends it; what precedes and follows is added here.

`default_nettype none

module peritus_frame_tx
  import peritus_link_pkg::*;
(
  input  logic       clk_i,
  input  logic       rst_ni,
  // bytes of a frame
  input  logic       valid_i,
  output logic       ready_o,
  input  logic [7:0] data_i,
  input  logic       last_i,
  output logic       idle_o,   // nothing of a frame is left to be sent
  // to the line
  output logic       valid_o,
  input  logic       ready_i,
  output logic [7:0] data_o
);

  typedef enum logic [1:0] {
    OPEN,
    BODY,
    CRC,
    CLOSE
  } state_e;

  state_e state_q;
  logic [1:0] crc_byte_q;
  logic escaped_q;  // ESCAPE has been sent for this byte
  logic [31:0] crc;
  logic [7:0] plain;
  logic special, sent;

  assign plain   = (state_q == BODY) ? data_i : ~crc[8*crc_byte_q+:8];
  assign special = (plain == FLAG || plain == ESCAPE) && !escaped_q;
  assign sent    = valid_o && ready_i;
  assign idle_o  = state_q == OPEN;
  assign ready_o = state_q == BODY && ready_i && !special;

  always_comb begin
    valid_o = 1'b1;
    data_o  = FLAG;
    unique case (state_q)
      OPEN: valid_o = valid_i;
      BODY: valid_o = valid_i;
      default: ;
    endcase
    if (state_q == BODY || state_q == CRC) begin
      data_o = special ? ESCAPE : escaped_q ? plain ^ ESCAPE_XOR : plain;
    end
  end

  peritus_crc32 u_crc (
    .clk_i,
    .clear_i(state_q == OPEN),
    .valid_i(valid_i && ready_o),
    .data_i,
    .crc_o  (crc)
  );

  always_ff @(posedge clk_i) begin
    if (sent) begin
      escaped_q <= (state_q == BODY || state_q == CRC) && special;
      unique case (state_q)
        OPEN: begin
          state_q    <= BODY;
          crc_byte_q <= '0;
        end
        BODY: if (last_i && !special) state_q <= CRC;
        CRC: begin
          if (!special) begin
            crc_byte_q <= crc_byte_q + 1'b1;
            if (32'(crc_byte_q) == CRC_BYTES - 1) state_q <= CLOSE;
          end
        end
        default: state_q <= OPEN;
      endcase
    end
    if (!rst_ni) begin
      state_q   <= OPEN;
      escaped_q <= 1'b0;
    end
  end

endmodule

`default_nettype wire
