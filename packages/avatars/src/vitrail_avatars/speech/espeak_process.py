"""Run as a process of its own by `espeak`: speaks with libespeak-ng, which is neither thread- nor fork-safe.

Standard input: JSON with text, voice, pitch, range, rate. Standard output: one line of JSON (rate, events as
[sample, IPA]) and 16-bit samples. With the argument "check" it only opens the library. It imports only the
standard library, to start quickly.
"""

import ctypes
import json
import sys

# Constants and layouts of the library's public interface, speak_lib.h.
SYNCHRONOUS, PHONEME_EVENTS, IPA_EVENTS, DO_NOT_EXIT = 2, 1, 2, 0x8000
PARAMETERS = {"rate": 1, "pitch": 3, "range": 4}
LIST_END, PHONEME = 0, 7
UTF8 = 1

LIBRARIES = ("libespeak-ng.so.1", "libespeak-ng.so", "libespeak-ng.dylib", "libespeak-ng.dll")
NO_LIBRARY, NO_VOICE = 3, 4


class _Identity(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def _open() -> ctypes.CDLL | None:
    for name in LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def main() -> int:
    library = _open()
    if library is None:
        return NO_LIBRARY
    if sys.argv[1:] == ["check"]:
        return 0
    request = json.load(sys.stdin)
    sound = bytearray()
    events = []

    def receive(samples, count, event):  # type: ignore[no-untyped-def]
        if samples and count > 0:
            sound.extend(ctypes.string_at(samples, 2 * count))
        place = 0
        while event[place].type != LIST_END:
            if event[place].type == PHONEME:
                name = ctypes.string_at(ctypes.addressof(event[place].id), 8).split(b"\0")[0]
                events.append([event[place].sample, name.decode(errors="ignore")])
            place += 1
        return 0

    callback = _CALLBACK(receive)
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, None, PHONEME_EVENTS | IPA_EVENTS | DO_NOT_EXIT)
    if rate <= 0:
        return NO_LIBRARY
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        return NO_VOICE
    for name, number in PARAMETERS.items():
        library.espeak_SetParameter(number, request[name], 0)
    text = request["text"].encode()
    library.espeak_Synth(text, len(text) + 1, 0, 1, 0, UTF8, None, None)
    library.espeak_Synchronize()
    sys.stdout.buffer.write(json.dumps({"rate": rate, "events": events}).encode() + b"\n" + sound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
