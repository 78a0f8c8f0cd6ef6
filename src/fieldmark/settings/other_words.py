"""The words of other tools, and what each means here: the tables that `meant` looks them up in.

A meaning is a setting, maybe with its value, an option of the verb, or what to do, in words.
"""

from collections.abc import Mapping


def by_word(table: Mapping[str, str]) -> dict[str, str]:
    """{meaning: words with blanks between} -> {word: meaning}"""
    return {word: meaning for meaning, words in table.items() for word in words.split()}


DATA = "the images are DATA, a word without a dash"
COUNTED = "leave it out: the classes are counted from the images"
RUN_FIRST = "the trained model is the first word, RUN"
INPUTS = "the images are words without a dash, after RUN"
CROSS = "folds are `fieldmark cross-validate DATA --folds K`"
ABSTAIN = "did you mean --abstain 0.95, which answers where that share was right in validation?"
MEANT = by_word(
    {
        DATA: "data dataset data-path data-root data-folder train-dir train-data train-path "
        "train-folder train-csv csv labels-csv annotations root path input folder "
        "directory d",
        COUNTED: "num-classes n-classes nc classes number-of-classes num-labels",
        CROSS: "folds kfold k-fold n-folds cv n-splits num-folds",
        "add --resume RUN, with the run's folder": "resume-from resume-from-checkpoint "
        "continue resume-training restore",
        "the figures of a run are `fieldmark evaluate RUN`": "eval eval-only evaluate "
        "test-only do-eval",
        "it trains unless it is asked for something else; leave it out": "do-train train mode",
        "networks are shown by --dry-run --summary": "print-model show-model",
        "data.images": "image-dir images-dir img-dir image-folder img-folder image-path "
        "img-path image-root images-folder images-path",
        "data.test": "test-dir test-data test-path test-folder test-csv",
        "data.val_fraction": "val-split validation-split valid-split valid-pct val-size "
        "validation-size val-ratio val-percent val-frac val-fraction validation-fraction",
        "data.test_fraction": "test-split test-size test-ratio test-pct test-frac "
        "test-fraction holdout",
        "data.split_seed": "split-seed split-random-state",
        "data.label_column": "label-col label-column target-col target-column y-col class-col "
        "class-column labels-column",
        "data.image_column": "image-col image-column x-col path-col path-column filename-col "
        "file-column filename-column",
        "data.group_column": "group groups group-col group-column group-by",
        "data.split_column": "split-col split-column fold-col fold-column",
        "data.task=multi-label": "multilabel multi-label",
        "input.size": "imgsz img-size image-sz img input-size input-shape resize resolution "
        "crop-size img-height img-width image-height image-width target-size size sz",
        "input.normalize": "mean std normalize normalise normalization norm",
        "model.name": "arch architecture backbone net network encoder model-name model-type "
        "base-model basemodel model-arch pretrained-model m a",
        "model.weights=default": "pretrained imagenet use-pretrained",
        "model.weights": "checkpoint ckpt ckpt-path pretrained-weights load load-weights "
        "init-weights finetune-from initial-checkpoint model-path pretrained-path",
        "model.weights=none": "no-pretrained from-scratch scratch",
        "model.freeze": "freeze-backbone freeze-encoder frozen linear-probe feature-extract "
        "feature-extraction freeze-base head-only",
        "model.unfreeze": "fine-tune finetune unfreeze-layers unfreeze-last",
        "head.name": "classifier top-layer",
        "head.dropout": "dropout drop drop-rate head-dropout dropout-rate p-dropout",
        "train.epochs": "epoch num-epochs n-epochs nepochs max-epochs num-train-epochs "
        "nb-epochs epochs-num e ep",
        "train.batch_size": "batch bs batchsize train-batch-size per-device-train-batch-size "
        "per-gpu-batch-size mini-batch-size b",
        "train.accumulate": "accumulation-steps gradient-accumulation-steps grad-accum "
        "accumulate-grad-batches grad-accum-steps accum accum-steps",
        "train.clip_norm": "clip clip-grad grad-clip max-grad-norm gradient-clip-val "
        "clip-grad-norm clipnorm",
        "train.ema": "ema model-ema ema-decay model-ema-decay",
        "train.patience": "early-stopping early-stop early-stopping-patience es-patience "
        "patience stop-patience",
        "train.monitor": "metric-for-best-model best-metric eval-metric",
        "train.figures": "metrics",
        "train.sampling=balanced": "oversample balanced balance weighted-sampler balanced-sampling",
        "train.test_flip=true": "tta flip-test test-time-augmentation",
        "train.layer_decay": "layer-lr-decay llrd",
        "optimizer.lr": "learning-rate lr0 base-lr max-lr init-lr learningrate initial-lr eta "
        "lr-rate",
        "optimizer.name": "opt optim optimiser solver",
        "optimizer.weight_decay": "wd weight-decay decay l2-reg",
        "optimizer.momentum": "momentum",
        "schedule.name": "scheduler lr-scheduler lr-schedule sched lr-scheduler-type lr-policy",
        "schedule.warmup_epochs": "warmup warmup-epochs warm-up warmup-steps lr-warmup-epochs",
        "loss.name": "criterion loss-fn loss-function lossfn",
        "loss.class_weights=balanced": "class-weights class-weight weighted-loss weighted "
        "use-class-weights",
        "loss.label_smoothing": "label-smoothing smoothing ls",
        "augment.name": "aug augs augmentation augmentations data-augmentation transform "
        "transforms aa auto-augment",
        "augment.name=none": "no-aug no-augment no-augmentation",
        "mix.name=mixup": "mixup mixup-alpha",
        "mix.name=cutmix": "cutmix cutmix-alpha",
        "budget.max_hours": "time max-time time-limit time-budget",
        "track.to": "logger report-to log-to",
        "track.to=wandb": "wandb use-wandb",
        "track.to=tensorboard": "tensorboard tb",
        "track.to=mlflow": "mlflow",
        "run.seed": "random-state random-seed manual-seed rng-seed rng",
        "run.precision=bf16": "amp fp16 half bf16 mixed-precision use-amp half-precision",
        "run.device=cuda": "gpu gpus cuda use-gpu use-cuda devices gpu-id gpu-ids n-gpu "
        "num-gpus ngpu accelerator",
        "run.device=cpu": "cpu no-cuda no-gpu use-cpu",
        "run.workers": "num-workers nw n-workers n-jobs njobs jobs dataloader-num-workers worker j",
        "run.threads": "num-threads n-threads cpus",
        "run.out": "output output-dir outdir out-dir save-dir save-path output-path "
        "output-folder project log-dir logdir results-dir results save o",
        "run.name": "run-name exp exp-name experiment experiment-name run-id model-id",
    }
)
FOR_VERBS = {
    "predict": by_word(
        {
            INPUTS: "source input inputs data image img images-dir folder i",
            RUN_FIRST: "model weights checkpoint ckpt run model-path m",
            "--top": "topk top-k k n-top num-predictions",
            ABSTAIN: "conf conf-thres confidence threshold thresh min-score",
            "--out": "csv save output output-file o json save-csv project",
            "--scores": "probs proba probabilities all-scores logits",
            "--continue": "resume restart go-on",
            "--overwrite": "force exist-ok replace",
            "--format kaggle": "kaggle submission",
        }
    ),
    "explain": by_word(
        {
            INPUTS: "source input inputs data image img folder",
            RUN_FIRST: "model weights checkpoint ckpt run",
            "--layer": "target-layer target-layers cam-layer",
            "--method grad-cam": "gradcam grad-cam cam",
            "--class": "target target-class category label",
        }
    ),
    "evaluate": by_word(
        {
            RUN_FIRST: "model weights checkpoint ckpt run",
            "the other images are a word without a dash, after RUN": "data",
            "--by": "group group-by per column",
        }
    ),
    "cross-validate": by_word(
        {
            "--folds": "kfold k-fold k n-folds cv n-splits num-folds",
        }
    ),
    "sweep": by_word(
        {
            "--trials": "n-trials num-trials count runs",
            "--sweep": "file sweep-file sweep-config",
        }
    ),
    "grid": by_word(
        {
            "--over": "params param-grid space over-settings vary",
        }
    ),
    "export": by_word(
        {
            RUN_FIRST: "model weights checkpoint ckpt run model-path m",
            "--out": "output o output-dir file dir save-dir project name",
            "--to": "format f include type export-format target framework",
            "--to onnx": "onnx ort",
            "--to openvino": "openvino ir",
            "--to torch": "torchscript pt2 jit",
            "--to page": "html web webapp demo",
            "--abstain": "threshold min-score confidence conf",
            "--images": "data calib-data sample input",
            "--accept-drift": "tolerance atol rtol no-verify skip-check force",
            "--overwrite": "exist-ok replace",
            "images of any size are taken, and resized inside; leave it out": "imgsz img-size "
            "image-size input-size input-shape img size height width",
            "the number of images is free; leave it out": "dynamic dynamic-axes dynamic-batch "
            "dynamic-shapes batch batch-size bs",
            "the exporter chooses, and the file says it in export.json": "opset opset-version",
            "the file stays as torch's exporter makes it; leave it out": "simplify optimize "
            "optimise fuse",
            "--precision int8": "int8 quantize quantise quantization ptq",
            "--precision float16": "half fp16 bf16",
            "--precision": "dtype bits",
            "--at-most-worse": "max-drop max-loss",
            "int8 is static; take --precision int8": "dynamic-int8 dynamic-quantization",
        }
    ),
    "card": by_word(
        {
            "--out": "output o output-dir folder",
            "--push": "repo repo-id push-to-hub hub-model-id upload",
            "--licence": "license",
        }
    ),
}
VERBS = by_word(
    {
        "train": "fit finetune fine-tune learn run tune-weights training",
        "evaluate": "test eval val validate score metrics",
        "predict": "infer inference classify detect label apply",
        "inspect": "check analyse analyze stats info data describe",
        "cross-validate": "cv kfold k-fold folds crossval",
        "sweep": "tune hpo search optimize optimise",
        "explain": "gradcam grad-cam cam heatmap saliency",
        "suspects": "clean mislabeled mislabelled label-errors noise",
        "options train": "settings config defaults help-settings",
        "export": "convert onnx save",
        "card": "model-card modelcard readme push push-to-hub upload publish hub",
        "models": "list zoo networks archs",
        "train --resume RUN": "resume",
        "one-vs-rest": "ovr",
        "grid": "gridsearch",
        "compare": "diff",
    }
)
CHOICES = {
    "format": by_word(
        {
            "onnx": "ort onnxruntime tensorrt trt",
            "openvino": "ir xml vino ov",
            "torch": "pt2 exportedprogram torchexport torchscript jit",
            "page": "html web browser tfjs tensorflowjs onnxjs wasm gradio demo",
            "pth": "pt ckpt pytorch statedict weights",
        }
    ),
    "precision": by_word(
        {
            "float16": "half fp16 f16",
            "int8": "i8 uint8 quantized quantised static qdq",
            "float32": "full fp32 f32 single",
        }
    ),
    "loss": by_word(
        {
            "cross_entropy": "ce crossentropyloss categoricalcrossentropy nll nllloss softmax "
            "logloss",
            "bce": "bcewithlogits bcewithlogitsloss binarycrossentropy",
            "asymmetric": "asl",
        }
    ),
    "schedule": by_word(
        {
            "cosine": "cosineannealing cosineannealinglr cosinedecay cos",
            "one-cycle": "onecyclelr onecyclepolicy 1cycle",
            "step": "steplr multisteplr multistep exponential",
            "plateau": "reducelronplateau reduceonplateau",
            "none": "constant constantlr fixed",
        }
    ),
    "augmentation": by_word(
        {
            "standard": "imagenet default medium basic",
            "strong": "heavy hard",
            "light": "flip weak simple",
            "randaugment": "randaug ra",
            "trivialaugment": "autoaugment autoaug trivialaugmentwide ta",
        }
    ),
    "head": by_word(
        {
            "linear": "fc logistic linearprobe dense",
            "boosted": "lightgbm xgboost gbdt trees randomforest",
        }
    ),
    "optimizer": by_word(
        {
            "sgd": "momentum nesterov",
            "rmsprop": "rms",
            "timm/radam": "radam",
            "timm/nadam": "nadam",
            "timm/lamb": "lamb",
            "timm/lars": "lars",
            "timm/adabelief": "adabelief",
            "timm/adan": "adan",
        }
    ),
}
OF_TIMM = (
    "dino",
    "clip",
    "xception",
    "eva",
    "beit",
    "nfnet",
    "coatnet",
    "efficientvit",
    "edgenext",
)
SIZES = {"tiny": "t", "small": "s", "base": "b", "large": "l", "huge": "h"}
