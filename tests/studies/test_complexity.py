"""The study of accuracy against complexity: what is counted, what is drawn."""

import json
import sys
import time
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from convlens import zoo
from convlens.core.complexity import ComplexityStudy
from convlens.core.energy import energy_meter
from convlens.core.errors import MachineError, UsageError
from convlens.report.complexity import write_complexity_pages
from convlens.report.labels import place_labels
from convlens.studies import complexity as module
from convlens.studies.complexity import complexity_pages, study_complexity
from convlens.studies.memory import peak_bytes
from convlens.zoo.counts import counts
from tests.cli import process

SMALL = ("squeezenet1_1", "alexnet")


@pytest.fixture(scope="module")
def study():
    return study_complexity(SMALL, measure=False)


def test_points_are_our_counts_and_the_cards(study):
    for point in study.points:
        counted = counts(point.name)
        assert (point.parameters, point.multiply_adds) == (counted.parameters, counted.multiply_adds)
        assert point.top1 == zoo.weight_card(point.name, point.weights).top1
        assert point.images_per_second is None


def powercap(folder, **zones):
    """A folder as /sys/class/powercap: name of a zone -> its counter in microjoules. Each starts over at 1000."""
    for number, (name, counter) in enumerate(zones.items()):
        zone = folder / f"intel-rapl:{number}"
        zone.mkdir(parents=True, exist_ok=True)
        (zone / "name").write_text(f"{name.replace('_', '-')}\n")
        (zone / "max_energy_range_uj").write_text("1000\n")
        (zone / "energy_uj").write_text(f"{counter}\n")
    return folder


def test_the_energy_of_all_packages_is_summed_and_counters_start_over(tmp_path):
    meter = energy_meter(powercap(tmp_path, package_0=900, package_1=100, psys=0, core=0))
    before = meter.reading()
    powercap(tmp_path, package_0=50, package_1=400, psys=777, core=333)
    assert before == (900, 100)
    assert meter.joules(before, meter.reading()) == pytest.approx((150 + 300) / 1e6)


def test_without_a_counter_that_can_be_read_there_is_no_meter(tmp_path):
    assert energy_meter(tmp_path / "missing") is None
    assert energy_meter(powercap(tmp_path / "parts", psys=1, core=1)) is None
    powercap(tmp_path / "closed", package_0=1)
    (tmp_path / "closed/intel-rapl:0/energy_uj").unlink()
    assert energy_meter(tmp_path / "closed") is None


class Meter:
    """Two joules between any two readings."""

    def reading(self):
        return ()

    def joules(self, before, after):
        return 2.0


@pytest.fixture(scope="module")
def measured():
    """One small network, measured in batches of two, on a machine that counts energy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convlens.studies.complexity._LEAST_SECONDS", 0.0)
        patch.setattr("convlens.studies.complexity.energy_meter", Meter)
        return study_complexity(("squeezenet1_1",), batch=2)


def test_speed_and_energy_are_measured(measured):
    (point,) = measured.points
    assert point.images_per_second > 0.1
    assert point.joules_per_image == 2.0 / (3 * 2)


def test_memory_holds_the_weights_and_the_largest_values_but_not_all_of_them(measured):
    """The bounds of one batch of two images: input and output of the first layer stand beside the weights."""
    (point,) = measured.points
    weights, images, first = 4 * point.parameters, 2 * 4 * 3 * 224 * 224, 2 * 4 * 64 * 111 * 111
    assert weights + images + first <= point.peak_bytes < weights + 2 * point.activation_bytes + 50e6


def test_memory_grows_with_the_batch_and_not_with_the_process_that_asks(measured):
    ballast = bytearray(b"1") * 500_000_000
    eight = peak_bytes("squeezenet1_1", 8)
    assert measured.points[0].peak_bytes + 6 * 4 * (3 * 224 * 224 + 64 * 111 * 111) * 0.9 < eight < len(ballast)


def test_a_network_whose_memory_cannot_be_measured_is_named():
    with pytest.raises(MachineError, match="the memory of squeezenet1_1 could not be measured"):
        peak_bytes("squeezenet1_1", -1)


def test_the_page_shows_memory_and_energy(measured, study, tmp_path):
    text = write_complexity_pages(measured, tmp_path).read_text()
    assert '<th scope="col" class="n">memory</th><th scope="col" class="n">J per image</th>' in text
    assert f"{measured.points[0].peak_bytes / 1e6:.1f}\u00a0MB</td>" in text
    assert ">0.333</td>" in text
    assert ElementTree.parse(tmp_path / "memory.svg").getroot().tag.endswith("svg")
    assert "Nothing was measured on a machine" in write_complexity_pages(study, tmp_path / "other").read_text()
    assert not (tmp_path / "other/memory.svg").exists()


def test_the_command_tells_memory_and_energy(measured, tmp_path, monkeypatch, convlens):
    monkeypatch.setattr("convlens.studies.complexity.complexity_pages", lambda *_, **__: (measured, tmp_path))
    outcome = convlens("study", "complexity", "squeezenet1_1", "--out", tmp_path)
    assert f"  {measured.points[0].peak_bytes / 1e6:.1f} MB  0.333 J/image\n" in outcome.out


def test_a_record_from_before_memory_was_measured_can_be_drawn(measured, tmp_path):
    record = json.loads(measured.to_json())
    for point in record["points"]:
        del point["peak_bytes"], point["joules_per_image"]
    text = write_complexity_pages(ComplexityStudy.from_json(json.dumps(record), "old"), tmp_path).read_text()
    assert "Memory was not measured" in text
    assert "Energy was not" in text
    assert "J per image</th>" not in text


@pytest.mark.parametrize("name", ["resnet20", "house", "mlp"])
def test_networks_without_published_accuracy_are_refused(name):
    with pytest.raises(UsageError, match=f"{name}: its top-1 accuracy on ImageNet is unknown"):
        study_complexity((name,))


def test_an_empty_batch_is_refused():
    with pytest.raises(UsageError, match="batch=0"):
        study_complexity(SMALL, batch=0)


def test_pages(study, tmp_path):
    page = write_complexity_pages(study, tmp_path)
    text = page.read_text()
    for point in study.points:
        assert f"{point.multiply_adds:,}" in text
    assert "http" not in text.replace("http-equiv", "")
    assert not (tmp_path / "throughput.svg").exists()
    assert ElementTree.parse(tmp_path / "multiply-adds.svg").getroot().tag.endswith("svg")
    assert json.loads((tmp_path / "complexity.json").read_text())["points"][0]["name"] == "squeezenet1_1"


def test_an_accuracy_that_was_measured_in_another_way_has_a_note(study, tmp_path):
    assert "†" not in write_complexity_pages(study, tmp_path).read_text()
    noted = study_complexity((*SMALL, "alexnet_2012"), measure=False)
    assert [point.note is not None for point in noted.points] == [False, False, True]
    text = write_complexity_pages(noted, tmp_path).read_text()
    assert text.count(noted.points[2].note) == 1
    assert text.count('aria-label="see the notes"') == 1


def test_labels_do_not_cover_each_other(tmp_path):
    """Five networks at one place: each label finds a place of its own."""
    figure = Figure(figsize=(9, 5))
    axes = figure.add_subplot(xlim=(0, 10), ylim=(0, 10))
    place_labels(axes, [(5, 5, f"network{i}") for i in range(5)], "black")
    figure.draw_without_rendering()
    extents = [Text.get_window_extent(label) for label in axes.texts]  # without the line to the point
    assert len(extents) == 5
    for i, one in enumerate(extents):
        assert not any(one.overlaps(other) for other in extents[i + 1 :])


def test_the_command(convlens, tmp_path):
    outcome = convlens("study", "complexity", "squeezenet1_1", "--no-measure", "--out", tmp_path, "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["points"][0]["multiply_adds"] == 349151936
    assert convlens("study", "complexity", "resnet20").code == 2


class BrokenOffError(Exception):
    """A study that is broken off."""


def broken_after(monkeypatch, number):
    """Lets a study end by an exception before so many networks are finished and one more; gives the names it made."""
    made, point = [], module._point

    def once_more(name, batch):
        if len(made) == number:
            raise BrokenOffError
        made.append(name)
        return point(name, batch)

    monkeypatch.setattr(module, "_point", once_more)
    return made


def test_a_study_that_was_broken_off_goes_on(study, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        broken_after(patch, 1)
        with pytest.raises(BrokenOffError):
            complexity_pages(tmp_path, SMALL, measure=False)
    assert [path.name for path in tmp_path.iterdir()] == ["complexity.unfinished.json"]
    made = broken_after(monkeypatch, 2)
    record, page = complexity_pages(tmp_path, SMALL, measure=False)
    assert made == [SMALL[1]]
    assert record.points == study.points
    assert page.is_file()
    assert not (tmp_path / "complexity.unfinished.json").exists()


def test_points_of_other_circumstances_are_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("convlens.studies.complexity._LEAST_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        broken_after(patch, 1)
        with pytest.raises(BrokenOffError):
            complexity_pages(tmp_path, SMALL, measure=False)
    record, _ = complexity_pages(tmp_path, SMALL[:1], batch=1)
    assert record.points[0].images_per_second > 0.1


def test_a_finished_study_is_measured_again(tmp_path, monkeypatch):
    made = broken_after(monkeypatch, 3)
    for _ in range(2):
        complexity_pages(tmp_path, SMALL[:1], measure=False)
    assert made == [SMALL[0]] * 2


def test_a_place_that_cannot_be_written_to_is_noticed_first(tmp_path, monkeypatch, convlens):
    (tmp_path / "file").write_text("no folder")
    made = broken_after(monkeypatch, 0)
    outcome = convlens("study", "complexity", SMALL[0], "--no-measure", "--out", tmp_path / "file" / "study")
    assert (outcome.code, made) == (4, [])
    assert "no access to" in outcome.err


def test_a_damaged_file_of_points_is_named(tmp_path, convlens):
    (tmp_path / "complexity.unfinished.json").write_text("{")
    outcome = convlens("study", "complexity", SMALL[0], "--no-measure", "--out", tmp_path)
    assert outcome.code == 3
    assert "remove that file" in outcome.err


def test_terminated_it_goes_on_by_the_same_command(module_cache, tmp_path):
    words = ("study", "complexity", *SMALL, "--no-measure", "--out", tmp_path, "--json")
    running = process.start(*words, command=SLOW_SECOND)
    while SMALL[0] not in text_of(tmp_path / "complexity.unfinished.json"):
        assert running.poll() is None, process.finish(running).stderr
        time.sleep(0.01)
    running.terminate()
    done = process.finish(running)
    assert done.returncode == 143
    assert "finished work is kept, and the same command reuses it" in done.stderr
    assert SMALL[0] in text_of(tmp_path / "complexity.unfinished.json")
    again = process.run(*words)
    assert [point["name"] for point in json.loads(again.stdout)["points"]] == list(SMALL)


SLOW_SECOND = [
    sys.executable,
    "-c",
    "import time; from convlens.studies import complexity; from convlens.cli.main import main; "
    "point = complexity._point; "
    "complexity._point = lambda name, batch: time.sleep(60 * (name == 'alexnet')) or point(name, batch); main()",
]


def text_of(path):
    return path.read_text() if path.exists() else ""
