"""Wide and deep: several inputs, several outputs, normalized columns."""

import numpy as np

import fastconv as keras
from tests.listings.material import start

generator = np.random.default_rng(42)
X_train = generator.normal(3.0, 2.0, (64, 8)).astype("float32")
y_train = X_train[:, :2].sum(axis=1, keepdims=True)
X_valid = generator.normal(3.0, 2.0, (32, 8)).astype("float32")
y_valid = X_valid[:, :2].sum(axis=1, keepdims=True)

# One input, in the functional style.
normalization_layer = keras.layers.Normalization()
hidden_layer1 = keras.layers.Dense(30, activation="relu")
hidden_layer2 = keras.layers.Dense(30, activation="relu")
concat_layer = keras.layers.Concatenate()
output_layer = keras.layers.Dense(1)

input_ = keras.layers.Input(shape=X_train.shape[1:])
normalized = normalization_layer(input_)
hidden1 = hidden_layer1(normalized)
hidden2 = hidden_layer2(hidden1)
concat = concat_layer([normalized, hidden2])
output = output_layer(concat)
model = keras.Model(inputs=[input_], outputs=[output])
normalization_layer.adapt(X_train)
for layer in (hidden_layer1, hidden_layer2, output_layer):
    start(layer)
model.compile(
    loss="mse",
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    metrics=["RootMeanSquaredError"],
)
one = model.fit(
    X_train, y_train, epochs=3, shuffle=False, validation_data=(X_valid, y_valid), verbose=0
)
mse_test, rmse_test = model.evaluate(X_valid, y_valid, verbose=0)

# Two inputs and two outputs, by position.
input_wide = keras.layers.Input(shape=[5], name="input_wide")
input_deep = keras.layers.Input(shape=[6], name="input_deep")
norm_layer_wide = keras.layers.Normalization()
norm_layer_deep = keras.layers.Normalization()
norm_wide = norm_layer_wide(input_wide)
norm_deep = norm_layer_deep(input_deep)
hidden1 = keras.layers.Dense(30, activation="relu")(norm_deep)
hidden2 = keras.layers.Dense(30, activation="relu")(hidden1)
concat = keras.layers.concatenate([norm_wide, hidden2])
output = keras.layers.Dense(1, name="output")(concat)
aux_output = keras.layers.Dense(1, name="aux_output")(hidden2)
both = keras.Model(inputs=[input_wide, input_deep], outputs=[output, aux_output])
start(both)
X_train_wide, X_train_deep = X_train[:, :5], X_train[:, 2:]
X_valid_wide, X_valid_deep = X_valid[:, :5], X_valid[:, 2:]
norm_layer_wide.adapt(X_train_wide)
norm_layer_deep.adapt(X_train_deep)
both.compile(
    loss=("mse", "mse"),
    loss_weights=(0.9, 0.1),
    optimizer=keras.optimizers.Adam(learning_rate=1e-3),
    metrics=["RootMeanSquaredError", "RootMeanSquaredError"],
)
two = both.fit(
    (X_train_wide, X_train_deep),
    (y_train, y_train),
    epochs=2,
    shuffle=False,
    validation_data=((X_valid_wide, X_valid_deep), (y_valid, y_valid)),
    verbose=0,
)
eval_results = both.evaluate((X_valid_wide, X_valid_deep), (y_valid, y_valid), verbose=0)
weighted_sum_of_losses, main_loss, aux_loss, *_ = eval_results
by_key = both.evaluate(
    (X_valid_wide, X_valid_deep), (y_valid, y_valid), return_dict=True, verbose=0
)
y_pred_main, y_pred_aux = both.predict((X_valid_wide[:3], X_valid_deep[:3]), verbose=0)
y_pred_tuple = both.predict((X_valid_wide[:3], X_valid_deep[:3]), verbose=0)
y_pred = dict(zip(both.output_names, y_pred_tuple, strict=True))


# The same as a class.
class WideAndDeepModel(keras.Model):
    def __init__(self, units=30, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.norm_layer_wide = keras.layers.Normalization()
        self.norm_layer_deep = keras.layers.Normalization()
        self.hidden1 = keras.layers.Dense(units, activation=activation)
        self.hidden2 = keras.layers.Dense(units, activation=activation)
        self.main_output = keras.layers.Dense(1)
        self.aux_output = keras.layers.Dense(1)

    def call(self, inputs):
        input_wide, input_deep = inputs
        norm_wide = self.norm_layer_wide(input_wide)
        norm_deep = self.norm_layer_deep(input_deep)
        hidden1 = self.hidden1(norm_deep)
        hidden2 = self.hidden2(hidden1)
        concat = keras.layers.concatenate([norm_wide, hidden2])
        output = self.main_output(concat)
        aux_output = self.aux_output(hidden2)
        return output, aux_output


subclassed = WideAndDeepModel(30, activation="relu", name="my_cool_model")
subclassed.compile(
    loss=["mse", "mse"], loss_weights=[0.9, 0.1], optimizer="adam",
    metrics=["RootMeanSquaredError", "RootMeanSquaredError"],
)  # fmt: skip
subclassed.norm_layer_wide.adapt(X_train_wide)
subclassed.norm_layer_deep.adapt(X_train_deep)
subclassed.fit((X_train_wide, X_train_deep), (y_train, y_train), verbose=0)  # builds the layers
for layer in (
    subclassed.hidden1,
    subclassed.hidden2,
    subclassed.main_output,
    subclassed.aux_output,
):
    start(layer)
three = subclassed.evaluate((X_valid_wide, X_valid_deep), (y_valid, y_valid), verbose=0)
subclassed_pair = subclassed.predict((X_valid_wide, X_valid_deep), verbose=0)

# Labels by name.
named = keras.Model(
    inputs={"wide": input_wide, "deep": input_deep},
    outputs={"output": output, "aux_output": aux_output},
)
named.compile(
    loss={"output": "mse", "aux_output": "mae"},
    loss_weights={"output": 0.9, "aux_output": 0.1},
    optimizer="sgd",
    metrics={"output": ["mae"], "aux_output": ["mse"]},
)
by_name = named.evaluate(
    {"wide": X_valid_wide, "deep": X_valid_deep},
    {"output": y_valid, "aux_output": y_valid},
    return_dict=True,
    verbose=0,
)

results = {
    "one": one.history["loss"] + one.history["val_RootMeanSquaredError"],
    "test": [mse_test, rmse_test],
    "statistics": np.ravel(normalization_layer.mean),
    "two": two.history["loss"],
    "keys": sorted(two.history),
    "evaluated": [weighted_sum_of_losses, main_loss, aux_loss, len(eval_results)],
    "by_key": [by_key[key] for key in sorted(by_key)],
    "predicted": np.concatenate([y_pred_main, y_pred_aux, *y_pred.values()]),
    "names": sorted(y_pred),
    "three": three[0],
    "pair": np.concatenate(subclassed_pair),
    "by_name": [by_name[key] for key in sorted(by_name)],
    "by_name_keys": sorted(by_name),
}
