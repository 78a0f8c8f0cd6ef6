"""Findings of a run's page: a few pictures of the first of them."""

from PIL import Image

from fieldmark.data.finding import Finding
from fieldmark.records import Samples
from fieldmark.report.findings import A_FINDING, FINDINGS, with_pictures


def test_the_first_findings_have_a_few_pictures_also_of_files_that_were_left_out(tmp_path):
    names = [f"{number}.png" for number in range(6)]
    for name in names:
        Image.new("RGB", (90, 70), "red").save(tmp_path / name)
    columns = {"path": names[:3], "labels": [["a"]] * 3}
    samples = Samples.from_columns(columns, str(tmp_path))
    findings = [Finding("tiny", "warning", "a sentence", (*names[1:], "gone.png"))]
    findings += [Finding("tiny", "note", "another", ("0.png",))] * FINDINGS
    found = with_pictures(findings, samples)
    assert [caption for _, _, caption in found[0].pictures] == names[1 : 1 + A_FINDING]
    assert [len(note.pictures) for note in found[1:]] == [1] * (FINDINGS - 1) + [0]
    assert found[0].sentence == "a sentence"
    (gone,) = with_pictures([Finding("gone", "error", "a third", ("gone.png",))], samples)
    assert gone.pictures == ()
