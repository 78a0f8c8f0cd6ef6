"""A picture in HEIC, which nothing here can write, and the same with another EXIF."""

import base64
import struct

# 64 x 48, of four colours in quarters, turned by EXIF; made with libheif
HEIC = base64.b64decode(
    """
    AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAchtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAA
    AAAAAAAAAAADRpbG9jAAAAAERAAAIAAQAAAAAB7AABAAAAAAAAAMEAAgAAAAACrQABAAAAAAAAACQAAAA4aWluZgAA
    AAAAAgAAABVpbmZlAgAAAAABAABodmMxAAAAABVpbmZlAgAAAQACAABFeGlmAAAAAA5waXRtAAAAAAABAAABB2lwcn
    AAAADmaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroC
    QGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFzwIkAAAATY29scm
    5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAAEAAAAABAAAAMAAAAAEAAAAAAAAAAv////AA
    AAACAAAAEHBpeGkAAAAAAwgICAAAAAlpcm90AwAAABlpcG1hAAAAAAAAAAEAAQaBAgMFhIYAAAAaaXJlZgAAAAAAAA
    AOY2RzYwACAAEAAQAAAO1tZGF0AAAAvSgBrwngIzUt/99X//pYch3baR07u/Uo/719u8i2/95dtffo703/gKJTf7RL
    NVAkjU//e1l9xZiz2If5oIE2PteiGwi/yQ29ovZy/W53QBPOH7+F352kd4JsAOk8tUl/LAtPNmhk5cTqXvHvvefAkG
    FTf/hhtVHT5QKSjYB0U+UuTPtS3e6rFi6Cqfge6/iRAXUDhCX8T5fFdPYE2Br9uwm4tqRTpYfmTaOHZihuV2cggAQu
    JQgokyuhYq19wAAAAAZFeGlmAABNTQAqAAAACAABARIAAwAAAAEABgAAAAAAAA==
    """
)
EXIF_AT = struct.pack(
    ">IHII", 685, 1, 0, 36
)  # where its EXIF begins, in one piece, and how long it is


def with_exif(exif):
    """The picture with Pillow's `exif`, in a box behind the others."""
    content = b"\0\0\0\6" + exif.tobytes()
    where = struct.pack(">IHII", len(HEIC) + 8, 1, 0, len(content))
    assert HEIC.count(EXIF_AT) == 1
    return HEIC.replace(EXIF_AT, where) + struct.pack(">I4s", len(content) + 8, b"mdat") + content
