/* Values of whole frames to the bytes in memory and back, by the numbers of gatewright_design.h: element 0 of a
 * beat lies in its low bits, a beat is little-endian and padded with zeros. */
#include <string.h>

#include "gatewright_design.h"
#include "gatewright_zynq.h"

size_t gw_in_bytes(void) { return (size_t)GW_IN_BEATS * GW_IN_BEAT_BYTES; }
size_t gw_out_bytes(void) { return (size_t)GW_OUT_BEATS * GW_OUT_BEAT_BYTES; }
size_t gw_in_values(void) { return (size_t)GW_IN_BEATS * GW_IN_LANES; }
size_t gw_out_values(void) { return (size_t)GW_OUT_BEATS * GW_OUT_LANES; }

void gw_pack(const int64_t *values, size_t frames, uint8_t *bytes) {
    memset(bytes, 0, frames * gw_in_bytes());
    for (size_t beat = 0; beat < frames * GW_IN_BEATS; ++beat, bytes += GW_IN_BEAT_BYTES) {
        size_t at = 0;
        for (size_t lane = 0; lane < GW_IN_LANES; ++lane, ++values) {
            uint64_t code = GW_IN_BIPOLAR ? *values > 0 : (uint64_t)*values;
            for (size_t bit = 0; bit < GW_IN_BITS; ++bit, ++at)
                bytes[at >> 3] |= (uint8_t)((code >> bit & 1u) << (at & 7u));
        }
    }
}

void gw_unpack(const uint8_t *bytes, size_t frames, int64_t *values) {
    for (size_t beat = 0; beat < frames * GW_OUT_BEATS; ++beat, bytes += GW_OUT_BEAT_BYTES) {
        size_t at = 0;
        for (size_t lane = 0; lane < GW_OUT_LANES; ++lane) {
            uint64_t code = 0;
            for (size_t bit = 0; bit < GW_OUT_BITS; ++bit, ++at)
                code |= (uint64_t)(bytes[at >> 3] >> (at & 7u) & 1u) << bit;
            if (GW_OUT_BIPOLAR)
                code = 2 * code - 1;
            else if (GW_OUT_SIGNED && code >> (GW_OUT_BITS - 1) & 1u)
                code |= ~(uint64_t)0 << (GW_OUT_BITS - 1);
            *values++ = (int64_t)code;
        }
    }
}
