"""The jobs: typed config in, artefacts and one MLflow run out. `python -m pipelines <job>`."""
