"""Write what `keras.applications` says of its networks into `zoo.npz`: name, output shape and
parameters of every layer, and outputs of two small ones for weights that are made by rule.

Run by hand, never by the tests, in an environment that holds Keras 3.15 and TensorFlow::

    python -m tests.golden.make_zoo
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from tests.golden.golden_file import save
from tests.golden.zoo_weights import pictures, weights

TABLES = {
    "vgg16": keras.applications.VGG16,
    "vgg19": keras.applications.VGG19,
    "resnet50": keras.applications.ResNet50,
    "mobilenet": keras.applications.MobileNet,
}
OUTPUTS = {  # options, and the scale of the normalizations
    "resnet50": ({"input_shape": (64, 64, 3), "classes": 10}, 0.6),
    "mobilenet": ({"input_shape": (64, 64, 3), "classes": 10, "alpha": 0.25}, 1.3),
}


def main() -> None:
    cases, arrays = [], {}
    for name, make in TABLES.items():
        model = make(weights=None)
        table = [
            [layer.name, list(layer.output.shape[1:]), layer.count_params()]
            for layer in model.layers
            if not isinstance(layer, keras.layers.InputLayer)
        ]
        cases.append({"what": "table", "name": name, "layers": table})
        keras.backend.clear_session()
    for name, (options, gamma) in OUTPUTS.items():
        model = TABLES[name](weights=None, **options)
        shapes = [(weight.name, weight.shape) for weight in model.weights]
        model.set_weights(weights(shapes, gamma))
        key = f"{name}/output"
        arrays[key] = model.predict(pictures(options["input_shape"]), verbose=0)
        cases.append(
            {"what": "output", "name": name, "options": options, "gamma": gamma, "array": key}
        )
    save("zoo.npz", cases, arrays)


if __name__ == "__main__":
    main()
