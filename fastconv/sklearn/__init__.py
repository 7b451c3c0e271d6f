"""Convolutional networks as scikit-learn estimators: `ConvClassifier` and `ConvRegressor`.

scikit-learn speaks of tables (samples, features); networks of pictures (samples, height, width,
channels). An estimator here takes either. Pictures are checked as the table of their pixels, so
`n_features_in_`, pipelines and `GridSearchCV` see what they expect, and a table becomes pictures
again by `image_shape` when it goes into the network:

    X (N, ...) -> table (N, features) -> scikit-learn's checks -> (N, *sample shape) -> the network

`estimator` holds what both share, `classifier` and `regressor` what labels mean, and `network` the
small default network. Needs scikit-learn (`pip install 'fastconv[sklearn]'`).

>>> from fastconv.datasets import digits
>>> from fastconv.sklearn import ConvClassifier
>>> (x_train, y_train), (x_test, y_test) = digits.load_data()
>>> classifier = ConvClassifier(epochs=10, random_state=0).fit(x_train / 16, y_train)
>>> bool(classifier.score(x_test / 16, y_test) > 0.9)
True
"""

try:
    import sklearn  # noqa: F401
except ImportError:
    raise ImportError(
        "fastconv.sklearn needs scikit-learn: pip install 'fastconv[sklearn]'"
    ) from None

from fastconv.sklearn.classifier import ConvClassifier
from fastconv.sklearn.regressor import ConvRegressor

__all__ = ["ConvClassifier", "ConvRegressor"]
