"""A report as JUnit XML: a suite a target, a case an example, so that a CI service shows what failed and why."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from xml.etree import ElementTree as ET

from motet.observability.evaluation.experiment import TrialResult
from motet.observability.evaluation.report.metrics import Metric, value_of
from motet.observability.evaluation.report.printable import printable
from motet.observability.evaluation.report.report import Report
from motet.observability.evaluation.report.table import laid_out


def written(report: Report) -> str:
    """The whole document.

    A case fails where any try fails a yes-or-no metric, errs where a run ended with an error or an evaluator gave no
    value, and is skipped where it has no try. Its time is the mean of its tries.
    """
    table = laid_out(report.experiments)
    root = ET.Element("testsuites", name=printable(report.title))
    for placed in table.targets:
        plan = report.experiments[placed.experiment].plan
        name = placed.target.name
        suite = ET.SubElement(root, "testsuite", name=printable(name), timestamp=plan.created_at[:19])
        for example, trials in table.trials[name].items():
            _case(suite, f"{plan.dataset}.{name}", example, trials, report.metrics)
        _count(suite)
    _count(root)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True).decode() + "\n"


def _case(
    suite: ET.Element, classname: str, example: str, trials: Sequence[TrialResult], metrics: Sequence[Metric]
) -> None:
    seconds = fmean(one.seconds for one in trials) if trials else 0.0
    case = ET.SubElement(
        suite, "testcase", classname=printable(classname), name=printable(example), time=f"{seconds:.3f}"
    )
    if not trials:
        ET.SubElement(case, "skipped", message="no try has a result")
        return
    failed = [line for one in trials for line in _failed(one, metrics)]
    erred = [line for one in trials for line in _erred(one, metrics)]
    kind, told = ("error", [*erred, *failed]) if erred else ("failure", failed)
    if told:
        found = ET.SubElement(case, kind, message=printable(told[0][:300]))
        found.text = printable("\n".join(told))
    answers = [f"try {one.repeat + 1}: {one.answer}" for one in trials if one.answer]
    if told and answers:
        ET.SubElement(case, "system-out").text = printable("\n".join(answers))


def _failed(trial: TrialResult, metrics: Sequence[Metric]) -> Sequence[str]:
    found = [(one, value_of(trial, one)) for one in metrics if one.of == "quality" and one.is_share]
    return [
        f"try {trial.repeat + 1}: {metric.key}{f': {value.why}' if value.why else ''}"
        for metric, value in found
        if value.status == "value" and (value.number > 0) != metric.scale.higher_is_better
    ]


def _erred(trial: TrialResult, metrics: Sequence[Metric]) -> Sequence[str]:
    told = [f"try {trial.repeat + 1}: {trial.error or 'the run failed'}"] if trial.outcome == "error" else []
    found = [(one, value_of(trial, one)) for one in metrics if one.of == "quality"]
    return told + [
        f"try {trial.repeat + 1}: {metric.key} has no value: {value.why}"
        for metric, value in found
        if value.status == "failed"
    ]


def _count(element: ET.Element) -> None:
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for attribute, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(one.find(kind) is not None for one in cases)))
    element.set("time", f"{sum(float(one.get('time', '0')) for one in cases):.3f}")
