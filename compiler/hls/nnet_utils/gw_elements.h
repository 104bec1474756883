// Layers of gatewright that compute each element by itself, and the index of the largest: thresholds, tables,
// constants added and multiplied. Each for arrays (io_parallel) and for streams of packs (io_stream).
#ifndef GW_ELEMENTS_H_
#define GW_ELEMENTS_H_

#include "hls_stream.h"
#include "nnet_common.h"

namespace nnet {

struct gw_element_config {
    static const unsigned n_in = 1;
    // Elements of the last axis; rows of constants, 1 or n_chan; entries of a row.
    static const unsigned n_chan = 1;
    static const unsigned rows = 1;
    static const unsigned steps = 1;
    static const int bias = 0;
    static const int step = 1;
};

// The largest power of two that is not above n.
constexpr unsigned gw_floor_power(unsigned n) { return n < 2 ? n : 2 * gw_floor_power(n / 2); }

// bias + step * (how many of the ascending row's thresholds x has reached), by halving.
template <class CONFIG_T> struct gw_threshold_of {
    template <class data_T> static int apply(data_T x, const typename CONFIG_T::constant_t *row) {
        #pragma HLS INLINE
        unsigned count = 0;
        for (unsigned half = gw_floor_power(CONFIG_T::steps); half > 0; half /= 2) {
            #pragma HLS UNROLL
            if (count + half <= CONFIG_T::steps && row[count + half - 1] <= x) count += half;
        }
        return CONFIG_T::bias + CONFIG_T::step * (int)count;
    }
};

// row[x - bias].
template <class CONFIG_T> struct gw_lookup_of {
    template <class data_T>
    static typename CONFIG_T::constant_t apply(data_T x, const typename CONFIG_T::constant_t *row) {
        #pragma HLS INLINE
        return row[(int)x - CONFIG_T::bias];
    }
};

template <class CONFIG_T> struct gw_add_of {
    template <class data_T>
    static auto apply(data_T x, const typename CONFIG_T::constant_t *row) -> decltype(x + row[0]) {
        #pragma HLS INLINE
        return x + row[0];
    }
};

template <class CONFIG_T> struct gw_multiply_of {
    template <class data_T>
    static auto apply(data_T x, const typename CONFIG_T::constant_t *row) -> decltype(x * row[0]) {
        #pragma HLS INLINE
        return x * row[0];
    }
};

template <class data_T, class res_T, typename CONFIG_T>
void gw_elements(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in],
                 const typename CONFIG_T::constant_t constants[CONFIG_T::rows * CONFIG_T::steps]) {
    #pragma HLS PIPELINE
ElementLoop:
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        const unsigned row = CONFIG_T::rows == 1 ? 0 : i % CONFIG_T::n_chan;
        res[i] = (res_T)CONFIG_T::function::apply(data[i], constants + row * CONFIG_T::steps);
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void gw_elements(hls::stream<data_T> &data, hls::stream<res_T> &res,
                 const typename CONFIG_T::constant_t constants[CONFIG_T::rows * CONFIG_T::steps]) {
ElementLoop:
    for (unsigned i = 0; i < CONFIG_T::n_in / res_T::size; i++) {
        #pragma HLS PIPELINE
        data_T in_pack = data.read();
        res_T out_pack;
        PRAGMA_DATA_PACK(out_pack)
    PackLoop:
        for (unsigned j = 0; j < res_T::size; j++) {
            #pragma HLS UNROLL
            const unsigned row = CONFIG_T::rows == 1 ? 0 : (i * res_T::size + j) % CONFIG_T::n_chan;
            typedef typename res_T::value_type element;
            out_pack[j] = (element)CONFIG_T::function::apply(in_pack[j], constants + row * CONFIG_T::steps);
        }
        res.write(out_pack);
    }
}

// The index of the largest of n_chan elements, the first of equals, for each of n_in / n_chan rows.
template <class data_T, class res_T, typename CONFIG_T>
void gw_arg_max(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in / CONFIG_T::n_chan]) {
    #pragma HLS PIPELINE
RowLoop:
    for (unsigned i = 0; i < CONFIG_T::n_in / CONFIG_T::n_chan; i++) {
        #pragma HLS UNROLL
        unsigned best = 0;
        for (unsigned j = 1; j < CONFIG_T::n_chan; j++) {
            #pragma HLS UNROLL
            if (data[i * CONFIG_T::n_chan + j] > data[i * CONFIG_T::n_chan + best]) best = j;
        }
        res[i] = best;
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void gw_arg_max(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    typename data_T::value_type row[CONFIG_T::n_chan];
    for (unsigned i = 0; i < CONFIG_T::n_chan / data_T::size; i++) {
        #pragma HLS PIPELINE
        data_T pack = data.read();
        for (unsigned j = 0; j < data_T::size; j++) {
            #pragma HLS UNROLL
            row[i * data_T::size + j] = pack[j];
        }
    }
    res_T out_pack;
    unsigned best = 0;
    for (unsigned j = 1; j < CONFIG_T::n_chan; j++) {
        #pragma HLS UNROLL
        if (row[j] > row[best]) best = j;
    }
    out_pack[0] = best;
    res.write(out_pack);
}

} // namespace nnet

#endif
