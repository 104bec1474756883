// A layer of gatewright whose elements are each made of a few elements of the input, which a table names: moved,
// added up, or the largest of them. Elements numbered below 0 are none: `fill` where all of them are.
#ifndef GW_GATHER_H_
#define GW_GATHER_H_

#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct gw_gather_config {
    static const unsigned n_in = 1;
    static const unsigned n_out = 1;
    // Elements that each is made of.
    static const unsigned taps = 1;
    static const int fill = 0;
    static const bool largest = false;
};

template <class data_T, class res_T, typename CONFIG_T>
res_T gw_gathered(const data_T data[CONFIG_T::n_in], const typename CONFIG_T::index_t *taps) {
    #pragma HLS INLINE
    res_T found = CONFIG_T::fill;
    bool any = false;
    for (unsigned k = 0; k < CONFIG_T::taps; k++) {
        #pragma HLS UNROLL
        if (taps[k] < 0) continue;
        res_T next = (res_T)data[(unsigned)taps[k]];
        if (!any || (CONFIG_T::largest && next > found)) {
            found = next;
        } else if (!CONFIG_T::largest) {
            found = (res_T)(found + next);
        }
        any = true;
    }
    return found;
}

template <class data_T, class res_T, typename CONFIG_T>
void gw_gather(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_out],
               const typename CONFIG_T::index_t index[CONFIG_T::n_out * CONFIG_T::taps]) {
    #pragma HLS PIPELINE
GatherLoop:
    for (unsigned i = 0; i < CONFIG_T::n_out; i++) {
        #pragma HLS UNROLL
        res[i] = gw_gathered<data_T, res_T, CONFIG_T>(data, index + i * CONFIG_T::taps);
    }
}

// The whole tensor is kept, as later elements may come before earlier ones.
template <class data_T, class res_T, typename CONFIG_T>
void gw_gather(hls::stream<data_T> &data, hls::stream<res_T> &res,
               const typename CONFIG_T::index_t index[CONFIG_T::n_out * CONFIG_T::taps]) {
    typedef typename data_T::value_type in_T;
    typedef typename res_T::value_type out_T;
    static in_T kept[CONFIG_T::n_in];
KeepLoop:
    for (unsigned i = 0; i < CONFIG_T::n_in / data_T::size; i++) {
        #pragma HLS PIPELINE
        data_T pack = data.read();
        for (unsigned j = 0; j < data_T::size; j++) {
            #pragma HLS UNROLL
            kept[i * data_T::size + j] = pack[j];
        }
    }
GatherLoop:
    for (unsigned i = 0; i < CONFIG_T::n_out / res_T::size; i++) {
        #pragma HLS PIPELINE
        res_T pack;
        PRAGMA_DATA_PACK(pack)
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            const unsigned n = i * res_T::size + j;
            pack[j] = gw_gathered<in_T, out_T, CONFIG_T>(kept, index + n * CONFIG_T::taps);
        }
        res.write(pack);
    }
}

} // namespace nnet

#endif
