"""Programs that train the same networks on the same rows, timed against one another by benchmarks/peers.py.

Each runs as a process of its own (`protocol`), given one `work.Work`: `ours` is Mooring, `torch_loop` a lean PyTorch
loop, eager or compiled, `jax_script` a jitted update called from Python, `d3rlpy_fit` is d3rlpy's own `fit`.
"""
