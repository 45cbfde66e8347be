"""convlens: train image classifiers on your own images by transfer learning, and see inside them.

The public names resolve lazily (PEP 562), so that `import convlens` does not import torch. Editors and type checkers
do not run that; for them the names are imported.
"""

import importlib
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convlens.backbones.external import adopt as adopt
    from convlens.backbones.resolve import network as network
    from convlens.core.audit import AuditRecord as AuditRecord
    from convlens.core.cache import CacheRecord as CacheRecord
    from convlens.core.cache import PruneRecord as PruneRecord
    from convlens.core.check import CheckRecord as CheckRecord
    from convlens.core.collection import CollectionRecord as CollectionRecord
    from convlens.core.comparison import Comparison as Comparison
    from convlens.core.doctor import Diagnosis as Diagnosis
    from convlens.core.embedding import EmbeddingRecord as EmbeddingRecord
    from convlens.core.embedding import MapRecord as MapRecord
    from convlens.core.embedding import SimilarRecord as SimilarRecord
    from convlens.core.errors import ConvlensError as ConvlensError
    from convlens.core.errors import DataError as DataError
    from convlens.core.errors import DivergedError as DivergedError
    from convlens.core.errors import IntegrityError as IntegrityError
    from convlens.core.errors import MachineError as MachineError
    from convlens.core.errors import NetworkError as NetworkError
    from convlens.core.errors import UsageError as UsageError
    from convlens.core.evaluation import EvaluationRecord as EvaluationRecord
    from convlens.core.explanation import Explanation as Explanation
    from convlens.core.exported import ExportRecord as ExportRecord
    from convlens.core.exported import Verification as Verification
    from convlens.core.inspection import Inspection as Inspection
    from convlens.core.prediction import PredictionRecord as PredictionRecord
    from convlens.core.preprocessing import Preprocessing as Preprocessing
    from convlens.core.run import RunRecord as RunRecord
    from convlens.core.run_list import RunDifference as RunDifference
    from convlens.core.run_list import RunList as RunList
    from convlens.core.study import StudyRecord as StudyRecord
    from convlens.core.suggestion import SuggestionRecord as SuggestionRecord
    from convlens.gradient.backpropagate import Backpropagation as Backpropagation
    from convlens.gradient.backpropagate import backpropagate as backpropagate
    from convlens.gradient.check import GradientCheck as GradientCheck
    from convlens.gradient.check import check_gradients as check_gradients
    from convlens.gradient.tensor import chain as chain
    from convlens.gradient.tensor import gradient_tensor as gradient_tensor
    from convlens.graph.capture import capture as capture
    from convlens.graph.cost import Cost as Cost
    from convlens.graph.cost import cost as cost
    from convlens.graph.graph import Graph as Graph
    from convlens.graph.receptive_field import ReceptiveFields as ReceptiveFields
    from convlens.graph.receptive_field import receptive_field as receptive_field
    from convlens.graph.split import Split as Split
    from convlens.graph.split import split as split
    from convlens.studies.registry import study as study
    from convlens.tasks.audit import audit as audit
    from convlens.tasks.cache import list_cache as list_cache
    from convlens.tasks.cache import prune_cache as prune_cache
    from convlens.tasks.check import check_images as check_images
    from convlens.tasks.collect import collect as collect
    from convlens.tasks.compare import compare as compare
    from convlens.tasks.doctor import doctor as doctor
    from convlens.tasks.embed import embed as embed
    from convlens.tasks.evaluate import evaluate as evaluate
    from convlens.tasks.explain import ExplanationPage as ExplanationPage
    from convlens.tasks.explain import explain as explain
    from convlens.tasks.export import export as export
    from convlens.tasks.extend import extend as extend
    from convlens.tasks.inspect import inspect as inspect
    from convlens.tasks.map import map_images as map_images
    from convlens.tasks.predict import predict as predict
    from convlens.tasks.runs import diff_runs as diff_runs
    from convlens.tasks.runs import list_runs as list_runs
    from convlens.tasks.serve import serve as serve
    from convlens.tasks.similar import similar as similar
    from convlens.tasks.suggest import suggest as suggest
    from convlens.tasks.train import resume as resume
    from convlens.tasks.train import train as train
    from convlens.tasks.verify import verify as verify
    from convlens.training.recipe import Recipe as Recipe

__version__ = "0.1.0"

_PUBLIC = {
    "AuditRecord": "convlens.core.audit",
    "Backpropagation": "convlens.gradient.backpropagate",
    "CacheRecord": "convlens.core.cache",
    "CheckRecord": "convlens.core.check",
    "CollectionRecord": "convlens.core.collection",
    "Comparison": "convlens.core.comparison",
    "ConvlensError": "convlens.core.errors",
    "Cost": "convlens.graph.cost",
    "DataError": "convlens.core.errors",
    "Diagnosis": "convlens.core.doctor",
    "DivergedError": "convlens.core.errors",
    "EmbeddingRecord": "convlens.core.embedding",
    "EvaluationRecord": "convlens.core.evaluation",
    "Explanation": "convlens.core.explanation",
    "ExplanationPage": "convlens.tasks.explain",
    "ExportRecord": "convlens.core.exported",
    "GradientCheck": "convlens.gradient.check",
    "Graph": "convlens.graph.graph",
    "Inspection": "convlens.core.inspection",
    "IntegrityError": "convlens.core.errors",
    "MachineError": "convlens.core.errors",
    "MapRecord": "convlens.core.embedding",
    "NetworkError": "convlens.core.errors",
    "PredictionRecord": "convlens.core.prediction",
    "Preprocessing": "convlens.core.preprocessing",
    "PruneRecord": "convlens.core.cache",
    "ReceptiveFields": "convlens.graph.receptive_field",
    "Recipe": "convlens.training.recipe",
    "RunDifference": "convlens.core.run_list",
    "RunList": "convlens.core.run_list",
    "RunRecord": "convlens.core.run",
    "SimilarRecord": "convlens.core.embedding",
    "Split": "convlens.graph.split",
    "StudyRecord": "convlens.core.study",
    "SuggestionRecord": "convlens.core.suggestion",
    "UsageError": "convlens.core.errors",
    "Verification": "convlens.core.exported",
    "adopt": "convlens.backbones.external",
    "audit": "convlens.tasks.audit",
    "backpropagate": "convlens.gradient.backpropagate",
    "capture": "convlens.graph.capture",
    "chain": "convlens.gradient.tensor",
    "check_gradients": "convlens.gradient.check",
    "check_images": "convlens.tasks.check",
    "collect": "convlens.tasks.collect",
    "compare": "convlens.tasks.compare",
    "cost": "convlens.graph.cost",
    "diff_runs": "convlens.tasks.runs",
    "doctor": "convlens.tasks.doctor",
    "embed": "convlens.tasks.embed",
    "evaluate": "convlens.tasks.evaluate",
    "explain": "convlens.tasks.explain",
    "export": "convlens.tasks.export",
    "extend": "convlens.tasks.extend",
    "gradient_tensor": "convlens.gradient.tensor",
    "inspect": "convlens.tasks.inspect",
    "list_cache": "convlens.tasks.cache",
    "list_runs": "convlens.tasks.runs",
    "map_images": "convlens.tasks.map",
    "network": "convlens.backbones.resolve",
    "predict": "convlens.tasks.predict",
    "prune_cache": "convlens.tasks.cache",
    "receptive_field": "convlens.graph.receptive_field",
    "resume": "convlens.tasks.train",
    "serve": "convlens.tasks.serve",
    "similar": "convlens.tasks.similar",
    "split": "convlens.graph.split",
    "study": "convlens.studies.registry",
    "suggest": "convlens.tasks.suggest",
    "train": "convlens.tasks.train",
    "verify": "convlens.tasks.verify",
}
_FORMER = {"check": "check_gradients", "check_pictures": "check_images"}
"""Names of version 0.1, which still work in the next one, with a warning."""

__all__ = sorted(_PUBLIC)


if not TYPE_CHECKING:  # there any name would be known otherwise, and of any type

    def __getattr__(name: str) -> object:
        if name in _FORMER:
            message = f"convlens.{name} is now called convlens.{_FORMER[name]}; this name will be removed."
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            name = _FORMER[name]
        if name not in _PUBLIC:
            raise AttributeError(f"module 'convlens' has no attribute {name!r}; public names: {', '.join(__all__)}")
        return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
