"""Doctor: what this machine has for convlens, and what each lack costs. Nothing is sent, downloaded or changed."""

import functools
import importlib
import platform
import re
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from types import ModuleType

import convlens
from convlens.core import machine
from convlens.core.amounts import size_of
from convlens.core.cache_layout import ARCHIVES, FACTS, FEATURES, GRAPHS, STORE, TRIALS, WEIGHTS
from convlens.core.doctor import Diagnosis, Finding, Group, State
from convlens.core.files import cache_folder

_LIBRARIES = {"torch": "torch", "Pillow": "PIL", "numpy": "numpy"}
"""What training cannot do without, and what it is imported as."""
_LITTLE_DISK = 2 * 10**9
_PARTS = (STORE, f"{STORE}/{FEATURES}", f"{STORE}/{FACTS}", GRAPHS, TRIALS, WEIGHTS, ARCHIVES)
_FORMATS = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp", "TIFF": "libtiff", "AVIF": "avif", "JPEG 2000": "jpg_2000"}
"""Formats of images that Pillow reads by a library, which a build of it may lack. GIF, BMP and PPM need none."""
_EXTRAS = {
    "heic": "HEIC images, as iPhones take them, are left out of folders and refused alone",
    "keras": "weight files of Keras (.h5, .keras) are refused",
    "onnx": "runs cannot be exported as ONNX, ONNX files not be verified, and models are served by torch, more slowly",
    "openvino": "models cannot be exported for OpenVINO",
    "tables": "tables of labels in Excel and Parquet are refused; CSV, TSV and JSON lines are read",
    "timm": "networks of timm (timm:NAME) cannot be used; those of `convlens zoo` can",
    "weights": "efficientnet_lite1 and efficientnet_lite2 have no trained weights",
    "browser": "nothing for users: developers test the pages in a browser with it",
}
"""What cannot be done without an extra."""
_FOR_DEVELOPERS = ("dev",)
_REQUIREMENT = re.compile(r"([\w.-]+).*;.*extra\s*==\s*['\"]([\w-]+)['\"]")


def doctor() -> Diagnosis:
    """What this machine has: versions, processor, memory, GPU, image formats, extras, disk, trained weights.

    Every lack is said with its cost and the next step, and what cannot be found out as unknown. Nothing is downloaded.
    """
    findings = [*_versions(), *_machine(), *_formats(), *_extras(), *_disk(), *_weights()]
    return Diagnosis(training_works=all(one.state != "fatal" for one in findings), findings=findings)


def _versions() -> Iterator[Finding]:
    yield _good("versions", "convlens", convlens.__version__)
    yield _good("versions", "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for name, module in _LIBRARIES.items():
        found, reason = _library(module)
        if found is None:
            yield Finding(
                group="versions",
                name=name,
                state="fatal",
                value=f"cannot be loaded: {reason}",
                cost="nothing can be trained, and no image read",
                next_step=f"pip install --force-reinstall {name.lower()}",
            )
        else:
            yield _good("versions", name, str(found.__version__))


def _library(module: str) -> tuple[ModuleType | None, str]:
    """The library, or None and why it cannot be loaded: it is missing, or one that it needs is."""
    try:
        return importlib.import_module(module), ""
    except (ImportError, OSError) as error:
        return None, str(error).partition("\n")[0]


def _machine() -> Iterator[Finding]:
    yield _cores()
    yield _memory()
    torch, _ = _library("torch")
    if torch is None:
        for name in ("bfloat16", "AVX-512", "GPU"):
            yield Finding(group="machine", name=name, state="unknown", value="only torch can tell")
        return
    yield _bfloat16(torch)
    yield _avx512(torch)
    yield _gpu(torch)


def _cores() -> Finding:
    total, usable, limit = machine.cores(), machine.usable_cores(), machine.core_limit()
    if total is None and usable is None:
        return Finding(group="machine", name="cores", state="unknown", value="the system does not say")
    count = usable or total
    shown = f"{count}" + (f" of {total}, the others are closed to this process" if count != total else "")
    if limit is not None and count is not None and limit < count:
        shown += f"; its container grants the time of {limit:g}"
    return Finding(group="machine", name="cores", state="good", value=shown, amount=count)


def _memory() -> Finding:
    total, available, limit = machine.memory(), machine.available_memory(), machine.memory_limit()
    if total is None:
        return Finding(group="machine", name="memory", state="unknown", value="the system does not say")
    shown = size_of(total) + (f", {size_of(available)} of it available" if available is not None else "")
    if limit is not None and limit < total:
        shown += f"; its container grants {size_of(limit)}"
    return Finding(group="machine", name="memory", state="good", value=shown, amount=total)


def _bfloat16(torch: ModuleType) -> Finding:
    from convlens.transfer.precision import NATIVE, computes_in_bfloat16

    if not computes_in_bfloat16("cpu"):
        return Finding(
            group="machine",
            name="bfloat16",
            state="missing",
            value="the processor has no instructions for it",
            cost="frozen and trained layers are computed in float32; bfloat16 would take half the time at best",
        )
    capabilities = torch.cpu.get_capabilities()
    found = ", ".join(name for name in NATIVE if capabilities.get(name))
    return _good("machine", "bfloat16", f"yes ({found}); longer work tries it against float32 and takes the faster")


def _avx512(torch: ModuleType) -> Finding:
    capabilities = torch.cpu.get_capabilities()
    if capabilities.get("architecture") not in ("x86_64", "AMD64", None) or "avx512_f" not in capabilities:
        return _good("machine", "AVX-512", f"not of this kind of processor ({platform.machine()})")
    if capabilities["avx512_f"]:
        return _good("machine", "AVX-512", "yes")
    return Finding(
        group="machine",
        name="AVX-512",
        state="missing",
        value="the processor does not have it",
        cost="torch computes with narrower instructions; how much slower that is here is unknown",
    )


def _gpu(torch: ModuleType) -> Finding:
    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        shown = ", ".join(f"{one.name} ({size_of(one.total_memory)})" for one in devices)
        return _good("machine", "GPU", shown)
    missing = functools.partial(Finding, group="machine", name="GPU", state="missing")
    slower = "all is computed on the processor: fine for frozen layers, slow where all layers are trained"
    if torch.backends.mps.is_available():
        return missing(value="Apple's, which convlens does not use", cost=slower)
    if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        return missing(
            value="this build of torch is for the processor alone",
            cost=slower,
            next_step="if there is a GPU, install a build of torch for it: https://pytorch.org/get-started",
        )
    return missing(
        value="torch finds none that it can use",
        cost=slower,
        next_step="if there is one, install its driver, or a build of torch that fits it: "
        "https://pytorch.org/get-started",
    )


def _formats() -> Iterator[Finding]:
    pillow, _ = _library("PIL")
    if pillow is None:
        yield Finding(group="images", name="formats", state="unknown", value="only Pillow can tell")
        return
    from PIL import features

    lacking = [name for name, library in _FORMATS.items() if not features.check(library)]
    readable = [name for name in _FORMATS if name not in lacking] + ["GIF", "BMP", "PPM"]
    heic = _is_installed("pillow-heif")
    yield _good("images", "readable", ", ".join([*readable, *(["HEIC"] if heic else [])]))
    if lacking:
        yield Finding(
            group="images",
            name="not readable",
            state="missing",
            value=", ".join(lacking),
            cost="this build of Pillow lacks them: such images are left out of folders",
            next_step="pip install --force-reinstall pillow",
        )
    if not heic:
        yield Finding(
            group="images", name="HEIC", state="missing", value="not readable without the extra heic, see there"
        )


def _extras() -> Iterator[Finding]:
    needed = _packages_of_extras()
    if not needed:
        yield Finding(
            group="extras",
            name="extras",
            state="unknown",
            value="convlens is not installed as a package, so that nothing says what they need",
            next_step="pip install convlens",
        )
    for extra, packages in needed.items():
        lacking = [package for package in packages if not _is_installed(package)]
        if lacking:
            yield _lacking(extra, lacking)
        else:
            shown = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
            yield _good("extras", extra, f"installed: {shown}")


def _packages_of_extras() -> dict[str, list[str]]:
    """Extra -> the packages that it brings, by what the installed package says of itself."""
    found: dict[str, list[str]] = {}
    try:
        requirements = metadata.requires("convlens") or []
    except metadata.PackageNotFoundError:
        return {}
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match and match[2] not in _FOR_DEVELOPERS:
            found.setdefault(match[2], []).append(match[1])
    known = [*_EXTRAS, *found]
    return {extra: found[extra] for extra in sorted(found, key=known.index)}


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _disk() -> Iterator[Finding]:
    cache = cache_folder()
    yield _good("disk", "cache folder", str(cache))
    if cache.is_dir():
        stored = machine.bytes_below(cache)
        yield _good("disk", "stored there", size_of(stored), stored)
    place = _nearest(cache)
    yield _free(place)
    yield _writable(
        "cache",
        [place, *(path for part in _PARTS if (path := cache / part).is_dir())],
        "fatal",
        "features, networks and weights cannot be stored, so that nothing can be trained",
        "change its permissions, free some space, or set the environment variable CONVLENS_CACHE to another folder",
    )
    here = Path()
    yield _writable(
        "working folder",
        [here.absolute(), *(path for path in [here / "runs"] if path.is_dir())],
        "missing",
        "runs cannot be written here",
        "work in a folder that you may write to",
    )


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that there is."""
    whole = path.absolute()
    return next(folder for folder in (whole, *whole.parents) if folder.exists())


def _free(place: Path) -> Finding:
    free = shutil.disk_usage(place).free
    if free >= _LITTLE_DISK:
        return _good("disk", "free there", size_of(free), free)
    return Finding(
        group="disk",
        name="free there",
        state="missing" if free else "fatal",
        value=size_of(free),
        amount=free,
        cost="little: larger features, weights and archives do not fit" if free else "nothing can be stored",
        next_step="free some space; `convlens cache` shows what it can give back",
    )


def _writable(name: str, places: list[Path], state: State, cost: str, next_step: str) -> Finding:
    for place in places:
        if (refusal := machine.write_refusal(place)) is not None:
            return Finding(
                group="disk",
                name=name,
                state=state,
                value=f"not writable: {place} ({refusal.strerror})",
                cost=cost,
                next_step=next_step,
            )
    return _good("disk", name, "writable" if name == "cache" else f"writable ({places[0]})")


def _weights() -> Iterator[Finding]:
    if _library("torch")[0] is None:
        yield Finding(group="weights", name="networks", state="unknown", value="they need torch")
        return
    from convlens.backbones.at_hand import at_hand
    from convlens.zoo import card, names, weight_cards
    from convlens.zoo.fetch import is_here

    trained = [name for name in names() if card(name).package_weights or weight_cards(name)]
    first = at_hand()
    others = [
        name for name in trained if name not in first and any(is_here(one) for one in weight_cards(name).values())
    ]
    here = [*first, *others]
    yield _good("weights", "here", f"{len(here)} networks: {', '.join(here)}", len(here))
    fetched = [name for name in trained if any(one.url for one in weight_cards(name).values())]
    if absent := len(set(fetched) - set(here)):
        yield Finding(
            group="weights",
            name="to download",
            state="missing",
            value=f"{absent} other networks",
            amount=absent,
            cost="each is downloaded when it is first used, which needs a network",
            next_step="`convlens zoo` lists them; `convlens zoo pack NET` brings one to a machine without a network",
        )


def _lacking(extra: str, packages: list[str]) -> Finding:
    return Finding(
        group="extras",
        name=extra,
        state="missing",
        value=f"missing: {', '.join(packages)}",
        cost=_EXTRAS.get(extra, "what it is for is unknown to this version"),
        next_step=f"pip install 'convlens[{extra}]'",
    )


def _good(group: Group, name: str, value: str, amount: int | None = None) -> Finding:
    return Finding(group=group, name=name, state="good", value=value, amount=amount)
