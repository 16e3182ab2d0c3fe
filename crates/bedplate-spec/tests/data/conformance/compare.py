#!/usr/bin/env python3
"""compare.py: run an engine over the cases and compare its answers with the expected ones.

  compare.py [options] EXPECTED_DIR ENGINE_COMMAND...
  compare.py --write [--variant NAME] EXPECTED_DIR ENGINE_COMMAND...     (re)make the expected answers; see make-expected.sh

The engine is called as   ENGINE_COMMAND... --config MACROS [flags of the case] SPEC   and prints one JSON object (SCHEMA.md).
Exit status: 0 all agree, 1 a difference, 2 wrong use. Only Python's standard library is needed.
"""
import argparse
import concurrent.futures
import difflib
import glob
import json
import os
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ap = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
ap.add_argument('--variant', default='', choices=['', 'rpm420', 'rpm61'], help='compare with (or write) the answers of this rpm instead of 4.18')
ap.add_argument('--only', default='', help='cases whose GROUP/NAME contains this')
ap.add_argument('--show', type=int, default=10, help='how many differing cases to print (default 10)')
ap.add_argument('--strict', action='store_true', help='compare warnings, output and error texts too')
ap.add_argument('--either', action='store_true', help='a case agrees if it agrees with any of its expected variants')
ap.add_argument('--timeout', type=float, default=60)
ap.add_argument('-j', type=int, default=os.cpu_count() or 1)
ap.add_argument('--write', action='store_true', help='write the answers instead of comparing them')
ap.add_argument('--cases', default=os.path.join(HERE, 'cases'))
ap.add_argument('--config', default=os.path.join(HERE, 'macros'))
ap.add_argument('expected')
ap.add_argument('engine', nargs=argparse.REMAINDER)
a = ap.parse_args()
if not a.engine:
    ap.error('no engine command')

# A later version's answer is kept only where it differs from that of the version before it.
CHAIN = ['', 'rpm420', 'rpm61']
LOOSE = {'warnings', 'output', 'error'}
PACKAGE_LISTS = {'packages'}


def run(case):
    spec = os.path.join(a.cases, case + '.spec')
    flags = os.path.join(a.cases, case + '.flags')
    extra = shlex.split(open(flags).read(), comments=True) if os.path.exists(flags) else []
    try:
        p = subprocess.run(a.engine + ['--config', a.config] + extra + [spec], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           stdin=subprocess.DEVNULL, timeout=a.timeout)
    except subprocess.TimeoutExpired:
        return {'engine_failed': 'timeout'}
    try:
        r = json.loads(p.stdout)
        if not isinstance(r, dict):
            raise ValueError('not an object')
        return r
    except ValueError as e:
        return {'engine_failed': 'exit %d, %s: %s' % (p.returncode, e, p.stderr.decode('utf8', 'replace')[-300:])}


def before(variant):
    return CHAIN[CHAIN.index(variant) - 1]


def load(case, variant):
    """The expected answer of a variant: its own, or that of the nearest one before it."""
    base = os.path.join(a.expected, case + ('.' + variant if variant else ''))
    if not os.path.exists(base + '.json'):
        return load(case, before(variant)) if variant else None
    r = json.load(open(base + '.json', encoding='utf8'))
    if r['ok']:
        r['parsed'] = open(base + '.parsed', encoding='utf8').read()
    return r


def dump(case, variant, r):
    base = os.path.join(a.expected, case + ('.' + variant if variant else ''))
    os.makedirs(os.path.dirname(base), exist_ok=True)
    r = dict(r)
    parsed = r.pop('parsed', None)
    with open(base + '.json', 'w', encoding='utf8') as f:
        f.write(json.dumps(r, indent=1, ensure_ascii=False, sort_keys=True) + '\n')
    if parsed is not None:
        with open(base + '.parsed', 'w', encoding='utf8') as f:
            f.write(parsed)


def fields(r):
    """The answer as field -> value, package fields as packages[NAME].field."""
    out = {}
    for k, v in r.items():
        if not a.strict and k in LOOSE:
            continue
        if k in PACKAGE_LISTS:
            out['packages'] = [p.get('name') for p in v]
            for p in v:
                for f, x in p.items():
                    out['packages[%s].%s' % (p.get('name'), f)] = x
        elif k in ('srpm', 'sections'):
            for f, x in v.items():
                out['%s.%s' % (k, f)] = x
        else:
            out[k] = v
    return out


def kind(field):
    return 'packages[].' + field.split('].', 1)[1] if '].' in field else field


def differences(want, got):
    """Compare one answer; gives the fields looked at and those that differ."""
    if 'engine_failed' in got:
        return ['engine'], [('engine', 'a JSON answer', got['engine_failed'])]
    if want['ok'] != got.get('ok'):
        return ['ok'], [('ok', want['ok'], {k: got.get(k) for k in ('ok', 'error') if k in got})]
    if not want['ok']:      # for bad specs: the verdict, and the line where rpm gives one
        names = ['ok'] + (['error_line'] if 'error_line' in want else []) + (['error'] if a.strict else [])
        return names, [(n, want.get(n), got.get(n)) for n in names if want.get(n) != got.get(n)]
    w, g = fields(want), fields(got)
    names = sorted(set(w) | set(g))
    return names, [(n, w.get(n), g.get(n)) for n in names if w.get(n) != g.get(n)]


def show(field, want, got):
    if isinstance(want, str) and isinstance(got, str) and ('\n' in want or '\n' in got):
        d = list(difflib.unified_diff(want.split('\n'), got.split('\n'), 'expected', 'engine', lineterm='', n=1))[:24]
        return '    %s:\n      %s' % (field, '\n      '.join(d))
    return '    %s:\n      expected %s\n      engine   %s' % (field, json.dumps(want, ensure_ascii=False)[:600], json.dumps(got, ensure_ascii=False)[:600])


def main():
    cases = sorted(os.path.relpath(p, a.cases)[:-5] for p in glob.glob(os.path.join(a.cases, '*', '*.spec')))
    cases = [c for c in cases if a.only in c]
    with concurrent.futures.ThreadPoolExecutor(a.j) as pool:
        answers = dict(zip(cases, pool.map(run, cases)))
    if a.write:
        bad = [c for c in cases if 'engine_failed' in answers[c]]
        for c in cases:
            if c in bad:
                print('%s: %s' % (c, answers[c]['engine_failed']))
                continue
            if a.variant:       # a variant is kept only where it differs
                for e in ('.json', '.parsed'):
                    p = os.path.join(a.expected, c + '.' + a.variant + e)
                    if os.path.exists(p):
                        os.remove(p)
                if load(c, before(a.variant)) == answers[c]:
                    continue
            dump(c, a.variant, answers[c])
        print('%d cases written, %d failed' % (len(cases) - len(bad), len(bad)))
        return 1 if bad else 0
    looked, agreed, bad, missing = {}, {}, [], []
    for c in cases:
        wants = [w for w in [load(c, v) for v in (CHAIN if a.either else [a.variant])] if w]
        if not wants:
            missing.append(c)
            continue
        names, diff = min((differences(w, answers[c]) for w in wants), key=lambda x: len(x[1]))
        for n in names:
            looked[kind(n)] = looked.get(kind(n), 0) + 1
        for n in names:
            if n not in {d[0] for d in diff}:
                agreed[kind(n)] = agreed.get(kind(n), 0) + 1
        if diff:
            bad.append((c, diff))
    print('%-32s %8s %8s' % ('field', 'agree', 'of'))
    for n in sorted(looked):
        print('%-32s %8d %8d%s' % (n, agreed.get(n, 0), looked[n], '' if agreed.get(n, 0) == looked[n] else '   <--'))
    for c, diff in bad[:a.show]:
        print('\n%s' % c)
        for d in diff[:6]:
            print(show(*d))
        if len(diff) > 6:
            print('    and %d more fields' % (len(diff) - 6))
    groups = {}
    for c in cases:
        g = groups.setdefault(c.split('/')[0], [0, 0])
        g[1] += 1
        g[0] += c not in [b[0] for b in bad]
    print()
    for g, (n, m) in sorted(groups.items()):
        print('%-24s %3d/%3d' % (g, n, m))
    for c in missing:
        print('no expected answer: ' + c)
    print('%d cases, %d agree, %d differ%s' % (len(cases), len(cases) - len(bad) - len(missing), len(bad), ', %d without an answer' % len(missing) if missing else ''))
    return 1 if bad or missing or not cases else 0


sys.exit(main())
