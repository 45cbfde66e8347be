"""The frame of all studies: cases measured once, kept, gone on with, and drawn while they run."""

import dataclasses
import json
from typing import ClassVar

import pytest

from convlens.core.errors import DataError, MachineError, UsageError
from convlens.core.study import Axis, Chart, Conclusion, Finding, HeatMap, Level, Point, Series, StudyRecord, Table
from convlens.report.study import write_study_index, write_study_page
from convlens.studies.registry import study_named
from convlens.studies.study import Study, run_study


class BrokenOffError(Exception):
    """A study that is broken off."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Squares(Study):
    """Measures the square of a number; `made` are the cases that it measured, `most` of them."""

    name: ClassVar[str] = "gradients"  # a claim that there is
    made: ClassVar[list[dict[str, object]]] = []
    most: ClassVar[int] = 1000
    numbers: tuple[int, ...] = (1, 2, 3)

    @classmethod
    def full(cls):
        return cls(numbers=(1, 2, 3, 4, 5))

    def cases(self):
        return [{"number": number, "seed": seed} for seed in range(self.seeds) for number in self.numbers]

    def measure(self, case, bench):
        if len(self.made) == self.most:
            raise BrokenOffError
        self.made.append(dict(case))
        return {"square": float(case["number"]) ** 2 + case["seed"]}

    def conclude(self, measured):
        points = measured.points("square", "number")
        return Conclusion(
            findings=[Finding(sentence=f"{len(points)} squares.", verdict="agrees")] if points else [],
            charts=[
                Chart(
                    name="squares",
                    title="Squares <b>",
                    x=Axis(label="number"),
                    y=Axis(label="square", log=True),
                    series=[Series(name="squares", points=points), Series(name="none", points=[])],
                    levels=[Level(name="guessing", y=2)],
                )
            ],
            heat_maps=[HeatMap(name="heat", title="Heat", row="r", column="c", value="v", cells=[[1, None], [2, 0]])],
            tables=[Table(title="All", columns=["number", "square"], rows=[["1", "1"]])],
            caveat="Three numbers are few.",
        )


@pytest.fixture(autouse=True)
def _anew(monkeypatch):
    monkeypatch.setattr(Squares, "made", [])


def test_every_case_is_measured_and_the_page_says_what_follows(tmp_path):
    record, page = run_study(Squares(seeds=2), tmp_path / "squares")
    assert [one.case for one in record.measured] == Squares().made == Squares(seeds=2).cases()
    assert record.finished
    assert record.conclusion.findings[0].sentence == "3 squares."
    assert record.conclusion.charts[0].series[0].points[1].y == 4.5
    text = page.read_text()
    for said in ("3 squares.", "Three numbers are few.", "numbers", "1, 2, 3", "Squares &lt;b&gt;", "Heat", "guessing"):
        assert said in text
    assert 'http-equiv="refresh"' not in text
    assert "http:" not in text
    assert {path.name for path in page.parent.iterdir()} == {"study.html", "study.json"}


def test_a_study_that_was_broken_off_goes_on(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Squares, "most", 2)
        with pytest.raises(BrokenOffError):
            run_study(Squares(seeds=1), tmp_path)
    left = StudyRecord.from_json((tmp_path / "study.json").read_bytes(), "left")
    assert [one.case["number"] for one in left.measured] == [1, 2]
    assert left.conclusion.findings[0].sentence == "2 squares."
    assert not left.finished
    assert 'http-equiv="refresh"' in (tmp_path / "study.html").read_text()
    record, _ = run_study(Squares(seeds=1), tmp_path)
    assert [case["number"] for case in Squares.made] == [1, 2, 3]
    assert record.finished


def test_more_seeds_add_to_what_is_there(tmp_path):
    first, _ = run_study(Squares(seeds=1), tmp_path)
    second, _ = run_study(Squares(seeds=3), tmp_path)
    assert len(Squares.made) == 9
    assert second.measured[:3] == first.measured
    third, _ = run_study(Squares(seeds=3), tmp_path)
    assert len(Squares.made) == 9
    assert third.measured == second.measured


def test_another_size_is_measured_anew(tmp_path):
    run_study(Squares(seeds=1), tmp_path)
    told = []
    record, _ = run_study(Squares(seeds=1, numbers=(2, 3)), tmp_path, say=told.append)
    assert len(Squares.made) == 5
    assert record.settings["numbers"] == [2, 3]
    (kept,) = tmp_path.glob("study-*.json")
    assert kept.name in told[0]
    assert len(StudyRecord.from_json(kept.read_bytes(), "kept").measured) == 3


def test_no_seeds_are_refused(tmp_path):
    with pytest.raises(UsageError, match="seeds=0"):
        run_study(Squares(seeds=0), tmp_path)


def test_a_damaged_record_is_named_and_kept(tmp_path):
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(DataError, match=r"study.json.*To start the study over, remove that file"):
        run_study(Squares(), tmp_path)
    assert (tmp_path / "study.json").read_text() == "{"


def test_a_place_that_cannot_be_written_to_is_noticed_first(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(MachineError):
        run_study(Squares(), tmp_path / "file" / "study")
    assert Squares.made == []


def test_pages_are_drawn_again_from_their_records_alone(tmp_path, convlens):
    _, page = run_study(Squares(seeds=2), tmp_path / "squares")
    text = page.read_text()
    page.unlink()
    outcome = convlens("study", "redraw", tmp_path)
    assert outcome.code == 0, outcome.err
    assert "3 squares." in page.read_text()
    assert "3 squares." in (tmp_path / "index.html").read_text()
    assert len(Squares.made) == 6
    run_study(Squares(seeds=2), tmp_path / "squares")
    assert page.read_text().replace('<a href="../index.html">convlens studies</a>', "convlens study") == text


def test_an_index_of_nothing_is_refused(tmp_path, convlens):
    assert write_study_index(tmp_path) is None
    outcome = convlens("study", "redraw", tmp_path)
    assert (outcome.code, "holds no folders of studies" in outcome.err) == (2, True)


def test_infinite_and_missing_numbers_can_be_drawn(tmp_path):
    record, _ = run_study(Squares(seeds=1), tmp_path)
    points = [Point(x=0, y=1), Point(x=1, y=float("nan")), Point(x=2, y=float("inf"), low=0, high=float("inf"))]
    chart = Chart(
        name="odd",
        title="Odd",
        x=Axis(label="x", log=True),
        y=Axis(label="y"),
        series=[Series(name="s", points=points)],
    )
    odd = record.model_copy(update={"conclusion": Conclusion(findings=[], charts=[chart])})
    assert "Odd" in write_study_page(odd, tmp_path).read_text()


def test_studies_are_found_by_name_and_sized():
    study = study_named(
        "depth", full=False, seeds=7, sizes={"depths": "8, 14", "augment": "true", "learning_rate": ".5"}
    )
    assert (study.seeds, vars(study)["depths"], vars(study)["augment"], vars(study)["learning_rate"]) == (
        *(7, (8, 14)),
        *(True, 0.5),
    )
    assert vars(study_named("depth", full=True))["epochs"] == 200


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"epoch": "3"}, "epochs"),
        ({"epochs": "many"}, "epochs takes a value such as"),
        ({"epochs": "0"}, "epochs takes a value such as"),
        ({"depths": "8,x"}, "depths takes numbers such as"),
        ({"seeds": "3"}, "seeds"),
    ],
)
def test_wrong_sizes_are_refused(sizes, said):
    with pytest.raises(UsageError, match=said):
        study_named("depth", sizes=sizes)


def test_unknown_names_and_needless_folders_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"dept.*depth"):
        study_named("dept")
    with pytest.raises(UsageError, match="takes no images"):
        study_named("gradients", [tmp_path])


def test_the_command(convlens, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = ("--set", "layers=4", "--set", "width=16", "--set", "batch=8")
    outcome = convlens("study", "gradients", "--seeds", "2", *sizes, "--json")
    assert outcome.code == 0, outcome.err
    record = json.loads(outcome.out)
    assert (record["kind"], record["form"], record["settings"]["layers"]) == ("convlens.study", "own", 4)
    assert (tmp_path / "studies" / "index.html").is_file()
    assert convlens("study", "gradients", "--set", "layers").code == 2
    again = convlens("study", "gradients", "--seeds", "2", *sizes)
    assert "Agrees:" in again.out or "Not shown:" in again.out
    assert "studies/gradients/study.html" in again.out
