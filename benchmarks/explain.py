"""The explain page of ResNet-50 on one image: time to make and write it, its size, time to open it.

    python benchmarks/explain.py [--network resnet50] [--rounds 3]

Beside it the bare forward and backward pass of the same module by autograd, and the user's processor time, which other
processes change less. Opening is timed in headless Chromium, from the navigation to the end of the page's
own script, where chromium and playwright are there. torch's compiler is imported before.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import torch

from convlens.explanation.explain import explain
from convlens.explanation.sample import sample_image
from convlens.report.explain import write_explanation_page
from convlens.zoo import card, network

GOAL_SECONDS, GOAL_MEGABYTES, GOAL_OPEN_SECONDS = 5.0, 6.0, 1.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--network", default="resnet50")
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    torch.manual_seed(0)
    module = network(chosen.network).eval()
    image = sample_image(card(chosen.network).input_shape[-1])
    x = image[None] * 2 - 1
    explain(network("small_convnet").eval(), torch.randn(1, 1, 28, 28))  # torch's compiler is imported once
    seconds, processor, bare = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        for _ in range(chosen.rounds):
            start, used = time.perf_counter(), time.process_time()
            write_explanation_page(explain(module, x, name=chosen.network, image=image), path)
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - used)
            start = time.perf_counter()
            module(x.requires_grad_()).amax().backward()
            bare.append(time.perf_counter() - start)
        megabytes = path.stat().st_size / 1e6
        print(
            f"{chosen.network}: page in {statistics.median(seconds):.2f} s (goal {GOAL_SECONDS:g}), of {chosen.rounds}"
        )
        print(f"bare forward and backward pass: {statistics.median(bare):.2f} s")
        print(f"size {megabytes:.2f} MB (goal {GOAL_MEGABYTES:g})")
        opened = [_seconds_to_open(path) for _ in range(chosen.rounds)]
    if None not in opened:
        print(f"opens in {statistics.median(filter(None, opened)):.2f} s (goal {GOAL_OPEN_SECONDS:g})")


def _seconds_to_open(path: Path) -> float | None:
    chromium = shutil.which("chromium")
    if chromium is None:
        print("not opened: no chromium here")
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(path.as_uri())
        milliseconds: float = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        browser.close()
        return milliseconds / 1000


if __name__ == "__main__":
    main()
