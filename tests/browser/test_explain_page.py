"""The page of `convlens explain` in a browser: what a person does with it, and that its numbers are the record's."""

import pytest
import torch
from torch import nn

from convlens.report.complexity import write_complexity_pages
from convlens.report.explain import write_explanation_page
from convlens.studies.complexity import study_complexity
from convlens.tasks.explain import explain

pytestmark = pytest.mark.browser

NETWORKS = {"mlp": None, "small_convnet": None, "resnet18": 64, "densenet121": 64, "context_module": None}
"""Network -> side of the input; None for its own."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory, module_cache):
    """Explanations and their pages by network, each made once."""
    folder, made = tmp_path_factory.mktemp("explain"), {}

    def page(name):
        if name not in made:
            one = causal_stack() if name == "causal_stack" else explain(name, weights="random", size=NETWORKS[name])
            made[name] = one.explanation, one.save(folder / f"{name}.html")
        return made[name]

    return page


def causal_stack():
    """On 64 time steps: its own 16,000 take minutes."""
    from convlens.zoo import network

    torch.manual_seed(0)
    return explain(network("causal_stack").eval(), torch.randn(1, 256, 64))


@pytest.mark.parametrize("name", [*NETWORKS, "causal_stack"])
def test_fold_unfold_search_select_step(name, pages, opened):
    explanation, path = pages(name)
    one = opened(path)
    page = one.page
    shown = page.locator("#graph .node").count()
    assert shown >= 1

    folded = page.locator("#graph .node.folded")
    if folded.count():
        folded.first.dblclick()
        assert page.locator("#graph .node").count() > shown
        page.locator("#fold-all").click()
        assert page.locator("#graph .node").count() <= shown

    node = next(node for node in explanation.nodes if node.parameters)
    page.locator("#search").fill(node.id)
    page.locator("#search").press("Enter")
    assert "found" in page.locator("#found").text_content()
    assert f"{node.parameters:,}" in page.locator("#panel").text_content()
    assert node.operator in page.locator("#panel").text_content()

    page.locator("#step-forward").click()
    assert f"Forward, step 1 of {len(explanation.nodes)}" in page.locator("#panel").text_content()
    page.locator("#step-forward").click()
    assert explanation.nodes[1].operator in page.locator("#panel").text_content()
    page.locator("#step-back").click()
    assert explanation.nodes[0].operator in page.locator("#panel").text_content()


def test_stepping_backward_shows_the_very_numbers(pages, opened):
    explanation, path = pages("mlp")
    page = opened(path).page
    for _ in range(2 * len(explanation.nodes)):
        page.locator("#step-forward").click()
        text = page.locator("#panel .phase").text_content()
        number = int(text.split()[2])
        backward = text.startswith("Backward")
        node = explanation.nodes[-number] if backward else explanation.nodes[number - 1]
        told = node.upstream_numbers if backward else node.numbers
        if told is not None:
            row = page.locator("#panel table.tensor").first.locator("td")
            values = [float(row.nth(i).get_attribute("data-value")) for i in range(row.count())]
            assert values == torch.tensor(told, dtype=torch.float64).flatten().tolist()
    assert text == f"Backward, step {len(explanation.nodes)} of {len(explanation.nodes)}"


def test_the_local_gradient_tensor_of_a_small_linear_layer(tmp_path, opened):
    """∂z/∂w of the last layer of a binary classifier, index by index."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1), nn.Sigmoid())
    made = explain(module, torch.randn(1, 3))
    page = opened(made.save(tmp_path / "binary.html")).page
    last = [node for node in made.explanation.nodes if node.operator == "aten.linear.default"][-1]
    page.locator("#search").fill(last.id)
    page.locator("#search").press("Enter")
    text = page.locator("#panel").text_content()
    assert "Local gradient tensor" in text
    shapes = {local.wrt: local.shape for local in last.local_gradients}
    assert shapes["2.weight"] == [1, 1, 1, 4]


def test_paths_of_a_residual_block(pages, opened):
    explanation, path = pages("resnet18")
    joined = next(node for node in explanation.nodes if len(node.contributions) == 2)
    page = opened(path).page
    page.locator("#search").fill(joined.id)
    page.locator("#search").press("Enter")
    panel = page.locator("#panel").text_content()
    assert "Contribution of each path" in panel
    page.locator("[data-tab=flow]").click()
    assert page.locator("#panel svg.flow .dot").count() == len([p for p in explanation.flow.points if p.size > 0])


def test_the_receptive_field_follows_the_pointer(pages, opened):
    explanation, path = pages("resnet18")
    node = next(node for node in explanation.nodes if node.title == "maxpool")
    page = opened(path).page
    page.locator("#search").fill("maxpool")
    page.locator("#search").press("Enter")
    page.locator("[data-tab=image]").click()
    page.locator("input[value=field]").click()
    image = page.locator("svg.image")
    for x, y in ((0.2, 0.3), (0.7, 0.6)):
        area = image.bounding_box()
        image.click(position={"x": x * area["width"], "y": y * area["height"]})
        field = page.locator("svg.image .field")
        left, width = (float(field.get_attribute(key)) for key in ("x", "width"))
        assert width == node.field[1].size
        place = (left - node.field[1].offset) / node.field[1].stride
        assert place == int(place)
        assert abs(left + width / 2 - x * 64) <= node.field[1].stride


class RepeatedRow(nn.Module):
    """One row repeated over the height: a field of stride 0 along that axis."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        return (y[:, :, :1].expand_as(y) * 2).mean((2, 3))


def test_the_field_of_a_repeated_axis_stays_where_it_is(tmp_path, opened):
    """Every place along that axis sees the same, and a division by its stride would say that it sees nothing."""
    made = explain(RepeatedRow(), torch.randn(1, 3, 12, 16))
    node = next(node for node in made.explanation.nodes if node.operator == "aten.mul.Tensor")
    assert [(axis.size, axis.stride, axis.offset) for axis in node.field] == [(14, 0, -1), (3, 1, -1)]
    page = opened(made.save(tmp_path / "repeated.html")).page
    page.locator("#search").fill(node.id)
    page.locator("#search").press("Enter")
    page.locator("[data-tab=image]").click()
    page.locator("input[value=field]").click()
    image, field = page.locator("svg.image"), page.locator("svg.image .field")
    for x, y, column in ((0.5, 0.5, 8), (0.03, 0.95, 0), (0.97, 0.05, 15)):
        area = image.bounding_box()
        image.click(position={"x": x * area["width"], "y": y * area["height"]})
        drawn = {key: float(field.get_attribute(key)) for key in ("x", "y", "width", "height")}
        assert drawn == {"x": column - 1, "y": -1, "width": 3, "height": 14}
        assert f"place 0, {column} of 12 × 16, sees 14 × 3 px" in page.locator("#panel").text_content()


def test_a_module_of_ones_own_shows_its_input(tmp_path, opened):
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    page = opened(explain(module, torch.randn(1, 3, 12, 12)).save(tmp_path / "own.html")).page
    assert page.locator("svg.image image").count() == 2  # with Grad-CAM
    page.locator("input[value=none]").click()
    assert page.locator("svg.image image").count() == 1


def test_versus_draws_two_networks(tmp_path, opened, cache):
    made = explain("resnet20", weights="random", versus="plain20")
    page = opened(made.save(tmp_path / "versus.html")).page
    page.locator("[data-tab=flow]").click()
    assert page.locator("#panel .line").count() == 2
    assert "plain20" in page.locator("#panel").text_content()


def test_names_are_text_and_nothing_else(pages, tmp_path, opened):
    """Markup in names is shown, not obeyed, also where it would end the record."""
    evil = "</script><img src=x onerror=alert(1)>"
    explanation, _ = pages("mlp")
    changed = explanation.model_copy(update={"network": evil, "target": evil, "notes": [evil]})
    page = opened(write_explanation_page(changed, tmp_path / "evil.html")).page
    assert page.locator("h1").text_content() == evil
    page.locator("[data-tab=about]").click()
    assert evil in page.locator("#panel").text_content()
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize(("width", "height"), [(390, 800), (1300, 900)])
def test_it_fits_a_phone_and_a_laptop(pages, opened, width, height):
    _, path = pages("resnet18")
    page = opened(path, width, height).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_keys(pages, opened):
    _, path = pages("small_convnet")
    page = opened(path).page
    page.keyboard.press("f")
    assert "Forward, step 1" in page.locator("#panel").text_content()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"


def focused(page):
    """The id of the node or box that has the focus."""
    return page.evaluate("document.activeElement.dataset.id ?? document.activeElement.dataset.box")


@pytest.mark.parametrize("key", ["Enter", " "])
def test_folding_by_key_keeps_the_focus(pages, opened, key):
    _, path = pages("resnet18")
    page = opened(path).page
    folded = page.locator("#graph .node.folded").first
    box = folded.get_attribute("data-id")
    folded.focus()
    for expanded in ("true", "false"):
        page.keyboard.press(key)
        assert focused(page) == box
        assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == expanded
    page.keyboard.press("ArrowDown")
    assert focused(page) == page.locator("#graph .node.selected").get_attribute("data-id") != box


def test_the_choice_of_the_overlay_keeps_the_focus(pages, opened):
    _, path = pages("small_convnet")
    page = opened(path).page
    page.locator("[data-tab=image]").click()
    page.locator("input[value=field]").focus()
    for value in ("effective", "cam"):
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.value") == value
        assert page.locator(f"input[value={value}]").is_checked()


def test_tabs_by_key(pages, opened):
    _, path = pages("small_convnet")
    page = opened(path).page
    page.locator("[data-tab=node]").focus()
    for key, tab in (("ArrowRight", "image"), ("End", "about"), ("ArrowRight", "node"), ("ArrowLeft", "about")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.tab") == tab
        panel = page.get_by_role("tabpanel")
        assert panel.get_attribute("aria-labelledby") == f"tab-{tab}"
        assert page.locator(f"#tab-{tab}").get_attribute("aria-controls") == panel.get_attribute("id")
    assert page.locator("[data-tab][tabindex='0']").count() == 1


def test_tables_of_a_report_sort(opened, tmp_path, cache):
    page = opened(write_complexity_pages(study_complexity(("alexnet", "squeezenet1_1"), measure=False), tmp_path)).page
    names = page.locator("table.sortable tbody th")
    page.locator("table.sortable thead button", has_text="parameters").first.click()
    assert names.all_text_contents() == ["squeezenet1_1", "alexnet"]
    page.locator("table.sortable thead button", has_text="parameters").first.click()
    assert names.all_text_contents() == ["alexnet", "squeezenet1_1"]
