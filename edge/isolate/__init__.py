"""``--isolate``: the pipeline in a process of its own, which ``parent`` keeps alive."""
