"""Makes RPMs for the repository benchmark, and reads repodata to compare what two tools wrote.

The packages have the shapes of a distribution: payloads of some 100 kB (median, log-normal), some 30 files, versioned
provides and requires, weak and rich dependencies, ghosts and folders, changelogs. They are made by rpmbuild, many
sub-packages of a few specs at a time, as one rpmbuild for each would take minutes.
"""
import collections
import concurrent.futures
import gzip
import hashlib
import lzma
import os
import pathlib
import random
import subprocess
import xml.etree.ElementTree as ElementTree

WORDS = "amber birch cedar delta ember fjord grove heron iris jade kelp larch maple north olive pine quartz reed sage tern".split()
PER_SPEC = 50
DATE = 1735689600  # 2025-01-01: the build time of all


def payload(rng, root, name):
    """Writes the files of a package below a folder; gives the lines of its %files."""
    size = int(min(rng.lognormvariate(11.5, 1.3), 20_000_000))
    lines = [f"%dir /usr/share/{name}", f"/usr/bin/{name}", f"%config(noreplace) /etc/{name}.conf", f"%ghost /var/log/{name}.log"]
    files = {f"usr/bin/{name}": rng.randbytes(size), f"etc/{name}.conf": b"# none\n"}
    for number in range(max(1, int(rng.lognormvariate(2.8, 1.0)))):
        path = f"usr/share/{name}/{rng.choice(WORDS)}/{rng.choice(WORDS)}-{number}.txt"
        files[path] = f"{name} {number}\n".encode()
        lines.append("/" + path)
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return lines


def spec(number, count, root, plain):
    """The spec of `count` packages; their files are written below a folder. Plain ones need nothing, so that they can be installed."""
    rng = random.Random(number)
    # The header holds no name of a machine and no time of day: the same number gives the same packages.
    text = [f"Name: bench{number:03}", "Version: 1", "Release: 1", "Summary: Packages for a benchmark", "License: MIT", "AutoReqProv: no",
            "%description", "Packages.", ""]
    for at in range(count):
        name = f"{rng.choice(WORDS)}-{rng.choice(WORDS)}-{number:03}{at:03}"
        lines = payload(rng, root, name)
        version = f"{rng.randrange(9)}.{rng.randrange(40)}.{rng.randrange(9)}"
        text += [f"%package -n {name}", f"Summary: The {name} package", f"Version: {version}", f"Release: {rng.randrange(1, 30)}.fc40",
                 "Group: System Environment/Base", "URL: https://example.org/" + name, "Vendor: Example"]
        text += [f"Epoch: {rng.randrange(1, 3)}"] if rng.random() < 0.1 else []
        text += ["BuildArch: noarch"] if rng.random() < 0.4 else []
        description = [f"%description -n {name}", "A package <of words> & \"signs\". " * rng.randrange(1, 20), "", f"%files -n {name}", *lines, ""]
        if plain:
            text += description
            continue
        text += [f"Provides: {rng.choice(WORDS)}({rng.choice(WORDS)}{n}) = {version}" for n in range(rng.randrange(12))]
        text += [f"Requires: {rng.choice(WORDS)}({rng.choice(WORDS)}{n}) {rng.choice(['>=', '=', '<'])} {rng.randrange(5)}" for n in range(rng.randrange(16))]
        text += ["Requires(post): /usr/bin/sh", "Requires: libc.so.6(GLIBC_2.14)(64bit)", "Requires: libc.so.6(GLIBC_2.4)(64bit)",
                 f"Requires: /usr/bin/{name}", f"Recommends: ({rng.choice(WORDS)} if {rng.choice(WORDS)})",
                 f"Supplements: ({rng.choice(WORDS)} and {rng.choice(WORDS)} >= 2)", f"Suggests: {rng.choice(WORDS)}", f"Enhances: {rng.choice(WORDS)}",
                 f"Conflicts: {rng.choice(WORDS)} < {rng.randrange(9)}", f"Obsoletes: {name}-old < {version}"]
        text += description
    text += ["%changelog"]
    for entry in range(rng.randrange(3, 25)):
        text += [f"* Wed Jan 01 {2025 - entry} Ada Moss <ada@example.org> - {40 - entry}", f"- Change {entry} of <this> & that", ""]
    return "\n".join(text) + "\n"


def build(folder, scratch, number, count, plain):
    scratch = scratch / f"{number:03}"
    root = scratch / "root"
    root.mkdir(parents=True)
    (scratch / "bench.spec").write_text(spec(number, count, root, plain))
    macros = {"_topdir": scratch, "_rpmdir": folder, "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm", "_buildhost": "bench",
              "_binary_payload": "w1.gzdio", "use_source_date_epoch_as_buildtime": 1, "__os_install_post": "%nil", "__check_files": "%nil",
              "_missing_build_ids_terminate_build": 0, "_build_id_links": "none", "_target_os": "linux", "__spec_install_template": "%nil",
              "__spec_install_pre": "%nil", "debug_package": "%nil"}
    command = ["rpmbuild", "-bb", "--quiet", "--target", "x86_64", "--buildroot", root, scratch / "bench.spec"]
    command += [word for name, body in macros.items() for word in ("--define", f"{name} {body}")]
    done = subprocess.run([str(word) for word in command], env={**os.environ, "SOURCE_DATE_EPOCH": str(DATE), "LC_ALL": "C.UTF-8"},
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    subprocess.run(["rm", "-rf", scratch], check=True)
    if done.returncode:
        raise RuntimeError(f"rpmbuild failed:\n{done.stdout[-3000:]}")


def write(folder, scratch, count, plain=False):
    """Makes `count` RPMs in a folder. Each file's time is that of its build: Bedplate writes the one, createrepo_c the other."""
    folder, scratch = pathlib.Path(folder).resolve(), pathlib.Path(scratch).resolve()
    folder.mkdir(parents=True)
    jobs = [(number, min(PER_SPEC, count - number * PER_SPEC)) for number in range((count + PER_SPEC - 1) // PER_SPEC)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in [pool.submit(build, folder, scratch, *job, plain) for job in jobs]:
            done.result()
    for path in folder.glob("*.rpm"):
        os.utime(path, (DATE, DATE))


def unpack(path):
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        return gzip.decompress(raw)
    if raw[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-dc"], input=raw, stdout=subprocess.PIPE, check=True).stdout
    return lzma.decompress(raw) if raw[:6] == b"\xfd7zXZ\0" else raw


def tree(element):
    """An element as nested tuples; the white space between elements means nothing, nor does the order of attributes."""
    text = element.text or ""
    children = [tree(child) for child in element]
    return (element.tag, tuple(sorted(element.attrib.items())), "" if children and not text.strip() else text, tuple(children))


def facts(folder):
    """What repodata says, by type of data and checksum of the package: what is not about the repodata's own files."""
    folder = pathlib.Path(folder)
    repomd = ElementTree.parse(folder / "repodata/repomd.xml").getroot()
    space = "{http://linux.duke.edu/metadata/repo}"
    found = {}
    for data in repomd.iter(f"{space}data"):
        if data.get("type") not in ("primary", "filelists", "other"):
            continue
        path = folder / data.find(f"{space}location").get("href")
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != data.find(f"{space}checksum").text or len(raw) != int(data.find(f"{space}size").text):
            raise RuntimeError(f"{path}: the checksum or size in repomd.xml is wrong")
        plain = unpack(path)
        if hashlib.sha256(plain).hexdigest() != data.find(f"{space}open-checksum").text or len(plain) != int(data.find(f"{space}open-size").text):
            raise RuntimeError(f"{path}: the open-checksum or open-size in repomd.xml is wrong")
        root = ElementTree.fromstring(plain)
        packages = collections.Counter(tree(package) for package in root)
        if int(root.get("packages")) != packages.total():
            raise RuntimeError(f"{path}: it says {root.get('packages')} packages and has {packages.total()}")
        found[data.get("type")] = packages
    return found


def differences(ours, theirs):
    """Packages that two answers of `facts` say different things of, as lines."""
    lines = []
    for kind in ("primary", "filelists", "other"):
        for name, packages in (("ours", ours[kind] - theirs[kind]), ("theirs", theirs[kind] - ours[kind])):
            lines += [f"{kind}, only {name}: {package}" for package in packages]
    return lines


def digest(folder):
    """The bytes of all of repodata, as one number."""
    found = hashlib.sha256()
    for path in sorted(pathlib.Path(folder, "repodata").iterdir()):
        found.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


CLUSTER = 400


def write_universe(folder, packages, files):
    """Writes repodata of packages that there are not: each provides 8 capabilities and requires 12 of other packages of its cluster,
    so that an installation of one takes some 400."""
    rng = random.Random(packages)
    repodata = pathlib.Path(folder, "repodata")
    repodata.mkdir(parents=True)
    space = "http://linux.duke.edu/metadata/"
    texts = {"primary": [f'<metadata xmlns="{space}common" xmlns:rpm="{space}rpm" packages="{packages}">'],
             "filelists": [f'<filelists xmlns="{space}filelists" packages="{packages}">'], "other": [f'<otherdata xmlns="{space}other" packages="{packages}">']}
    for number in range(packages):
        name, identity = f"{rng.choice(WORDS)}-{number}", hashlib.sha256(str(number).encode()).hexdigest()
        version = f'<version epoch="0" ver="{rng.randrange(9)}.{rng.randrange(99)}" rel="{rng.randrange(1, 30)}.fc40"/>'
        provides = [f'<rpm:entry name="cap({number}.{n})" flags="EQ" epoch="0" ver="1.{n}"/>' for n in range(8)]
        first = number - number % CLUSTER
        near = [first + rng.randrange(min(CLUSTER, packages - first)) for _ in range(12)]
        requires = [f'<rpm:entry name="cap({one}.{n % 8})" flags="GE" epoch="0" ver="1"/>' for n, one in enumerate(near)]
        paths = [f"<file>/usr/{rng.choice(['bin', 'lib64', 'share'])}/{name}/{rng.choice(WORDS)}-{n}</file>" for n in range(files // packages)]
        texts["primary"].append(
            f'<package type="rpm"><name>{name}</name><arch>x86_64</arch>{version}<checksum type="sha256" pkgid="YES">{identity}</checksum>'
            f"<summary>The {name} package</summary><description>{'A package of words. ' * rng.randrange(1, 20)}</description><packager/>"
            f'<url>https://example.org/{name}</url><time file="{DATE}" build="{DATE}"/><size package="1" installed="1" archive="1"/>'
            f'<location href="{name}.rpm"/><format><rpm:license>MIT</rpm:license><rpm:sourcerpm>{name}.src.rpm</rpm:sourcerpm>'
            f'<rpm:header-range start="0" end="1"/><rpm:provides>{"".join(provides)}</rpm:provides><rpm:requires>{"".join(requires)}</rpm:requires>'
            f'{"".join(path for path in paths if "bin/" in path)}</format></package>')
        opened = f'<package pkgid="{identity}" name="{name}" arch="x86_64">{version}'
        texts["filelists"].append(f'{opened}{"".join(paths)}</package>')
        texts["other"].append(f"{opened}</package>")
    repomd = ['<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision>']
    for (kind, lines), root in zip(texts.items(), ("metadata", "filelists", "otherdata")):
        plain = "\n".join([*lines, f"</{root}>\n"]).encode()
        packed = gzip.compress(plain, mtime=0)
        (repodata / f"{kind}.xml.gz").write_bytes(packed)
        repomd.append(f'<data type="{kind}"><checksum type="sha256">{hashlib.sha256(packed).hexdigest()}</checksum>'
                      f'<location href="repodata/{kind}.xml.gz"/><size>{len(packed)}</size><open-size>{len(plain)}</open-size></data>')
    (repodata / "repomd.xml").write_text("\n".join([*repomd, "</repomd>\n"]))
    return str(folder)
