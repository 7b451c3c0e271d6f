"""The names of the package for type checkers: `__init__` imports them when they are first used."""

from fastconv.datasets import cifar10, cifar100, digits, fashion_mnist, idx, mnist

__all__ = ["cifar10", "cifar100", "digits", "fashion_mnist", "idx", "mnist"]
