"""Forecasts sunspots with a Conv1D network: `python examples/sunspots.py`.

The sun's activity rises and falls in about eleven years, never twice alike. From the numbers of 24
years the network forecasts the next one. It learns from the years up to 1950 and is tested on those
after; two simple forecasts stand beside it: "as last year" and "as eleven years ago".
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from fastconv import layers, models
from fastconv.utils import set_random_seed

FILE = Path(__file__).with_name("sunspots.csv")
WINDOW = 24  # years that the network sees
LAST_TRAINING_YEAR = 1950
SCALE = 100.0


def load_series() -> tuple[np.ndarray, np.ndarray]:
    """The years 1700 to 2008 and their mean sunspot numbers."""
    rows = np.genfromtxt(FILE, delimiter=",", skip_header=3)
    return rows[:, 0].astype(int), rows[:, 1]


def windows(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x (N, WINDOW, 1): WINDOW years each; y (N, 1): the year that follows."""
    x = np.lib.stride_tricks.sliding_window_view(values[:-1], WINDOW)[..., None]
    return x, values[WINDOW:, None]


def build_model() -> models.Sequential:
    return models.Sequential(
        [
            layers.Input((WINDOW, 1)),
            # 5 years, then 5 steps of 5 years: rises, falls, and how they follow each other.
            layers.Conv1D(16, 5, activation="relu"),
            layers.Conv1D(16, 5, activation="relu"),
            layers.Flatten(),
            layers.Dense(16, activation="relu"),
            layers.Dense(1),
        ]
    )


def main(arguments: list[str] | None = None) -> dict[str, float]:
    """Train and test; returns the mean absolute errors, in sunspots, of the three forecasts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args(arguments)

    set_random_seed(1)
    years, spots = load_series()
    x, y = windows(spots / SCALE)
    training = years[WINDOW:] <= LAST_TRAINING_YEAR
    model = build_model()
    model.compile("adam", "mse")
    model.fit(x[training], y[training], batch_size=16, epochs=options.epochs, verbose=0)

    x, y = x[~training], SCALE * y[~training, 0]
    forecasts = {
        "network": SCALE * model.predict(x, verbose=0)[:, 0],
        "as last year": SCALE * x[:, -1, 0],
        "as eleven years ago": SCALE * x[:, -11, 0],
    }
    errors = {name: float(np.abs(forecast - y).mean()) for name, forecast in forecasts.items()}
    print(f"mean error over {len(y)} years after {LAST_TRAINING_YEAR}, in sunspots:")
    for name, error in errors.items():
        print(f"  {name:<20} {error:5.1f}")
    return errors


if __name__ == "__main__":
    main()
