"""What a machine has, what each lack costs, and when nothing can be trained; each lack is planted."""

import errno
import importlib
import json
import os
import re
import shutil
import socket
from importlib import metadata
from pathlib import Path

import PIL.features
import pytest
import torch

from convlens.core import machine
from convlens.core.doctor import Diagnosis, Finding
from convlens.core.files import cache_folder
from convlens.tasks.doctor import _EXTRAS, _packages_of_extras, doctor
from convlens.zoo.fetch import kept_weights
from convlens.zoo.published import weight_card
from tests.cli import process
from tests.data.drawn import put


def found(name: str, record: Diagnosis | None = None) -> Finding:
    (one,) = (one for one in (record or doctor()).findings if one.name == name)
    return one


@pytest.fixture
def capabilities(monkeypatch):
    """Those of a processor without bfloat16, unless the test says else."""
    of_the_processor = {"architecture": "x86_64", "avx512_f": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: of_the_processor)
    return of_the_processor


def test_training_works_here():
    record = doctor()
    assert record.training_works
    assert found("torch", record).value == torch.__version__
    assert found("cores", record).amount == len(os.sched_getaffinity(0))
    assert found("memory", record).amount == machine.memory()
    assert found("cache folder", record).value == str(cache_folder())


def test_every_lack_says_what_it_costs():
    record = doctor()
    for one in record.findings:
        if one.state == "missing" and one.name != "HEIC":
            assert one.cost, one


def test_nothing_is_asked_of_a_network(monkeypatch):
    def refused(*arguments: object) -> None:
        raise AssertionError("a network was asked")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    assert doctor().training_works


def test_nothing_is_written(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.rmtree(cache)
    doctor()
    assert not cache.exists()
    assert list(tmp_path.iterdir()) == []


class TestMachine:
    def test_no_bfloat16_and_no_avx512(self, capabilities):
        assert "computed in float32" in found("bfloat16").cost
        assert found("AVX-512").state == "missing"
        assert "unknown" in found("AVX-512").cost

    def test_bfloat16_is_what_training_takes_it_for(self, capabilities):
        capabilities["amx_bf16"] = True
        assert found("bfloat16").value.startswith("yes (amx_bf16)")

    def test_another_kind_of_processor(self, capabilities):
        capabilities.update(architecture="aarch64", arm_bf16=True)
        record = doctor()
        assert found("AVX-512", record).state == "good"
        assert found("bfloat16", record).state == "good"

    def test_limits(self, monkeypatch):
        monkeypatch.setattr(machine, "cores", lambda: 64)
        monkeypatch.setattr(machine, "usable_cores", lambda: 4)
        monkeypatch.setattr(machine, "core_limit", lambda: 1.5)
        monkeypatch.setattr(machine, "memory_limit", lambda: 10**9)
        record = doctor()
        assert found("cores", record).value == (
            "4 of 64, the others are closed to this process; its container grants the time of 1.5"
        )
        assert found("memory", record).value.endswith("; its container grants 1.0 GB")

    def test_what_the_system_does_not_say(self, monkeypatch):
        for name in ("cores", "usable_cores", "memory"):
            monkeypatch.setattr(machine, name, lambda: None)
        record = doctor()
        assert {found(name, record).state for name in ("cores", "memory")} == {"unknown"}
        assert record.training_works

    def test_a_gpu(self, monkeypatch):
        class Properties:
            name, total_memory = "Tester 9", 80 * 10**9

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: Properties)
        assert found("GPU").value == "Tester 9 (80.0 GB)"

    @pytest.mark.parametrize(
        ("cuda", "mps", "value"),
        [
            (None, False, "for the processor alone"),
            ("13.0", False, "none that it can use"),
            (None, True, "Apple's, which convlens does not use"),
        ],
    )
    def test_no_gpu(self, monkeypatch, cuda, mps, value):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        assert value in found("GPU").value
        assert found("GPU").state == "missing"


class TestLibraries:
    @pytest.mark.parametrize("module", ["torch", "PIL", "numpy"])
    def test_one_that_cannot_be_loaded(self, convlens, monkeypatch, module):
        imported = importlib.import_module

        def without(name: str, *rest: object) -> object:
            if name == module:
                raise ImportError(f"lib{module}.so: cannot open shared object file")
            return imported(name, *rest)

        monkeypatch.setattr(importlib, "import_module", without)
        record = doctor()
        assert not record.training_works
        (fault,) = (one for one in record.findings if one.state == "fatal")
        assert fault.value == f"cannot be loaded: lib{module}.so: cannot open shared object file"
        assert fault.next_step.startswith("pip install --force-reinstall ")
        outcome = convlens("doctor")
        assert outcome.code == 4
        assert f"lib{module}.so" in outcome.err
        assert "Trained weights" in outcome.out, "the rest is shown all the same"

    def test_a_build_of_pillow_without_a_format(self, monkeypatch):
        checked = PIL.features.check
        monkeypatch.setattr(PIL.features, "check", lambda name: name != "avif" and checked(name))
        record = doctor()
        assert found("not readable", record).value == "AVIF"
        assert "AVIF" not in found("readable", record).value

    def test_every_extra_of_the_package_is_described(self):
        declared = set(metadata.metadata("convlens").get_all("Provides-Extra")) - {"dev"}
        assert declared == set(_packages_of_extras()) == set(_EXTRAS)

    @pytest.mark.parametrize("extra", _EXTRAS)
    def test_an_extra_that_is_missing(self, monkeypatch, extra):
        version = metadata.version

        def without(package: str) -> str:
            if package in _packages_of_extras()[extra]:
                raise metadata.PackageNotFoundError(package)
            return version(package)

        monkeypatch.setattr(metadata, "version", without)
        one = found(extra)
        assert (one.state, one.cost) == ("missing", _EXTRAS[extra])
        assert one.next_step == f"pip install 'convlens[{extra}]'"

    def test_an_extra_that_is_there(self, monkeypatch):
        monkeypatch.setattr(metadata, "version", lambda package: "1.2.3")
        record = doctor()
        assert found("heic", record).value == "installed: pillow-heif 1.2.3"
        assert "HEIC" in found("readable", record).value

    def test_without_metadata_the_extras_are_unknown(self, monkeypatch):
        def absent(package: str) -> None:
            raise metadata.PackageNotFoundError(package)

        monkeypatch.setattr(metadata, "requires", absent)
        assert found("extras").state == "unknown"


class TestDisk:
    def test_a_cache_that_cannot_be_written(self, convlens, monkeypatch):
        monkeypatch.setenv("CONVLENS_CACHE", "/proc/convlens")
        record = doctor()
        assert not record.training_works
        assert "CONVLENS_CACHE" in found("cache", record).next_step
        outcome = convlens("doctor", "--json")
        assert outcome.code == 4
        assert Diagnosis.from_json(outcome.out, "it").training_works is False
        assert "cache not writable: /proc" in outcome.err

    def test_a_cache_that_is_a_file(self, tmp_path, monkeypatch):
        monkeypatch.setenv("CONVLENS_CACHE", str(put(tmp_path / "cache", b"")))
        assert found("cache").state == "fatal"

    def test_a_part_of_the_cache_that_cannot_be_written(self, cache, monkeypatch):
        part = cache / "store" / "features"
        part.mkdir(parents=True)
        refuse(monkeypatch, part, errno.EACCES)
        assert found("cache").value == f"not writable: {part} (Permission denied)"

    def test_a_full_disk(self, cache, monkeypatch):
        refuse(monkeypatch, cache, errno.ENOSPC)
        assert found("cache").value == f"not writable: {cache} (No space left on device)"
        assert not doctor().training_works

    @pytest.mark.parametrize(("free", "state"), [(0, "fatal"), (10**9, "missing"), (10**10, "good")])
    def test_free_space(self, monkeypatch, free, state):
        usage = shutil.disk_usage("/")
        monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(free=free))
        record = doctor()
        assert (found("free there", record).state, found("free there", record).amount) == (state, free)
        assert record.training_works == (free > 0)

    def test_a_working_folder_that_cannot_be_written(self, convlens, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        refuse(monkeypatch, tmp_path, errno.EROFS)
        assert found("working folder").state == "missing"
        assert convlens("doctor").code == 0, "one can train elsewhere"

    @pytest.mark.skipif(not shutil.which("unshare"), reason="needs mount namespaces")
    def test_a_disk_that_is_really_full(self, tmp_path):
        small = tmp_path / "small"
        small.mkdir()
        mount = f"mount -t tmpfs -o size=64k none {small} && export CONVLENS_CACHE={small}"
        done = process.run_after(f"{mount} && head -c 65536 /dev/zero > {small}/filler", "doctor")
        assert done.returncode == 4, done.stderr
        assert "nothing can be stored" in done.stdout


def refuse(monkeypatch: pytest.MonkeyPatch, folder: Path, number: int) -> None:
    """Nothing can be written in that folder."""
    tried = machine.write_refusal

    def refusal(place: Path) -> OSError | None:
        return OSError(number, os.strerror(number)) if place == folder else tried(place)

    monkeypatch.setattr(machine, "write_refusal", refusal)


class TestWeights:
    def test_downloaded_ones_count(self):
        before = found("here"), found("to download")
        put(kept_weights(weight_card("resnet50", "imagenet")), b"weights")
        after = found("here"), found("to download")
        assert "resnet50" in after[0].value
        assert [one.amount for one in after] == [before[0].amount + 1, before[1].amount - 1]


class TestCommandLine:
    def test_plain_lines_in_groups(self, convlens):
        outcome = convlens("doctor")
        assert (outcome.code, outcome.err) == (0, "")
        lines = outcome.out.splitlines()
        titles = [line for line in lines if not line.startswith(" ")]
        assert titles[:2] == ["Versions", "This machine"]
        assert titles[-1] == "Nothing here keeps training from working."
        assert f"  torch           {torch.__version__}" in lines

    def test_json(self, convlens):
        outcome = convlens("doctor", "--json")
        record = json.loads(outcome.out)
        assert (record["kind"], record["version"], record["training_works"]) == ("convlens.doctor", 1, True)

    @pytest.mark.parametrize("columns", [80, 120])
    def test_lines_fit_the_terminal(self, convlens, monkeypatch, columns):
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setenv("COLUMNS", str(columns))
        out = re.sub(r"\S*/\S*", "path", convlens("doctor").out)  # a path is not broken
        assert max(map(len, out.splitlines())) <= columns
