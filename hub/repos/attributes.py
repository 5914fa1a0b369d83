"""The `.gitattributes` of a new repository: which files git-lfs keeps."""

from __future__ import annotations

from hub.repos.models import Kind

COMMON = """
 *.7z *.arrow *.avro *.bin *.bz2 *.ckpt *.ftz *.gguf *.gz *.h5 *.joblib *.lfs.* *.lz4 *.mlmodel
*.model *.msgpack *.npy *.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar
*.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*
""".split()
MEDIA = """
*.pcm *.sam *.raw *.aac *.flac *.mp3 *.ogg *.wav *.bmp *.gif *.png *.tiff *.jpg *.jpeg *.webp *.mp4
*.webm *.mds
""".split()


def initial(kind: str) -> bytes:
    """The file for a repository of this kind."""
    patterns = COMMON + (MEDIA if kind == Kind.DATASET else [])
    return "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in patterns).encode()
