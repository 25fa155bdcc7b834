"""Proof that an image can be built again, byte for byte, by somebody else somewhere else."""
