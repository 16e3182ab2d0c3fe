"""Writes specs for the benchmark: the same number gives the same bytes on any machine.

Two of three are made from the templates here, which have the shapes and the macro habits of real distributions (a median
of some 100 lines, sub-packages, build conditions, shell and Lua in macros, changelogs). The third is a copy, under
another name, of a good conformance case, so that the odd corners of the language are in the sum as well.
"""
import datetime
import json
import pathlib
import random
import re

WORDS = "amber birch cedar delta ember fjord grove heron iris jade kelp larch maple north olive pine quartz reed sage tern".split()
PEOPLE = ["Ada Moss <ada@example.org>", "Ben Hale <ben@example.org>", "Cleo Park <cleo@example.org>"]
CHANGES = ["Update to the new release", "Fix build with the next compiler", "Drop patch that upstream took",
           "Rebuild for the new soname", "Move headers to the devel package", "Add a check section"]


def changelog(rng, version, entries):
    day = datetime.date(2025, 6, 1)
    lines = ["%changelog"]
    for entry in range(entries):
        day -= datetime.timedelta(days=rng.randrange(5, 120))
        lines.append(f"* {day.strftime('%a %b %d %Y')} {rng.choice(PEOPLE)} - {version}-{entries - entry}")
        lines += [f"- {rng.choice(CHANGES)}" for _ in range(rng.randrange(1, 4))] + [""]
    return lines


def preamble(rng, name, version, license_name="MIT"):
    return [f"Name:           {name}", f"Version:        {version}", f"Release:        {rng.randrange(1, 30)}%{{?dist}}",
            f"Summary:        The {name} package", f"License:        {license_name}", "Vendor:         Example",
            f"URL:            https://example.org/{name}", "Source0:        https://example.org/%{name}/%{name}-%{version}.tar.gz"]


def patches(rng):
    return [f"Patch{n}:         %{{name}}-fix-{n}.patch" for n in range(rng.randrange(0, 6))]


def requires(rng, tag="BuildRequires", most=10):
    lines = []
    for word in rng.sample(WORDS, rng.randrange(2, most)):
        form = rng.randrange(5)
        if form == 0:
            lines.append(f"{tag}:  {word}-devel >= {rng.randrange(1, 4)}.{rng.randrange(20)}")
        elif form == 1:
            lines.append(f"{tag}:  pkgconfig({word})")
        elif form == 2:
            lines.append(f"{tag}:  ({word} if {rng.choice(WORDS)}-libs)")
        else:
            lines.append(f"{tag}:  {word}-devel{'%{?_isa}' if form == 3 else ''}")
    return lines


def package(name, summary, depends=()):
    return [f"%package {name}", f"Summary:        {summary}", "Requires:       %{name}%{?_isa} = %{version}-%{release}",
            *depends, "", f"%description {name}", f"{summary} of %{{name}}.", ""]


def library(rng, name, version):
    tests = rng.choice(["%bcond_without tests", "%bcond_with tests", "%global with_tests 0%{?rhel:1}"])
    condition = "%if 0%{?with_tests}" if "global" in tests else "%if %{with tests}"
    return [
        f"%global soversion {rng.randrange(1, 9)}", "%global major %(echo %{version} | cut -d. -f1,2)" if rng.random() < .3 else
        "%global major 1.0", "%{!?with_static: %global with_static 0}", tests, "",
        *preamble(rng, name, version, "LGPLv2+"), *patches(rng), *requires(rng), condition, *requires(rng, most=4), "%endif",
        "%ifarch x86_64 aarch64", "BuildRequires:  numactl-devel", "%else", "BuildRequires:  slow-maths", "%endif",
        "Provides:       %{name}(api) = %{major}", "", "%description", "A library. " * rng.randrange(3, 20), "",
        *package("devel", "Development files", ["Requires:       pkgconfig", "Provides:       %{name}-headers = %{version}-%{release}"]),
        *package("static", "Static library"), *package("tools", "Command line tools", requires(rng, "Requires", 4)),
        "%prep", "%setup -q", "", "%build", "export CFLAGS=\"%{optflags} -fno-strict-aliasing\"", "%configure \\",
        "  --disable-rpath \\", "%if 0%{?with_static}", "  --enable-static \\", "%endif",
        "  --libdir=%{_libdir}", "make %{?_smp_mflags}", "", "%install", "%make_install", "find %{buildroot} -name '*.la' -delete", "",
        "%check", condition, "make check", "%endif", "", "%post -p /sbin/ldconfig", "%postun -p /sbin/ldconfig", "",
        "%files", "%license COPYING", "%doc README NEWS", "%{_libdir}/lib%{name}.so.%{soversion}*", "",
        "%files devel", "%{_includedir}/%{name}/", "%{_libdir}/lib%{name}.so", "%{_libdir}/pkgconfig/%{name}.pc", "",
        "%files static", "%{_libdir}/lib%{name}.a", "", "%files tools", "%{_bindir}/%{name}-*", "%{_mandir}/man1/%{name}*.1*", "",
        *changelog(rng, version, rng.randrange(5, 40))]


def python_module(rng, name, version):
    return [
        "%{!?python3_sitelib: %global python3_sitelib %(python3 -c \"import sysconfig; print(sysconfig.get_path('purelib'))\")}",
        "%{!?python3_version: %global python3_version %(python3 -c \"import sys; print('%d.%d' % sys.version_info[:2])\")}",
        f"%global pypi_name {name}", "%global _description %{expand:", "A Python module that does one thing,", "and does it well.}", "",
        *preamble(rng, f"python-{name}", version), *patches(rng), "BuildArch:      noarch", *requires(rng), "",
        "%description %_description", "", "%package -n python3-%{pypi_name}", "Summary:        %{summary}",
        "%{?python_provide:%python_provide python3-%{pypi_name}}", *requires(rng, "Requires", 6),
        "Provides:       python%{python3_version}dist(%{pypi_name}) = %{version}", "",
        "%description -n python3-%{pypi_name} %_description", "", "%prep", "%autosetup -p1 -n %{pypi_name}-%{version}", "",
        "%build", "python3 setup.py build", "", "%install", "python3 setup.py install --skip-build --root=%{buildroot}", "",
        "%files -n python3-%{pypi_name}", "%license LICENSE", "%{python3_sitelib}/%{pypi_name}/",
        "%{python3_sitelib}/%{pypi_name}-%{version}*", "", *changelog(rng, version, rng.randrange(2, 15))]


def perl_module(rng, name, version):
    return [
        *preamble(rng, f"perl-{name.title()}", version, "GPL+ or Artistic"), "BuildArch:      noarch",
        *[f"BuildRequires:  perl({word.title()}::{rng.choice(WORDS).title()})" for word in rng.sample(WORDS, 8)],
        "Requires:       perl(:MODULE_COMPAT_%(eval \"`perl -V:version`\"; echo $version))", "",
        "%{?perl_default_filter}", "%global __requires_exclude %{?__requires_exclude:%__requires_exclude|}^perl\\\\(Internal\\\\)", "",
        "%description", "Perl bindings.", "", "%prep", "%setup -q -n %{name}-%{version}", "", "%build",
        "perl Makefile.PL INSTALLDIRS=vendor NO_PACKLIST=1", "%make_build", "", "%install", "%make_install",
        "%{_fixperms} %{buildroot}/*", "", "%check", "make test", "", "%files", "%{perl_vendorlib}/*", "%{_mandir}/man3/*", "",
        *changelog(rng, version, rng.randrange(5, 60))]


def daemon(rng, name, version):
    commit = f"{rng.getrandbits(160):040x}"
    units = [f"{name}-{word}.service" for word in rng.sample(WORDS, rng.randrange(1, 4))]
    return [
        f"%global commit {commit}", "%global shortcommit %(echo %{commit} | cut -c1-7)",
        "%define service_name() %{name}-%1.service",
        "%global runtime_user %{?service_user}%{!?service_user:nobody}", "",
        *preamble(rng, name, f"{version}^git%{{shortcommit}}", "Apache-2.0"), *patches(rng),
        *[f"Source{n + 1}:        {unit}" for n, unit in enumerate(units)], *requires(rng),
        "Requires(pre):  shadow-utils", "Requires(post): systemd", "Requires(preun): systemd", "Requires(postun): systemd",
        "%if 0%{?fedora} >= 38 || 0%{?rhel} > 8", "Requires:       %{name}-selinux", "%elif 0%{?azl}", "Requires:       %{name}-policy",
        "%else", "Recommends:     %{name}-policy", "%endif", "Conflicts:      %{name}-legacy < 2", "Obsoletes:      %{name}-old < 1.5", "",
        "%description", "A daemon. " * rng.randrange(3, 12), "", *package("selinux", "SELinux policy", ["BuildArch:      noarch"]),
        "%prep", "%autosetup -p1 -n %{name}-%{commit}", "", "%build", "%make_build VERSION=%{version}", "", "%install",
        *[f"install -D -m 0644 %{{SOURCE{n + 1}}} %{{buildroot}}/usr/lib/systemd/system/{unit}" for n, unit in enumerate(units)], "",
        "%pre", "getent group %{runtime_user} >/dev/null || groupadd -r %{runtime_user}",
        "getent passwd %{runtime_user} >/dev/null || useradd -r -g %{runtime_user} -s /sbin/nologin %{runtime_user}", "exit 0", "",
        "%post", *[f"%systemd_post {unit}" for unit in units], "", "%preun", *[f"%systemd_preun {unit}" for unit in units], "",
        "%postun", *[f"%systemd_postun_with_restart {unit}" for unit in units], "",
        f"%triggerun -- {name} < 1.0", "systemctl daemon-reload || :", "", "%files", "%{_bindir}/%{name}",
        *[f"/usr/lib/systemd/system/%{{service_name {n}}}" for n in range(len(units))], "%config(noreplace) %{_sysconfdir}/%{name}.conf", "",
        "%files selinux", "%{_datadir}/selinux/packages/%{name}.pp", "", *changelog(rng, version, rng.randrange(5, 30))]


def lua_generated(rng, name, version):
    languages = rng.sample(["de", "fr", "es", "it", "pt", "nl", "sv", "fi", "pl", "cs"], rng.randrange(3, 8))
    return [
        *preamble(rng, name, version), "BuildArch:      noarch", *requires(rng), "", "%description", "Translations.", "",
        f"%global languages {' '.join(languages)}",
        "%{lua:", "for language in rpm.expand('%{languages}'):gmatch('%S+') do",
        "  print('%package ' .. language .. '\\n')", "  print('Summary: ' .. language:upper() .. ' texts\\n')",
        "  print('Supplements: (' .. rpm.expand('%{name}') .. ' and langpacks-' .. language .. ')\\n')",
        "  print('\\n%description ' .. language .. '\\nTexts.\\n\\n')", "  print('%files ' .. language .. '\\n')",
        "  print('%{_datadir}/%{name}/' .. language .. '\\n')", "end", "}", "", "%files", "%{_datadir}/%{name}", "",
        *changelog(rng, version, rng.randrange(2, 20))]


def bundle(rng, name, version):
    modules = [f"Provides:       bundled(golang(example.org/{a}/{b})) = {rng.randrange(3)}.{rng.randrange(40)}.{rng.randrange(9)}"
               for a in WORDS for b in rng.sample(WORDS, 4)]
    return [
        f"%global goipath example.org/{name}", "%global debug_package %{nil}",
        "%define buildflags(x:) -trimpath %{-x:-tags %{-x*}} -ldflags '-X main.version=%{version} -B 0x%(echo %{name}-%{version} | sha1sum | cut -c1-40)'",
        *preamble(rng, name, version, "Apache-2.0"), *requires(rng), *modules, "ExclusiveArch:  x86_64 aarch64", "", "%description",
        "A tool in one binary.", "", "%prep", "%autosetup -p1", "", "%build", "go build %{buildflags -x netgo} -o %{name} ./cmd/%{name}", "",
        "%install", "install -D -m 0755 %{name} %{buildroot}%{_bindir}/%{name}", "", "%files", "%license LICENSE", "%{_bindir}/%{name}", "",
        *changelog(rng, version, rng.randrange(5, 50))]


# Weights after the share of each kind in the distributions that were surveyed.
TEMPLATES = [(library, 40), (python_module, 22), (perl_module, 12), (daemon, 14), (lua_generated, 7), (bundle, 5)]


def good_cases(conformance):
    """Texts of conformance cases that rpm takes, which are one file and have no arguments."""
    for spec in sorted((conformance / "cases").glob("*/*.spec")):
        answer = conformance / "expected" / spec.parent.name / f"{spec.stem}.json"
        if spec.with_suffix(".flags").exists() or not answer.exists():
            continue
        said = json.loads(answer.read_text())
        text = spec.read_bytes()
        is_alone = not re.search(rb"%include|%\{load|rpm\.load|posix\.|@CASE@|_sourcedir", text)
        if said["ok"] and not said.get("forced") and is_alone and re.search(rb"(?m)^Name: *[a-z]+$", text):
            yield text


def write(folder, count, conformance):
    """Writes `count` specs into a folder."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    cases = list(good_cases(conformance))
    templates, weights = zip(*TEMPLATES)
    for number in range(count):
        rng = random.Random(number)
        if number % 3 == 2 and cases:
            text = cases[number // 3 % len(cases)]
            text = re.sub(rb"(?m)^Name: *([a-z]+)$", rb"Name: \1-%04d" % number, text, count=1)
        else:
            template = rng.choices(templates, weights)[0]
            name = f"{rng.choice(WORDS)}{rng.choice(WORDS)}{number:04}"
            version = f"{rng.randrange(9)}.{rng.randrange(30)}.{rng.randrange(30)}"
            text = ("\n".join(template(rng, name, version)) + "\n").encode()
        (folder / f"{number:05}.spec").write_bytes(text)
