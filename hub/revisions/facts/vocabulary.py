"""Words that cards use: tasks, libraries, licenses, languages."""

from __future__ import annotations

import re

# Task → what transformers calls the class that does it (None: another library's task).
TASKS: dict[str, str | None] = {
    "text-generation": "AutoModelForCausalLM",
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "table-question-answering": "AutoModelForTableQuestionAnswering",
    "question-answering": "AutoModelForQuestionAnswering",
    "zero-shot-classification": None,
    "translation": "AutoModelForSeq2SeqLM",
    "summarization": "AutoModelForSeq2SeqLM",
    "feature-extraction": "AutoModel",
    "text2text-generation": "AutoModelForSeq2SeqLM",
    "fill-mask": "AutoModelForMaskedLM",
    "sentence-similarity": None,
    "text-ranking": None,
    "text-to-speech": None,
    "text-to-audio": None,
    "automatic-speech-recognition": "AutoModelForSpeechSeq2Seq",
    "audio-to-audio": None,
    "audio-classification": "AutoModelForAudioClassification",
    "audio-text-to-text": None,
    "voice-activity-detection": None,
    "depth-estimation": "AutoModelForDepthEstimation",
    "image-classification": "AutoModelForImageClassification",
    "object-detection": "AutoModelForObjectDetection",
    "image-segmentation": "AutoModelForImageSegmentation",
    "text-to-image": None,
    "image-to-text": "AutoModelForImageTextToText",
    "image-to-image": None,
    "image-to-video": None,
    "unconditional-image-generation": None,
    "video-classification": "AutoModelForVideoClassification",
    "reinforcement-learning": None,
    "robotics": None,
    "tabular-classification": None,
    "tabular-regression": None,
    "tabular-to-text": None,
    "table-to-text": None,
    "multiple-choice": "AutoModelForMultipleChoice",
    "text-retrieval": None,
    "time-series-forecasting": None,
    "text-to-video": None,
    "image-text-to-text": "AutoModelForImageTextToText",
    "image-text-to-image": None,
    "image-text-to-video": None,
    "visual-question-answering": "AutoModelForVisualQuestionAnswering",
    "document-question-answering": "AutoModelForDocumentQuestionAnswering",
    "zero-shot-image-classification": "AutoModelForZeroShotImageClassification",
    "graph-ml": None,
    "mask-generation": "AutoModelForMaskGeneration",
    "zero-shot-object-detection": "AutoModelForZeroShotObjectDetection",
    "text-to-3d": None,
    "image-to-3d": None,
    "image-feature-extraction": "AutoModel",
    "video-text-to-text": None,
    "keypoint-detection": "AutoModelForKeypointDetection",
    "visual-document-retrieval": None,
    "any-to-any": None,
    "video-to-video": None,
    "other": None,
}
# The end of an architecture's name → the task.
ARCHITECTURE_TASKS: tuple[tuple[str, str], ...] = (
    ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"),
    ("ForMaskedLM", "fill-mask"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"),
    ("ForMultipleChoice", "multiple-choice"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("ForCTC", "automatic-speech-recognition"),
    ("ForImageClassification", "image-classification"),
    ("ForObjectDetection", "object-detection"),
    ("ForAudioClassification", "audio-classification"),
    ("ForDepthEstimation", "depth-estimation"),
    ("ForSemanticSegmentation", "image-segmentation"),
    ("CLIPModel", "zero-shot-image-classification"),
    ("WhisperForConditionalGeneration", "automatic-speech-recognition"),
    ("VLForConditionalGeneration", "image-text-to-text"),
    ("T5ForConditionalGeneration", "text2text-generation"),
    ("BartForConditionalGeneration", "text2text-generation"),
    ("ChatGLMModel", "text-generation"),
    ("ChatGLMForConditionalGeneration", "text-generation"),
    ("Model", "feature-extraction"),
)
LIBRARIES = frozenset(
    """
    adapter-transformers allennlp asteroid bertopic diffusers diffusionkit espnet fairseq fastai fasttext flair
    flax generic gguf keras keras-hub llamafile lightning mindspore mlx ml-agents nemo onnx open_clip openvino
    paddlenlp paddleocr paddlepaddle peft pyannote-audio pytorch rust safetensors sample-factory
    sentence-transformers setfit sklearn spacy span-marker speechbrain stable-baselines3 stanza tensorboard
    tensorflow tf tf-keras timm transformers transformers.js trl unsloth vllm sglang
    """.split()
)
LICENSES = frozenset(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0
    bigcode-openrail-m afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc
    cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0
    cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
    eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c
    ms-pl apple-ascl apple-amlr mpl-2.0 mulanpsl-2.0 odc-by odbl openmdw-1.0 openmdw-1.1 openrail++ osl-3.0
    postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license fair-noncommercial-research-license
    llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma unknown other
    """.split()
)
# ISO 639-1, and what cards use beside it: ISO 639-3 codes, scripts and regions, and three words.
_ISO_639_1 = frozenset(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee
    el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is
    it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms
    mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si
    sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh
    yi yo za zh zu
    """.split()
)
_LANGUAGE_WORDS = frozenset({"multilingual", "code", "emoji"})
_SUBTAGS = re.compile(r"(?:[-_][A-Za-z0-9]{2,8}){0,3}")


def is_language(text: str) -> bool:
    """True if this is an ISO 639-1 or -3 code, optionally with a script or region (`zh-Hant`, `pt_BR`)."""
    if text in _LANGUAGE_WORDS:
        return True
    primary = re.split(r"[-_]", text, maxsplit=1)[0]
    return (primary in _ISO_639_1 or bool(re.fullmatch(r"[a-z]{3}", primary))) and bool(
        _SUBTAGS.fullmatch(text[len(primary) :])
    )
