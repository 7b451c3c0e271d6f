"""Objects and progress in notebooks: what a cell displays, and what a saved notebook has."""

from __future__ import annotations

import os
import re
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from fastconv import callbacks, explain, layers, models, optimizers, zoo
from fastconv.callbacks.history import History
from fastconv.common import html


def parsed(text: str) -> ElementTree.Element:
    """The HTML as a tree; an error if tags are not closed or names not escaped."""
    return ElementTree.fromstring(f"<div>{text.replace('<br>', '<br/>')}</div>")


def cells(tree: ElementTree.Element) -> list[str]:
    return ["|".join(cell.itertext()) for cell in tree.iter("td")]


def network() -> models.Sequential:
    return models.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(4, 3, name="a<b"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


def test_a_model_is_shown_as_its_summary():
    tree = parsed(network()._repr_html_())
    assert cells(tree)[:3] == ["a<b (Conv2D)", "(None, 6, 6, 4)", "40"]
    assert "Total params: 330" in "".join(tree.itertext())


def test_a_graph_and_a_model_that_is_not_built_are_shown():
    x = layers.Input((4, 4, 2))
    graph = models.Model(x, layers.Add()([x, layers.Conv2D(2, 3, padding="same")(x)]))
    assert any("conv2d" in cell for cell in cells(parsed(graph._repr_html_())))
    assert "?" in cells(parsed(models.Sequential([layers.Dense(2)])._repr_html_()))


def test_a_layer_is_shown_with_its_shapes_and_arguments():
    layer = network().layers[0]
    rows = {row[0].text: row[1].text for row in parsed(layer._repr_html_()).iter("tr")}
    assert rows["output"] == "(None, 6, 6, 4)"
    assert rows["parameters"] == "40"
    assert rows["kernel_initializer"] == "GlorotUniform"
    assert "output" not in layers.Dense(3)._repr_html_()


def test_an_optimizer_is_shown_with_its_settings():
    rows = list(parsed(optimizers.SGD(0.5, momentum=0.9)._repr_html_()).iter("tr"))
    assert ["momentum", "0.9"] in [[cell.text for cell in row] for row in rows]


def test_a_history_is_shown_as_curves():
    history = History()
    history.on_train_begin()
    for epoch, loss in enumerate((2.0, np.nan, 0.5)):
        history.on_epoch_end(epoch, {"loss": loss, "per output": np.ones(2)})
    tree = parsed(history._repr_html_())
    assert cells(tree)[:3] == ["loss", "2", "0.5"]
    assert len(list(tree.iter("polyline"))) == 2
    assert "nan" not in ElementTree.tostring(tree, "unicode")
    assert isinstance(parsed(History()._repr_html_()), ElementTree.Element)


def test_a_curve_spans_its_picture():
    points = re.search(r'points="([^"]*)"', html.of_curve([1.0, 3.0, 2.0], 120, 24))[1]
    assert points == "2.0,22.0 60.0,2.0 118.0,12.0"
    assert html.of_curve([1.0]) == ""


def test_an_explanation_is_shown_as_tables_and_has_a_short_repr():
    report = explain(zoo.lenet5())
    tree = parsed(report._repr_html_())
    assert len(list(tree.iter("table"))) == 2
    assert "5*5*1*6 + 6 = 156" in cells(tree)
    assert repr(report) == (
        "<Explanation of lenet5: 10 layers, 61,706 parameters, 416,520 multiply-adds>"
    )


NOTEBOOK = [
    "import numpy as np\nfrom fastconv import explain, layers, models, viz",
    "x, y = np.random.default_rng(1).random((256, 8, 8, 1)), np.arange(256) % 2\n"
    "model = models.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Flatten(),\n"
    "    layers.Dense(2, activation='softmax')])\n"
    "model.compile('sgd', 'sparse_categorical_crossentropy', metrics=['accuracy'])\n"
    "history = model.fit(x, y, epochs=3, batch_size=8)",
    "history",
    "print(explain(model))",
    "viz.history(history)",
    "figure = viz.history(history)",
    "text = []\nmodel.summary(print_fn=text.append)",
]


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The outputs of the cells of `NOTEBOOK`."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    folder = tmp_path_factory.mktemp("notebook")
    kernel = folder / "kernels" / "here"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    text = str(command).replace("'", '"')
    (kernel / "kernel.json").write_text(f'{{"argv": {text}, "display_name": "here"}}')
    cells = [nbformat.v4.new_code_cell(source) for source in NOTEBOOK]
    notebook = nbformat.v4.new_notebook(cells=cells)
    before = os.environ.get("JUPYTER_PATH")
    os.environ["JUPYTER_PATH"] = str(folder)
    try:
        nbclient.NotebookClient(notebook, timeout=100, kernel_name="here").execute()
    finally:
        os.environ.pop("JUPYTER_PATH")
        if before is not None:
            os.environ["JUPYTER_PATH"] = before
    return [cell.outputs for cell in notebook.cells]


@pytest.mark.filterwarnings("default")  # of Jupyter's own modules
class TestInANotebook:
    def test_training_leaves_a_line_per_epoch(self, executed):
        lines = [output["data"]["text/plain"] for output in executed[1]]
        assert [line.split(" 32/32 ")[0] for line in lines] == [f"Epoch {n}/3" for n in (1, 2, 3)]
        assert all("\x1b" not in line and "accuracy: " in line for line in lines)
        assert all("<pre" in output["data"]["text/html"] for output in executed[1])

    def test_a_history_is_a_table(self, executed):
        (output,) = executed[2]
        assert "<polyline" in output["data"]["text/html"]

    def test_a_printed_explanation_has_no_line_to_break(self, executed):
        (output,) = executed[3]
        assert max(map(len, output["text"].split("\n"))) <= 80

    def test_a_figure_is_shown_once_and_only_if_it_is_the_value_of_a_cell(self, executed):
        (output,) = executed[4]
        assert "image/png" in output["data"]
        assert executed[5] == []

    def test_a_summary_that_goes_elsewhere_is_not_shown(self, executed):
        assert executed[6] == []


def test_without_a_notebook_the_line_is_printed(capsys):
    progress = callbacks.ProgbarLogger()
    progress.set_params({"verbose": 1, "epochs": 1, "steps": 2})
    assert not html.in_notebook()
    model = network()
    model.compile("sgd", "mse")
    model.fit(np.zeros((4, 8, 8, 1)), np.zeros((4, 2)), batch_size=2, verbose=1)
    assert re.match(r"2/2 ━+ 0s \S+/step - loss: ", capsys.readouterr().out)
