/* a net: what crosses between the processor and the FPGA.
 *
 * Written by gatewright. A tensor in memory holds elements "value - offset" of one C type, row-major.
 * In the FPGA's stream an element is a code of so many bits: its value in two's complement, or plain where
 * no value is negative, or 1 for +1 and 0 for -1 where there are no others. A beat holds LANES codes, the
 * first in the lowest bits, padded with zeros to BEAT_BYTES bytes, the lowest byte first.
 */
#ifndef GATEWRIGHT_SPLIT_H
#define GATEWRIGHT_SPLIT_H

#include <stddef.h>
#include <stdint.h>

/* tensor: (4, 7) of int8_t, values -132..123. */
#define GW_SPLIT_TENSOR_ELEMENTS 28
#define GW_SPLIT_TENSOR_BYTES 28
#define GW_SPLIT_TENSOR_OFFSET (-4)

/* What the FPGA reads, tensor: codes of 9 bits for -132..123. */
#define GW_SPLIT_IN_CODE_BITS 9
#define GW_SPLIT_IN_LANES 7
#define GW_SPLIT_IN_BEATS 4
#define GW_SPLIT_IN_BEAT_BYTES 8
#define GW_SPLIT_IN_BYTES 32

/* What the FPGA writes, tensor: codes of 9 bits for -132..123. */
#define GW_SPLIT_OUT_CODE_BITS 9
#define GW_SPLIT_OUT_LANES 7
#define GW_SPLIT_OUT_BEATS 4
#define GW_SPLIT_OUT_BEAT_BYTES 8
#define GW_SPLIT_OUT_BYTES 32

/* From tensor to the 4 beats that the FPGA reads: all of GW_SPLIT_IN_BYTES bytes are written. */
static inline void gw_split_pack(const int8_t *tensor, uint8_t *stream)
{
    size_t beat, lane;
    for (beat = 0; beat < GW_SPLIT_IN_BEATS; beat++) {
        uint64_t bits = 0;
        unsigned count = 0;
        for (lane = 0; lane < GW_SPLIT_IN_LANES; lane++) {
            uint32_t value = (uint32_t)*tensor++ + (uint32_t)-4;
            uint32_t code = value & 0x1ffu;
            bits |= (uint64_t)(code >> 0 & 0x1ffu) << count;
            count += 9;
            for (; count >= 8; count -= 8, bits >>= 8)
                *stream++ = (uint8_t)bits;
        }
        if (count)
            *stream++ = (uint8_t)bits;
    }
}

/* From the 4 beats that the FPGA writes, GW_SPLIT_OUT_BYTES bytes, to tensor. */
static inline void gw_split_unpack(const uint8_t *stream, int8_t *tensor)
{
    size_t beat, lane;
    for (beat = 0; beat < GW_SPLIT_OUT_BEATS; beat++) {
        uint64_t bits = 0;
        unsigned count = 0;
        for (lane = 0; lane < GW_SPLIT_OUT_LANES; lane++) {
            uint32_t code = 0;
            for (; count < 9; count += 8)
                bits |= (uint64_t)*stream++ << count;
            code |= (uint32_t)(bits & 0x1ffu) << 0;
            bits >>= 9, count -= 9;
            *tensor++ = (int8_t)(int32_t)(((code ^ ((uint32_t)1 << 8)) - ((uint32_t)1 << 8)) - (uint32_t)-4);
        }
        (void)bits, (void)count;
    }
}

#endif
