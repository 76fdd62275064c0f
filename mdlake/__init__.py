"""mdlake: the ministry's lakehouse of register microdata, with a privacy layer between its two rooms."""

__all__ = ["__version__"]

__version__ = "0.1.0"
