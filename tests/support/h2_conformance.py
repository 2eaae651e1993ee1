#!/usr/bin/env python3
"""Runs the cases of h2_cases.py, each on a connection of its own.

    h2_conformance.py [--attacks] HOST [NAME...]

Without --attacks, those are left out. A NAME selects the cases whose section or title contains it.
One line for each that fails; exit 1.
"""

import sys
import time

import h2_cases
import h2_client


def run(host, section, title, function, how):
    options = {key: value for key, value in how.items() if key in ("preface", "pairs", "auto")}
    started = time.monotonic()
    try:
        c = h2_client.H2(host, **options)
        try:
            function(c)
        finally:
            c.close()
    except h2_cases.Wrong as wrong:
        problem = str(wrong)
    except h2_client.Gone as gone:
        problem = str(gone)
    except Exception as error:  # an answer that cannot be read is a failure too
        problem = f"{type(error).__name__}: {error}"
    else:
        problem = None
    if problem:
        print(f"WRONG {section}: {title}: {problem}", flush=True)
    if time.monotonic() - started > 0.7:
        print(f"slow  {section}: {title}: {time.monotonic() - started:.1f} s", flush=True)
    return problem is None


def main():
    arguments = sys.argv[1:]
    attacks = arguments[0] == "--attacks"
    host, *names = arguments[attacks:]
    chosen = [c for c in h2_cases.CASES if (c[0] == "attack") == attacks and
              (not names or any(n in f"{c[0]}: {c[1]}" for n in names))]
    good = sum(run(host, *each) for each in chosen)
    print(f"{len(chosen)} cases, {len(chosen) - good} wrong")
    return 0 if chosen and good == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
