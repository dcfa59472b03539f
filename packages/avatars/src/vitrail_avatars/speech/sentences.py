"""English sentences by a small grammar, whose words hold all 39 phones."""

from __future__ import annotations

import re

from vitrail_avatars.seeds import stream

WORDS: dict[str, tuple[str, ...]] = {
    "name": (
        *("Anna", "Bob", "Chuck", "Daisy", "Faith", "George", "Heather", "Jenny", "Joyce", "Keith", "Laura"),
        *(
            "Martha",
            "Noah",
            "Pamela",
            "Ruth",
            "Samuel",
            "Sheila",
            "Theo",
            "Vivian",
            "Wendy",
            "Yolanda",
            "Zoe",
        ),
    ),
    "person": (
        *(
            "the baker",
            "the captain",
            "my brother",
            "our teacher",
            "the young doctor",
            "your cousin",
            "the judge",
        ),
        *(
            "her mother",
            "the old fisherman",
            "his father",
            "the girl next door",
            "a boy in blue",
            "the nurse",
        ),
        *("the painter", "my whole family", "the mayor", "every farmer", "the cook", "a short woman"),
    ),
    "adjective": (
        *("big", "blue", "broken", "cheap", "clean", "cloudy", "cosy", "dusty", "early", "famous", "fresh"),
        *("good", "green", "heavy", "huge", "joyful", "large", "lovely", "loyal", "mild", "narrow", "noisy"),
        *("pale", "perfect", "quick", "round", "sharp", "smooth", "thick", "thin", "unusual", "useful"),
        *("vivid", "warm", "wooden", "yellow"),
    ),
    "thing": (
        *(
            "apple",
            "bath",
            "beach",
            "beige coat",
            "boat",
            "book",
            "bridge",
            "camera",
            "chair",
            "cloud",
            "coin",
        ),
        *("cup", "engine", "feather", "field", "fish", "garage", "ginger cake", "glove", "hammer", "house"),
        *(
            "jewel",
            "kitchen",
            "lamp",
            "leaf",
            "map",
            "measure",
            "mirror",
            "mouth",
            "movie",
            "mushroom",
            "oven",
        ),
        *("paper", "piano", "pocket", "pudding", "ring", "roof", "shoe", "song", "spoon", "sugar", "table"),
        *(
            "thumb",
            "tooth",
            "towel",
            "toy",
            "treasure",
            "valley",
            "village",
            "vision",
            "voice",
            "watch",
            "wolf",
        ),
    ),
    "verb": (
        *(
            "bought",
            "brought",
            "changed",
            "chose",
            "cleaned",
            "dropped",
            "enjoyed",
            "fetched",
            "found",
            "gave up",
        ),
        *("hid", "joined", "kept", "lifted", "looked at", "loved", "moved", "needed", "noticed", "painted"),
        *(
            "pulled",
            "pushed",
            "put away",
            "saved",
            "shook",
            "showed us",
            "sold",
            "thought about",
            "threw away",
        ),
        *("touched", "used", "valued", "viewed", "washed", "wished for"),
    ),
    "place": (
        *("above the river", "at the market", "behind the garage", "below the moon", "between two trees"),
        *(
            "beyond the bay",
            "by the fire",
            "in the north",
            "in the bathroom",
            "near a bush",
            "on the other side",
        ),
        *("on the road", "out in the yard", "over there", "under the cherry tree", "with both hands"),
    ),
    "time": (
        *("about noon", "after the show", "all day long", "before breakfast", "each morning", "in July"),
        *("just now", "last month", "on Thursday", "once more", "this evening", "twice a year", "usually"),
        *("while it poured", "without a sound", "yesterday"),
    ),
    "remark": (
        *("that is my own choice", "we should go home", "you may be right", "nobody would believe it"),
        *("it makes me laugh", "I hope they are well", "there is no more milk", "the fever is over"),
        *("please be brave", "I heard a loud noise", "five people came back", "our plans have changed"),
    ),
}

PATTERNS = (
    "{person} {verb} the {adjective} {thing} {place}.",
    "{name} {verb} a {thing} {time}, and {name} {verb} the {adjective} {thing}.",
    "{time}, {person} {verb} a {adjective} {thing}.",
    "did {person} see the {adjective} {thing} {place}?",
    "{name} said that {remark}.",
    "{remark}, but {person} {verb} the {thing} {time}.",
    "who {verb} the {adjective} {adjective} {thing} {place}?",
    "please move the {thing} and the {thing} {place}, {name}!",
)


def sentence(seed: int, index: int) -> str:
    """Sentence `index` of seed `seed`: 6 to 16 words, some three seconds of speech."""
    draw = stream(seed, index, "sentence")
    text = PATTERNS[draw.integers(len(PATTERNS))]
    for kind, words in WORDS.items():
        while (slot := "{" + kind + "}") in text:
            text = text.replace(slot, words[draw.integers(len(words))], 1)
    text = re.sub(r"\b([Aa]) (?=[aeio]|un)", r"\1n ", text)
    return text[0].upper() + text[1:]
