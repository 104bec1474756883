"""What methods that train share: layers with quantizers, how networks get them, how they end as integers."""
