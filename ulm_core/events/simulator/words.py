"""The shop's vocabulary: what makes taste visible in the text of an item."""

from __future__ import annotations

# One list a taste cluster: an item's adjectives come from its own cluster's list.
STYLES: tuple[tuple[str, ...], ...] = (
    ("rustic", "oak", "handmade", "earthy", "woven", "farmhouse", "linen", "weathered"),
    ("neon", "retro", "arcade", "pixel", "glossy", "vivid", "synth", "chrome"),
    ("minimal", "white", "plain", "slim", "quiet", "matte", "nordic", "clean"),
    ("rugged", "waterproof", "alpine", "trail", "insulated", "tough", "windproof", "climbing"),
    ("floral", "pastel", "lace", "romantic", "blossom", "rose", "delicate", "vintage"),
    ("smart", "wireless", "carbon", "precision", "digital", "compact", "titanium", "modular"),
    ("playful", "cartoon", "rainbow", "soft", "cuddly", "giggling", "bouncy", "colourful"),
    ("luxury", "gold", "velvet", "silk", "marble", "royal", "crystal", "opulent"),
)

CATEGORIES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("kitchen", ("mug", "kettle", "chopping board", "pan", "teapot")),
    ("lighting", ("lamp", "lantern", "ceiling light", "candle holder", "reading light")),
    ("bags", ("backpack", "tote bag", "wallet", "suitcase", "pouch")),
    ("stationery", ("notebook", "pen", "calendar", "desk mat", "card set")),
    ("clothing", ("jacket", "shirt", "scarf", "socks", "hat")),
    ("garden", ("planter", "watering can", "bench", "bird house", "gloves")),
    ("audio", ("speaker", "headphones", "radio", "turntable", "microphone")),
    ("games", ("puzzle", "board game", "card game", "dice set", "chess set")),
    ("bath", ("towel", "soap dish", "bath mat", "mirror", "robe")),
    ("food", ("coffee", "tea", "chocolate", "honey", "olive oil")),
    ("sports", ("bottle", "yoga mat", "racket", "skipping rope", "ball")),
    ("furniture", ("stool", "shelf", "side table", "chair", "coat rack")),
)

# Three brands a cluster, then houses that make everything.
BRANDS: tuple[tuple[str, ...], ...] = (
    ("Hearth & Hay", "Millstone", "Oldbarn"),
    ("Voltkid", "Lazerline", "Cabinet 88"),
    ("Blank", "Fjell", "Noll"),
    ("Ridgeback", "Northtor", "Cairn"),
    ("Petalrow", "Maison Lilas", "Dear Rose"),
    ("Axion", "Fluxworks", "Parsec"),
    ("Wobble", "Tumbletoy", "Jellybean"),
    ("Aurelle", "Palazzo", "Grand Siècle"),
)
COMMON_BRANDS = ("Everyday", "Homestead", "Standard", "Union", "Basics")

CHANNELS = ("organic", "search", "social", "friend", "ads")
CHANNEL_SHARE = (0.3, 0.25, 0.2, 0.1, 0.15)
CHANNEL_HAZARD = (1.0, 1.0, 1.3, 0.6, 1.8)  # ratio on the churn hazard
CHANNEL_RESPONSE = (1.0, 1.0, 1.5, 0.5, 1.0)  # factor on a campaign's effect
REGIONS = ("north", "east", "south", "west", "coast", "centre")
AGE_GROUPS = ("18-24", "25-34", "35-44", "45-59", "60+")
