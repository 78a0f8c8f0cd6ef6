#!/bin/sh
# Makes a virtual environment with fastai, for benchmarks/fastai_fine_tune.py:
#
#     sh benchmarks/fastai_env.sh FOLDER [PYTHON]
#
# FOLDER: where it is to be; it must not be there yet. PYTHON (python3): 3.11 or later.
# It is not Fieldmark's own environment, for fastai brings some seventy packages. The versions
# are those that the published figures were seen with; torch and torchvision are Fieldmark's.
set -eu
folder=${1:?usage: fastai_env.sh FOLDER [PYTHON]}
if [ -e "$folder" ]; then
    echo "$folder is there already; name a new folder" >&2
    exit 2
fi
"${2:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet \
    fastai==2.8.12 fastcore==2.2.39 fastprogress==1.1.6 fasttransform==0.0.5 \
    torch==2.15.0 torchvision==0.29.2 numpy==2.4.6 pillow==13.0.0 safetensors==0.8.0 timm==1.0.31
echo "$folder/bin/python benchmarks/fastai_fine_tune.py DATA --weights FILE"
