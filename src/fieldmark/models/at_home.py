"""What a person's folders are called stays at home: texts that go to others."""

import re

from fieldmark.models.timm_networks import PREFIX

FOLDERS = re.compile(r"[^\s=,'\"\[\]{}]*[/\\]")


def public(text: str) -> str:
    """A text without the folders of its paths: "--weights /home/me/w.pth" -> "--weights w.pth"."""
    kept = re.sub(r"[/\\]+(?=\s|$)", "", text)  # "photos/" is "photos"
    return FOLDERS.sub(lambda found: PREFIX if found[0] == PREFIX else "", kept)
