"""How the page of `convlens explain` opens, and what fits into its boxes."""

import pytest

from convlens.tasks.explain import explain

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def resnet(tmp_path_factory, module_cache):
    made = explain("resnet18", weights="random", size=64)
    return made.explanation, made.save(tmp_path_factory.mktemp("opens") / "resnet18.html")


def test_it_opens_on_the_image_with_grad_cam(resnet, opened):
    page = opened(resnet[1]).page
    assert page.locator("[data-tab=image]").get_attribute("aria-selected") == "true"
    assert page.locator("svg.image image.layer").count() == 1
    assert page.locator("input[value=cam]").is_checked()


def test_a_click_on_a_node_describes_it_unless_the_image_shows_what_it_sees(resnet, opened):
    page = opened(resnet[1]).page
    page.locator("#graph .node", has_text="conv1").first.click()
    assert page.locator("[data-tab=node]").get_attribute("aria-selected") == "true"
    page.locator("[data-tab=image]").click()
    page.locator("input[value=field]").check()
    page.locator("#graph .node", has_text="maxpool").first.click()
    assert page.locator("[data-tab=image]").get_attribute("aria-selected") == "true"
    assert "maxpool" in page.locator("#panel").text_content()


def test_an_input_that_is_no_image_opens_on_a_node(tmp_path, opened):
    import torch
    from torch import nn

    made = explain(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.randn(1, 3))
    page = opened(made.save(tmp_path / "plain.html")).page
    assert page.locator("[data-tab=node]").get_attribute("aria-selected") == "true"


def test_texts_fit_into_their_boxes(resnet, opened):
    page = opened(resnet[1]).page
    for _ in range(3):
        for folded in page.locator("#graph .node.folded").all()[:2]:
            folded.dispatch_event("dblclick")
    too_wide = page.evaluate(
        """[...document.querySelectorAll("#graph .node")].filter((node) => {
            const width = node.querySelector(".body").getBBox().width;
            return [...node.querySelectorAll("text")].some((text) => text.getBBox().width > width - 12);
        }).length"""
    )
    assert page.locator("#graph .node").count() > 10
    assert too_wide == 0


def test_paths_that_join_are_named_by_their_modules(resnet, opened):
    page = opened(resnet[1]).page
    page.locator("[data-tab=flow]").click()
    names = page.locator("#panel .join span:first-child").all_text_contents()
    assert any(name.startswith("layer2.0.downsample.0 ") for name in names)
    assert all("." in name or name.split()[0] in ("conv1", "maxpool") for name in names)
    links = page.locator("#panel th .link").all_text_contents()
    assert "layer1.0.relu" in links


def test_nothing_is_wider_than_a_phone(resnet, opened):
    page = opened(resnet[1]).page
    page.set_viewport_size({"width": 390, "height": 844})
    for tab in ("image", "node", "flow", "about"):
        page.locator(f"[data-tab={tab}]").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
