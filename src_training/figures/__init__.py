"""The paper's figures, and some that it lacks, drawn from what ``table`` left: one module a figure."""

from src_training.figures.stage import figures

__all__ = ["figures"]
