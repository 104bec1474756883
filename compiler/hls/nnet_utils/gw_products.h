// Products of gatewright for hls4ml's dense and convolution kernels, which take them as a type of their
// configuration: nnet::product::mult would do, these are what the graph means.
#ifndef GW_PRODUCTS_H_
#define GW_PRODUCTS_H_

#include "nnet_mult.h"

namespace nnet {
namespace product {

// -|a - w|, the term of an adder layer (AdderNet, Chen et al., CVPR 2020, equation 2); padding gives -|0 - w|.
template <class x_T, class w_T> class gw_distance : public Product {
  public:
    typedef ap_int<(x_T::width > w_T::width ? x_T::width : w_T::width) + 2> r_T;

    static r_T product(x_T a, w_T w) {
        #pragma HLS INLINE
        r_T d = (r_T)a - (r_T)w;
        return d < 0 ? d : (r_T)-d;
    }
};

// w * a for w in {-1, +1}: a binary layer's term, without a multiplier. Padding gives 0, as a is 0 there.
template <class x_T, class w_T> class gw_sign : public Product {
  public:
    typedef ap_int<x_T::width + 2> r_T;

    static r_T product(x_T a, w_T w) {
        #pragma HLS INLINE
        return w < 0 ? (r_T)-a : (r_T)a;
    }
};

} // namespace product
} // namespace nnet

#endif
