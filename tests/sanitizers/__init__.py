"""Builds with GCC's sanitizers and random problems for them."""
