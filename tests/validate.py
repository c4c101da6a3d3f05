"""Holds documents against what others wrote: a model made of the SARIF schema, and Prometheus' own parser.

Takes files; says of each that is wrong why, and ends with 1 then.
"""

import sys

from prometheus_client.parser import text_string_to_metric_families
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif


def check(path: str, text: str) -> None:
    if path.endswith(".sarif"):
        Sarif.model_validate_json(text)
    elif path.endswith(".prom"):
        families = list(text_string_to_metric_families(text))
        assert families, "no metric"
        for family in families:
            assert family.documentation and family.type == "gauge", family.name
        assert text.endswith("\n"), "the last line does not end"
    else:
        raise AssertionError("no such kind of file")


wrong = 0
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        check(path, text)
    except Exception as error:  # whatever is wrong with a document is told
        print(f"{path}: {error}")
        wrong += 1
sys.exit(min(wrong, 1))
