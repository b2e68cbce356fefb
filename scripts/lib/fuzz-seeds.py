#!/usr/bin/env python3
"""Chooses few inputs that reach what many do: fuzz-seeds.py CONTROL MOST FOLDER

CONTROL is the file that libFuzzer's -merge_control_file= wrote: the inputs, and the features of each. The chosen ones
are copied to FOLDER, which holds nothing else afterwards.
"""
import hashlib, pathlib, shutil, sys

control, most, folder = pathlib.Path(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
lines = control.read_text().splitlines()
count = int(lines[0])
files = lines[2 : 2 + count]
covers = {}
for line in lines[2 + count :]:
    kind, number, *features = line.split()
    # A feature is eight times the edge, plus how often it was passed.
    if kind == "FT":
        covers[int(number)] = {int(feature) // 8 for feature in features}
chosen, seen = [], set()
while len(chosen) < most and covers:
    best = max(covers, key=lambda number: (len(covers[number] - seen), -number))
    if not covers[best] - seen:
        break
    seen |= covers.pop(best)
    chosen.append(files[best])
contents = [pathlib.Path(name).read_bytes() for name in chosen]
folder.mkdir(parents=True, exist_ok=True)
for old in folder.iterdir():
    old.unlink()
for content in contents:
    (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)
print(f"{len(contents)} of {count} inputs")
