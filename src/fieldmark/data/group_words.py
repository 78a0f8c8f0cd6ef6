"""Words for what images have in common that belong together, in names of columns and of folders."""

PLACES = (
    *("site", "location", "loc", "locality", "station", "deployment", "camera", "cam", "trap"),
    *("plot", "transect", "farm", "hospital", "clinic", "institution", "scanner", "plate"),
)
BEINGS = (  # which may also be the classes
    *("patient", "animal", "individual", "subject", "person", "participant", "identity"),
    *("specimen", "donor", "plant", "lesion", "case", "writer", "volunteer"),
)
EVENTS = ("sequence", "seq", "burst", "event", "session", "visit", "survey")
VIEWS = ("series", "video", "clip", "track", "scene", "slide", "study", "exam", "observation")
WORDS = (*PLACES, *BEINGS, *EVENTS, *VIEWS, "group")  # the largest groups first
