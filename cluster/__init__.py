"""More than one computer: work spread over a Dask cluster. Nothing here is loaded without ``--on``."""
