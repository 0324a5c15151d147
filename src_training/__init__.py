"""Training of the autoencoders and the diffusion model: ``python -m src_training``."""
