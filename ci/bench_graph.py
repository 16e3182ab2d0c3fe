"""Specs that need each other as those of a distribution do: generated, the same on any machine.

A core of tools that need each other (the seed cuts it), libraries in layers with `-devel` packages and pkgconfig files, Perl and
Python modules, applications with rich and file dependencies, and tests with requirements of their own.
"""
import pathlib
import random

CORE = ["glibc", "gcc", "binutils", "bash", "coreutils", "make", "perl", "python3", "sed", "gawk", "grep", "findutils", "tar", "gzip",
        "xz", "m4", "bison", "flex", "autoconf", "automake", "libtool", "gettext", "pkgconf", "cmake", "meson", "ninja"]

SEED = """version = 1
name = "bench"
[groups.base]
packages.bash = ["/bin/sh", "/bin/bash", "bash"]
packages.coreutils = ["coreutils"]
[groups.tools]
needs = ["base"]
"""


def spec(name, version, build_requires, packages, check_requires=(), rng=None):
    """The text of a spec; packages are (suffix, requires, files)."""
    lines = [f"Name: {name}", f"Version: {version}", "Release: 1%{?dist}", f"Summary: {name}", "License: MIT",
             f"URL: https://example.org/{name}", f"Source0: https://example.org/{name}-%{{version}}.tar.xz"]
    if check_requires:
        lines.insert(0, "%bcond_without check")
    lines += [f"BuildRequires: {one}" for one in build_requires]
    if check_requires:
        lines += ["%if %{with check}", *[f"BuildRequires: {one}" for one in check_requires], "%endif"]
    lines += [f"Requires: {one}" for one in packages[0][1]]
    lines += ["%description", f"The package {name}."]
    for suffix, requires, _ in packages[1:]:
        lines += [f"%package {suffix}", f"Summary: {name} {suffix}", *[f"Requires: {one}" for one in requires], f"%description {suffix}", "More."]
    lines += ["%prep", "%setup -q", "%build", "%configure", "%make_build", "%install", "%make_install"]
    if check_requires:
        lines += ["%if %{with check}", "%check", "make check", "%endif"]
    for suffix, _, files in packages:
        lines += [f"%files {suffix}".rstrip(), *files]
    return "\n".join(lines) + "\n"


def write(folder, count, seed=1):
    """Writes `count` specs below a folder, and `seed.toml`; gives their names."""
    rng = random.Random(seed)
    folder = pathlib.Path(folder)
    names, libraries = [], []

    def put(name, text):
        place = folder / "specs" / name
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.spec").write_text(text)
        names.append(name)

    for name in CORE:
        needs = sorted(rng.sample([one for one in CORE if one != name], 5)) + ["gcc", "make"] * (name not in ("gcc", "make"))
        runs = [] if name == "glibc" else ["glibc%{?_isa}"]
        put(name, spec(name, "1.0", needs, [("", runs, [f"%{{_bindir}}/{name}"])]))
    extra = max(0, count - len(CORE))
    for number in range(extra):
        version = f"{rng.randrange(9)}.{rng.randrange(30)}.{rng.randrange(9)}"
        tools = ["gcc", "make"] + rng.sample(["perl", "python3", "cmake", "meson", "ninja", "autoconf", "automake", "libtool", "pkgconf", "gettext"], 2)
        # Most need what is early in the list, as in a distribution: few libraries have hundreds of users.
        def some(most):
            chosen = {libraries[min(int(rng.expovariate(0.02)), len(libraries) - 1)] for _ in range(rng.randrange(most + 1))} if libraries else set()
            return sorted(chosen)
        if number % 3 == 0:
            name = f"lib{rng.choice('abcdefghkmnprst')}{number}"
            needs = tools + [f"pkgconfig({one})" for one in some(3)]
            run = [f"{one}%{{?_isa}}" for one in some(3)]
            devel = ["%{name}%{?_isa} = %{version}-%{release}"] + [f"{one}-devel" for one in some(2)]
            put(name, spec(name, version, needs, [("", run, [f"%{{_libdir}}/{name}.so.1*"]),
                                                   ("devel", devel, [f"%{{_libdir}}/pkgconfig/{name}.pc", f"%{{_includedir}}/{name}"])]))
            libraries.append(name)
        elif number % 3 == 1:
            name = f"perl-Mod{number}"
            needs = ["perl", "make"] + [f"{one}-devel >= 0" for one in some(2)]
            checks = [f"{one}-devel" for one in some(2)]
            put(name, spec(name, version, needs, [("", ["perl"], [f"%{{_datadir}}/perl5/vendor_perl/Mod/{name[5:]}.pm"])], checks))
        else:
            name = f"app{number}"
            needs = tools + [f"pkgconfig({one})" for one in some(4)] + ["/usr/bin/sed"]
            run = [f"{one}%{{?_isa}}" for one in some(3)] + ["(coreutils or busybox)", "(bash if glibc)"]
            checks = ["python3"] if number % 2 else []
            put(name, spec(name, version, needs, [("", run, [f"%{{_bindir}}/{name}"])], checks))
    groups = "".join(f'packages.{one} = ["{one}", "/usr/bin/{one}"]\n' for one in CORE if one not in ("bash", "coreutils"))
    (folder / "seed.toml").write_text(SEED + groups)
    return names


if __name__ == "__main__":
    import sys
    write(sys.argv[1], int(sys.argv[2]))
