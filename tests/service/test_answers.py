"""What a service answers is what `predict` says."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import convlens
from tests.service.running import Running, image_file, serving


@pytest.fixture(scope="module")
def service(module_cache: Path) -> Iterator[Running]:
    with serving("house") as running:
        yield running


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, module_cache: Path) -> list[dict[str, float]]:
    """The probabilities of some images by `predict`."""
    folder = tmp_path_factory.mktemp("images")
    for seed in range(12):
        (folder / f"{seed:02}.png").write_bytes(image_file(seed))
    return [one.probabilities for one in convlens.predict("house", folder).predictions]


def difference(one: dict[str, float], other: dict[str, float]) -> float:
    assert one.keys() == other.keys()
    return max(abs(one[name] - other[name]) for name in one)


def test_an_answer_is_that_of_predict(service: Running, expected: list[dict[str, float]]) -> None:
    answer = service.predict(image_file(3))
    assert answer.status == 200
    assert difference(answer.json["probabilities"], expected[3]) < 1e-5
    assert answer.json["predicted"] == max(expected[3], key=expected[3].__getitem__)
    assert answer.json["milliseconds"] > 0
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "server" not in answer.headers


def test_probabilities_come_in_their_order_and_as_many_as_asked_for(service: Running) -> None:
    answer = service.ask("POST", "/predict?top=3", image_file(0))
    found = list(answer.json["probabilities"].values())
    assert len(found) == 3
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("top", ["0", "-1", "x", "1e3", "9" * 50, "%00"])
def test_another_top_is_refused(service: Running, top: str) -> None:
    answer = service.ask("POST", f"/predict?top={top}", image_file(0))
    assert (answer.status, answer.json["reason"]) == (400, "top")


def test_no_answer_is_lost_or_mixed_up_under_load(service: Running, expected: list[dict[str, float]]) -> None:
    def ask(number: int) -> float:
        answer = service.predict(image_file(number % 12))
        assert answer.status == 200
        return difference(answer.json["probabilities"], expected[number % 12])

    with ThreadPoolExecutor(24) as pool:
        assert max(pool.map(ask, range(240))) < 1e-4
    assert service.metric("convlens_batch_images_sum") / service.metric("convlens_batch_images_count") > 1.5
    assert service.metric("convlens_held_bytes") == 0
    assert service.metric("convlens_waiting_images") == 0


def test_several_images_in_one_request(service: Running, expected: list[dict[str, float]]) -> None:
    images = [image_file(0), b"GIF87a", image_file(5)]
    body = json.dumps({"images": [base64.b64encode(image).decode() for image in images]}).encode()
    answers = service.ask("POST", "/predict-batch", body).json["answers"]
    assert difference(answers[0]["probabilities"], expected[0]) < 1e-4
    assert answers[1]["reason"] in ("truncated", "unreadable")
    assert difference(answers[2]["probabilities"], expected[5]) < 1e-4


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'"x"', 400),
        (b'{"images": "x"}', 400),
        (b'{"images": [1]}', 400),
        (b'{"images": ["not base64!"]}', 400),
        (b"[" * 100_000, 400),
        (b"\xff\xfe", 400),
        (b'{"images": []}', 413),
        (json.dumps({"images": ["AAAA"] * 65}).encode(), 413),
    ],
    ids=lambda value: str(value)[:20],
)
def test_another_form_is_refused(service: Running, body: bytes, status: int) -> None:
    assert service.ask("POST", "/predict-batch", body).status == status


def test_it_explains(service: Running) -> None:
    answer = service.ask("POST", "/explain", image_file(1)).json
    assert answer["target"] == service.predict(image_file(1)).json["predicted"]
    assert answer["heat_map"].startswith("data:image/png;base64,")
    other = service.ask("POST", "/explain?target=goldfish", image_file(1)).json
    assert other["target"] == "goldfish"
    assert other["heat_map"] != answer["heat_map"]
    refused = service.ask("POST", "/explain?target=unicorn", image_file(1))
    assert (refused.status, refused.json["reason"]) == (404, "unknown-target")


def test_it_says_what_it_is(service: Running) -> None:
    assert service.ask("GET", "/health").json == {"status": "ready"}
    model = service.ask("GET", "/model").json
    assert (model["network"], len(model["classes"]), model["explains"]) == ("house", 200, True)
    document = service.ask("GET", "/openapi.json").json
    served = {"/predict", "/predict-batch", "/explain", "/model", "/health", "/metrics"}
    assert document["paths"].keys() == served
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert named <= document["components"]["schemas"].keys()


def test_the_page_may_run_its_script_and_ask_its_service_alone(service: Running) -> None:
    page = service.ask("GET", "/")
    policy = page.headers["content-security-policy"]
    (script,) = re.findall(r"<script>(.*)</script>", page.body.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert not re.findall(r"https?://", page.body.decode())


def test_unknown_routes_and_methods(service: Running) -> None:
    assert service.ask("GET", "/predict").status == 405
    for path in ("/nothing", "/../../etc/passwd", "/%2e%2e/etc/passwd", "/model/../../etc/passwd"):
        answer = service.ask("GET", path)
        assert answer.status == 404
        assert b"root:" not in answer.body


def test_animations_carry_a_remark(service: Running, tmp_path: Path) -> None:
    from PIL import Image

    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert "2 frames" in service.predict((tmp_path / "two.gif").read_bytes()).json["remark"]
