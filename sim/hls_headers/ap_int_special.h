// In the place of the header of this name beside ap_int.h, which declares std::complex by itself, as only GNU's
// library allows; no network has complex numbers.
