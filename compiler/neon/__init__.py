"""ARM NEON back end: the integer graph to TVM TensorIR kernels, an object file and a C interface."""
