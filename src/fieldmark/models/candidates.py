"""Networks that are worth a try on photos, late in 2026, each with how it wants to be used.

What they cost is measured where they are to run; which is best, on the images that they are for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fieldmark.models.published import DEFAULT, Published, weights_of


@dataclass(frozen=True)
class Candidate:
    """A network, the weights that it begins with, and what is known of both.

    weights: "default", a version, or a file. words: settings beside name and weights, as they
    are typed. top1: as `Published` has it, where the publisher's package does not tell it. about:
    what it is for, where that is not plain. licence: where it is known here alone. file_only: its
    weights are to be had as a file alone.
    """

    name: str
    weights: str = DEFAULT
    words: tuple[str, ...] = ()
    top1: float | None = None
    about: str = ""
    licence: str | None = None
    file_only: bool = False

    @property
    def published(self) -> Published | None:
        """What is published of its weights; None for a file."""
        known = () if self.file_only else weights_of(self.name)
        wanted = (each.version for each in known if each.is_default)
        version = next(wanted, "") if self.weights == DEFAULT else self.weights
        return next((each for each in known if each.version == version), None)


AT_224 = ("model.img_size=224", "input.size=224")  # else 518 px, five times the work
BY_A_LAYER = "its top-1 is that of a linear layer on its frozen features"
BIOCLIP = (  # of BioCLIP 2, by OpenCLIP's defaults
    "input.normalize=[0.48145466,0.4578275,0.40821073,0.26862954,0.26130258,0.27577711]",
)
TERMS = {  # licences that forbid more than they are thought to
    "dinov3-license": "restrictive: what is made of it may be passed on under this licence alone, "
    "no military use, and Meta may end it",
    "cc-by-nc-4.0": "not for commercial use",
    "fair-noncommercial-research-license": "for research alone",
}
# top-1: timm's results-imagenet.csv of 2026-08, and DINOv2's own table
CANDIDATES = (
    Candidate("efficientnet_lite0", top1=74.8, about="installed with Fieldmark"),
    Candidate("efficientnet_lite2", top1=77.5),
    Candidate("mobilenet_v2"),
    Candidate("timm/mobilenetv4_conv_small", top1=73.8),
    Candidate("timm/mobilenetv4_conv_medium", "e500_r224_in1k", top1=79.1),
    Candidate("efficientnet_b0"),
    Candidate(
        "timm/vit_small_patch14_dinov2",
        words=AT_224,
        top1=81.1,
        about=f"for few photos; {BY_A_LAYER}",
    ),
    Candidate("timm/convnext_tiny", "fb_in22k_ft_in1k", top1=82.9, about="to be tuned, on a GPU"),
    Candidate("timm/vit_base_patch14_dinov2", words=AT_224, top1=84.5, about=BY_A_LAYER),
    Candidate("timm/vit_small_patch16_dinov3"),
    Candidate("timm/convnext_tiny", "dinov3_lvd1689m"),
    Candidate(
        "timm/vit_large_patch14_clip_224",
        words=BIOCLIP,
        about="BioCLIP 2, for species: its file is open_clip_model.safetensors of the hub's "
        "imageomics/bioclip-2",
        licence="MIT",
        file_only=True,
    ),
)


def named(names: list[str]) -> Iterator[Candidate]:
    """Candidates by name: those that are known here, else with the publisher's own default."""
    for name in names:
        known = [each for each in CANDIDATES if each.name == name]
        if known or weights_of(name):
            yield from known or [Candidate(name)]


def title(candidate: Candidate, among: Sequence[Candidate]) -> str:
    """Its name; with its weights where others of the name are among them."""
    alike = sum(each.name == candidate.name for each in among)
    return candidate.name if alike < 2 else f"{candidate.name}.{Path(candidate.weights).name}"
