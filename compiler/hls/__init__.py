"""HLS: an integer graph as an hls4ml model, whose types hold exactly its integers."""
