"""The bundle as an MLflow pyfunc: a column `text` in, the scores out. Models-from-code, so that nothing is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class BundleModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Scores texts in bulk with the same analyzer that serves online."""

    def load_context(self, context: Any) -> None:
        """Loads and verifies the bundle."""
        from models.analyzer import Analyzer
        from models.bundle import load_bundle

        self.analyzer = Analyzer(load_bundle(Path(context.artifacts["bundle"])))

    def predict(  # MLflow's signature
        self,
        context: Any,  # noqa: ARG002
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Returns one row a text: intent, its confidence, emotion, its confidence, out-of-scope probability."""
        from models.analyzer import Request

        found = self.analyzer.analyze([Request(str(text)) for text in model_input["text"]])
        return pd.DataFrame(
            {
                "intent": [analysis.intent.name for analysis in found],
                "intent_confidence": [analysis.intent.confidence for analysis in found],
                "emotion": [analysis.emotion.label for analysis in found],
                "emotion_confidence": [analysis.emotion.confidence for analysis in found],
                "out_of_scope": [analysis.out_of_scope for analysis in found],
            }
        )


mlflow.models.set_model(BundleModel())
