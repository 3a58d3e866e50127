// SPDX-License-Identifier: Apache-2.0
// Carries out the requests of the host: registers by AXI4-Lite, memory by words, checksums (peritus_link_pkg, docs/link.md).
//
// A request is carried out when all of it has arrived undamaged; its payload waits in a block RAM until then. Requests
// that arrive before the answer has been handed over are dropped, since the host sends the next one after the answer.
// A damaged frame is answered too (STATUS_CORRUPTED), so that the host need not wait for its time-out.

`default_nettype none

module peritus_link_bridge
  import peritus_link_pkg::*;
#(
  parameter int unsigned MemoryWords = BANK_WORDS,
  localparam int unsigned AddrW = $clog2(MemoryWords)
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  // frames: received, CRC included (frame_rx), and to be sent (frame_tx)
  output logic              rx_enable_o,
  input  logic              rx_valid_i,
  input  logic [7:0]        rx_data_i,
  input  logic              rx_end_i,
  input  logic              rx_ok_i,
  output logic              tx_valid_o,
  input  logic              tx_ready_i,
  output logic [7:0]        tx_data_o,
  output logic              tx_last_o,
  input  logic              tx_idle_i,
  // registers
  output logic              axil_awvalid_o,
  input  logic              axil_awready_i,
  output logic              axil_wvalid_o,
  input  logic              axil_wready_i,
  output logic [31:0]       axil_wdata_o,
  input  logic              axil_bvalid_i,
  input  logic              axil_berror_i,
  output logic              axil_arvalid_o,
  input  logic              axil_arready_i,
  input  logic              axil_rvalid_i,
  input  logic [31:0]       axil_rdata_i,
  input  logic              axil_rerror_i,
  output logic [11:0]       axil_addr_o,     // of both channels
  input  logic              irq_i,
  // memory; answers to reads in their order, any time later
  output logic              mem_valid_o,
  input  logic              mem_ready_i,
  output logic              mem_we_o,
  output logic [AddrW-1:0]  mem_addr_o,
  output logic [63:0]       mem_wdata_o,
  input  logic              mem_rvalid_i,
  input  logic [63:0]       mem_rdata_i
);

  localparam int unsigned PAYLOAD = MAX_WORDS * WORD_BYTES;
  localparam int unsigned BUFFER_AW = $clog2(PAYLOAD);
  localparam int unsigned SIZE_W = $clog2(REQUEST_BYTES + PAYLOAD + CRC_BYTES + 2);
  localparam logic [SIZE_W-1:0] HEADER = SIZE_W'(REQUEST_BYTES);
  localparam logic [SIZE_W-1:0] OVERHEAD = SIZE_W'(REQUEST_BYTES + CRC_BYTES);
  localparam logic [SIZE_W-1:0] TOO_LONG = OVERHEAD + SIZE_W'(PAYLOAD) + 1'b1;

  typedef struct packed {
    logic [31:0] addr;
    logic [15:0] count;
    logic [7:0]  command;
    logic [7:0]  sequence_number;
  } request_t;

  typedef enum logic [3:0] {
    RECEIVE,
    DECODE,
    LOAD,
    WRITE_WORD,
    WRITE_REG,
    READ_REG,
    SUM,
    ANSWER,
    SEND,
    READ_WORD,
    AWAIT_WORD,
    FINISH
  } state_e;

  state_e state_q;
  request_t request_q;
  logic [SIZE_W-1:0] size_q;  // bytes received of this frame
  logic [BUFFER_AW-1:0] fetch_q;  // next byte of the payload
  logic [3:0] to_load_q;  // bytes of the payload still to be fetched into word_q
  logic loading_q;
  logic [7:0] buffer_q;
  logic [63:0] word_q;
  logic [15:0] words_q;  // of memory still to be asked for, or written
  logic [AddrW-1:0] addr_q;
  status_e status_q, check, write_status_q;
  logic aw_q, w_q, ar_q;  // AXI-Lite channels still to be accepted
  logic written_q;  // the request before this one wrote a register
  logic [7:0] last_sequence_q;
  logic [127:0] out_q;  // answer, next byte lowest
  logic [4:0] out_left_q;
  logic repeated, memory_command;

  // ---- payload buffer ----
  logic [7:0] payload[PAYLOAD];
  logic [SIZE_W-1:0] place;

  assign place = size_q - HEADER;

  always_ff @(posedge clk_i) begin
    if (rx_valid_i && size_q >= HEADER && 32'(place) < PAYLOAD) payload[BUFFER_AW'(place)] <= rx_data_i;
    buffer_q <= payload[fetch_q];
  end

  // ---- is the request acceptable? ----
  logic [SIZE_W-1:0] payload_bytes;
  logic [29:0] memory_end;

  assign payload_bytes  = size_q - OVERHEAD;
  assign memory_end     = 30'(request_q.addr[31:3]) + 30'(request_q.count);
  assign memory_command = request_q.command inside {CMD_READ_MEMORY, CMD_WRITE_MEMORY, CMD_CHECKSUM};
  assign repeated       = written_q && request_q.sequence_number == last_sequence_q;

  always_comb begin
    logic [18:0] expected;
    expected = '0;
    if (request_q.command == CMD_WRITE_REGISTER) expected = 19'(REGISTER_BYTES);
    if (request_q.command == CMD_WRITE_MEMORY) expected = {request_q.count, 3'd0};
    check = STATUS_OK;
    if (memory_command) begin
      if (request_q.addr[2:0] != 0 || 32'(memory_end) > MemoryWords) check = STATUS_ADDRESS;
    end else if (request_q.command != CMD_IDENTIFY) begin
      if (request_q.addr[1:0] != 0 || request_q.addr[31:12] != 0) check = STATUS_ADDRESS;
    end
    if (request_q.count == 0 || 19'(payload_bytes) != expected || (!memory_command && request_q.count != 1) ||
        (memory_command && request_q.command != CMD_CHECKSUM && 32'(request_q.count) > MAX_WORDS)) begin
      check = STATUS_LENGTH;
    end
    if (!(request_q.command inside {CMD_IDENTIFY, CMD_READ_REGISTER, CMD_WRITE_REGISTER, CMD_READ_MEMORY,
                                    CMD_WRITE_MEMORY, CMD_CHECKSUM})) begin
      check = STATUS_COMMAND;
    end
  end

  // ---- checksum: a word every eight cycles, a byte every cycle ----
  logic [31:0] sum;
  logic [63:0] sum_word_q;
  logic [3:0] sum_left_q;
  logic [2:0] pause_q;  // cycles until the next word may be asked for
  logic [7:0] under_way_q;  // words asked for that have not arrived

  peritus_crc32 u_sum (
    .clk_i,
    .clear_i(state_q == DECODE),
    .valid_i(sum_left_q != 0),
    .data_i (sum_word_q[7:0]),
    .crc_o  (sum)
  );

  // ---- outputs ----
  assign rx_enable_o = state_q == RECEIVE;
  assign tx_valid_o  = state_q == SEND;
  assign tx_data_o   = out_q[7:0];
  assign tx_last_o   = out_left_q == 1 && words_q == 0;

  assign axil_awvalid_o = aw_q;
  assign axil_wvalid_o  = w_q;
  assign axil_arvalid_o = ar_q;
  assign axil_addr_o    = request_q.addr[11:0];
  assign axil_wdata_o   = word_q[63:32];

  assign mem_valid_o = state_q inside {WRITE_WORD, READ_WORD} ||
                       (state_q == SUM && words_q != 0 && pause_q == 0);
  assign mem_we_o    = state_q == WRITE_WORD;
  assign mem_addr_o  = addr_q;
  assign mem_wdata_o = word_q;

  logic accepted;
  assign accepted = mem_valid_o && mem_ready_i;

  always_ff @(posedge clk_i) begin
    // Bytes of the frame: the header into request_q, the rest into the buffer.
    if (state_q == RECEIVE && rx_valid_i) begin
      if (size_q < HEADER) request_q <= {rx_data_i, request_q[63:8]};
      if (size_q != TOO_LONG) size_q <= size_q + 1'b1;
    end

    loading_q <= state_q == LOAD && to_load_q != 0;
    if (loading_q) word_q <= {buffer_q, word_q[63:8]};

    if (accepted) begin
      addr_q  <= addr_q + 1'b1;
      words_q <= words_q - 1'b1;
    end

    pause_q <= (accepted) ? '1 : (pause_q != 0) ? pause_q - 1'b1 : '0;
    under_way_q <= under_way_q + 8'(accepted && !mem_we_o) - 8'(mem_rvalid_i);
    if (mem_rvalid_i) begin
      sum_word_q <= mem_rdata_i;
      sum_left_q <= (state_q == SUM) ? 4'd8 : 4'd0;
    end else if (sum_left_q != 0) begin
      sum_word_q <= sum_word_q >> 8;
      sum_left_q <= sum_left_q - 1'b1;
    end

    if (axil_awready_i) aw_q <= 1'b0;
    if (axil_wready_i) w_q <= 1'b0;
    if (axil_arready_i) ar_q <= 1'b0;

    unique case (state_q)
      RECEIVE: begin
        fetch_q <= '0;
        if (rx_end_i) begin
          state_q  <= (rx_ok_i && size_q >= OVERHEAD && size_q != TOO_LONG) ? DECODE : ANSWER;
          status_q <= STATUS_CORRUPTED;
        end
      end
      DECODE: begin
        addr_q   <= request_q.addr[AddrW+2:3];
        words_q  <= request_q.count;
        status_q <= check;
        state_q  <= ANSWER;
        if (check == STATUS_OK) begin
          unique case (request_q.command)
            CMD_READ_REGISTER: begin
              state_q <= READ_REG;
              ar_q    <= 1'b1;
            end
            CMD_WRITE_REGISTER: begin
              to_load_q <= 4'(REGISTER_BYTES);
              if (repeated) status_q <= write_status_q;
              else state_q <= LOAD;
            end
            CMD_WRITE_MEMORY: begin
              to_load_q <= 4'(WORD_BYTES);
              state_q   <= LOAD;
            end
            CMD_CHECKSUM: state_q <= SUM;
            default: ;
          endcase
        end
      end
      LOAD: begin
        if (to_load_q != 0) begin
          fetch_q   <= fetch_q + 1'b1;
          to_load_q <= to_load_q - 1'b1;
        end else if (!loading_q) begin
          state_q <= (request_q.command == CMD_WRITE_MEMORY) ? WRITE_WORD : WRITE_REG;
          aw_q    <= request_q.command == CMD_WRITE_REGISTER;
          w_q     <= request_q.command == CMD_WRITE_REGISTER;
        end
      end
      WRITE_WORD: begin
        if (mem_ready_i) begin
          to_load_q <= 4'(WORD_BYTES);
          state_q   <= (words_q == 1) ? ANSWER : LOAD;
        end
      end
      WRITE_REG: begin
        if (axil_bvalid_i) begin
          status_q       <= axil_berror_i ? STATUS_REGISTER : STATUS_OK;
          write_status_q <= axil_berror_i ? STATUS_REGISTER : STATUS_OK;
          state_q        <= ANSWER;
        end
      end
      READ_REG: begin
        if (axil_rvalid_i) begin
          word_q[31:0] <= axil_rdata_i;
          status_q     <= axil_rerror_i ? STATUS_REGISTER : STATUS_OK;
          state_q      <= ANSWER;
        end
      end
      SUM:       if (words_q == 0 && under_way_q == 0 && sum_left_q == 0) state_q <= ANSWER;
      ANSWER: begin
        out_left_q <= 5'(ANSWER_BYTES);
        if (status_q == STATUS_OK) begin
          unique case (request_q.command)
            CMD_IDENTIFY: begin
              out_q[127:32] <= {32'(MemoryWords * WORD_BYTES), VERSION, MAGIC};
              out_left_q    <= 5'(ANSWER_BYTES + 12);
            end
            CMD_READ_REGISTER: begin
              out_q[63:32] <= word_q[31:0];
              out_left_q   <= 5'(ANSWER_BYTES + REGISTER_BYTES);
            end
            CMD_CHECKSUM: begin
              out_q[63:32] <= ~sum;
              out_left_q   <= 5'(ANSWER_BYTES + 4);
            end
            default: ;
          endcase
        end
        if (status_q != STATUS_OK || request_q.command != CMD_READ_MEMORY) words_q <= '0;
        out_q[31:0] <= {
          request_q.count,
          irq_i,
          status_q[6:0],
          (status_q == STATUS_CORRUPTED) ? 8'd0 : request_q.sequence_number
        };
        if (status_q != STATUS_CORRUPTED) begin
          written_q       <= request_q.command == CMD_WRITE_REGISTER;
          last_sequence_q <= request_q.sequence_number;
        end
        state_q <= SEND;
      end
      SEND: begin
        if (tx_ready_i) begin
          out_q      <= out_q >> 8;
          out_left_q <= out_left_q - 1'b1;
          if (out_left_q == 1) state_q <= (words_q == 0) ? FINISH : READ_WORD;
        end
      end
      READ_WORD: if (mem_ready_i) state_q <= AWAIT_WORD;
      AWAIT_WORD: begin
        out_q[63:0] <= mem_rdata_i;
        out_left_q  <= 5'(WORD_BYTES);
        if (mem_rvalid_i) state_q <= SEND;
      end
      default: begin  // FINISH
        size_q <= '0;
        if (tx_idle_i) state_q <= RECEIVE;
      end
    endcase

    if (!rst_ni) begin
      state_q     <= RECEIVE;
      size_q      <= '0;
      written_q   <= 1'b0;
      aw_q        <= 1'b0;
      w_q         <= 1'b0;
      ar_q        <= 1'b0;
      sum_left_q  <= '0;
      under_way_q <= '0;
    end
  end

endmodule

`default_nettype wire
