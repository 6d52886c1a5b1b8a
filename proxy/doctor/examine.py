"""From a file to its report: who is who in a first pass, what is wrong in a second; memory stays bounded in both."""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from proxy.capture.captured import Tally
from proxy.capture.reading import Progress, read_messages
from proxy.doctor.diagnosis import Diagnosis
from proxy.doctor.remedy import settings
from proxy.doctor.report import Report
from proxy.doctor.survey import Servers, Survey
from proxy.explain import Setting


def examine(
    file: BinaryIO,
    name: str,
    setting: Setting,
    domain: str = "",
    servers: Servers | None = None,
    progress: Progress | None = None,
) -> Report:
    """The report on a file that can be rewound. Without `domain` and `servers` both are guessed from it.

    `progress` is told how many octets of two passes are done. Raises OSError where the file cannot be read.
    """
    tally = Tally()
    survey = Survey()
    for captured in read_messages(file, tally, progress):
        survey.take(captured)
    first = tally.offset
    file.seek(0)
    tally = Tally()
    report = Report(name, tally)
    who = servers or survey.servers()
    report.servers = who.names
    report.servers_guessed = who.guessed
    if setting.core is not None:
        report.domain = setting.core.domain.decode("ascii", "replace")
    else:
        report.domain = domain or survey.domain()
        # A guessed domain is shown and not judged by: what differs from it is no defect for certain.
        setting = replace(setting, domain=domain.lower().encode())
    report.domain_guessed = not domain and setting.core is None
    diagnosis = Diagnosis(report, who, setting)
    later = None if progress is None else lambda done: progress(first + done)
    for captured in read_messages(file, tally, later):
        diagnosis.take(captured)
    diagnosis.finish()
    report.settings = settings(report, who.first, tuple(setting.rules))
    return report
