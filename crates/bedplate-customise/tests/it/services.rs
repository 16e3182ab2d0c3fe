//! The links of our units are those of `systemctl --root`.

use bedplate_customise::{Editor, Scope, apply_presets, disable, enable, mask};
use bedplate_diag::{SourceId, Span};
use bedplate_image_config::{Spanned, UnitName};

use crate::support::Root;

fn named(names: &[&str]) -> Vec<Spanned<UnitName>> {
    names.iter().map(|name| Spanned::new(name.parse().unwrap(), Span::new(SourceId(0), 0, 0))).collect()
}

/// Does the same with both on the same root, one thing after the other, and compares all files each time.
fn agrees(files: &[(&str, &str)], steps: &[&[&str]]) {
    let mut root = Root::new(files);
    for step in steps {
        let ours = root.ours(|editor| ours(editor, step));
        let mut arguments = vec!["--root", root.path().to_str().unwrap().to_owned().leak()];
        arguments.extend(*step);
        // It fails where a unit is masked or static, after it has done the rest.
        root.try_theirs("systemctl", &arguments);
        root.assert_same(&ours, |_| false);
    }
}

fn ours(editor: &mut Editor<'_>, step: &[&str]) {
    match step {
        ["preset-all"] => apply_presets(editor, Scope::System),
        ["--global", "preset-all"] => apply_presets(editor, Scope::User),
        ["enable", names @ ..] => enable(editor, Scope::System, &named(names)),
        ["--global", "enable", names @ ..] => enable(editor, Scope::User, &named(names)),
        ["disable", names @ ..] => disable(editor, Scope::System, &named(names)),
        ["mask", names @ ..] => mask(editor, Scope::System, &named(names)),
        other => panic!("{other:?}"),
    }
    .unwrap();
}

const UNITS: &[(&str, &str)] = &[
    (
        "/usr/lib/systemd/system/a.service",
        "[Service]\nExecStart=/bin/a\n[Install]\nWantedBy=multi-user.target\nAlias=alias-a.service other.service\nAlso=a.socket\n",
    ),
    ("/usr/lib/systemd/system/a.socket", "[Install]\nWantedBy=sockets.target\n"),
    ("/usr/lib/systemd/system/b.service", "[Install]\nRequiredBy=multi-user.target a.service\n"),
    ("/usr/lib/systemd/system/static.service", "[Unit]\n"),
    ("/usr/lib/systemd/system/off.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("/usr/lib/systemd/system/getty@.service", "[Install]\nWantedBy=getty.target\nDefaultInstance=tty1\n"),
    ("/usr/lib/systemd/system/serial@.service", "[Install]\nWantedBy=getty.target\nAlias=console@.service\n"),
    ("/usr/lib/systemd/system/multi@.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("/usr/lib/systemd/system/names@.service", "[Install]\nWantedBy=%p-%i.target\nAlias=x-%j-%i.service\n"),
    ("/usr/lib/systemd/system/graphical.target", "[Unit]\n[Install]\nAlias=default.target\n"),
    ("/usr/lib/systemd/system/multi-user.target", "[Unit]\n[Install]\n"),
    ("/usr/lib/systemd/system/runlevel5.target", "-> graphical.target"),
    ("/usr/lib/systemd/system/drop-in-unit.service", "[Service]\n"),
    ("/usr/lib/systemd/system/drop-in-unit.service.d/10-a.conf", "[Install]\nWantedBy=multi-user.target\n"),
    ("/etc/systemd/system/drop-.service.d/20-b.conf", "[Install]\nWantedBy=extra.target\n"),
    ("/etc/systemd/system/local.service", "[Install]\nWantedBy=multi-user.target\n"),
    ("/usr/lib/systemd/system/alias-of-b.service", "-> b.service"),
    ("/usr/lib/systemd/system/masked.service", "-> /dev/null"),
    (
        "/usr/lib/systemd/system/reset.service",
        "[Install]\nWantedBy=x.target\nWantedBy=\nWantedBy=y.target \\\n  z.target\n",
    ),
];

fn with(presets: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut files = UNITS.to_vec();
    files.extend_from_slice(presets);
    files
}

#[test]
fn presets_of_nothing_enable_all() {
    agrees(UNITS, &[&["preset-all"]]);
}

#[test]
fn presets_decide_by_the_first_rule() {
    let files = with(&[
        (
            "/usr/lib/systemd/system-preset/90-systemd.preset",
            "# x\nenable getty@.service\ndisable off.*\nenable multi@.service one two\n",
        ),
        ("/usr/lib/systemd/system-preset/99-default.preset", "disable *\n"),
        ("/etc/systemd/system-preset/80-local.preset", "enable a.service\nenable b.service\nenable local.service\n"),
        ("/etc/systemd/system/multi-user.target.wants/off.service", "-> /usr/lib/systemd/system/off.service"),
    ]);
    agrees(&files, &[&["preset-all"], &["preset-all"]]);
}

#[test]
fn enable_and_disable() {
    agrees(
        UNITS,
        &[
            &["enable", "a.service"],
            &["enable", "b.service", "getty@.service", "getty@tty7.service"],
            &["enable", "serial@ttyS0.service", "names@x.service", "multi@3.service"],
            &["enable", "drop-in-unit.service", "local.service", "reset.service"],
            &["enable", "runlevel5.target"],
            &["enable", "static.service"],
            &["disable", "a.service"],
            &["disable", "getty@.service"],
            &["disable", "drop-in-unit.service", "local.service"],
            &["disable", "graphical.target", "serial@ttyS0.service"],
        ],
    );
}

#[test]
fn mask_hides_units() {
    agrees(
        UNITS,
        &[&["mask", "a.service", "nowhere.service"], &["enable", "b.service"], &["mask", "b.service"], &["preset-all"]],
    );
}

#[test]
fn units_of_users() {
    let files = [
        ("/usr/lib/systemd/user/agent.socket", "[Install]\nWantedBy=sockets.target\n"),
        ("/usr/lib/systemd/user/agent.service", "[Install]\nAlso=agent.socket\n"),
        ("/usr/lib/systemd/user/off.service", "[Install]\nWantedBy=default.target\n"),
        ("/usr/lib/systemd/user-preset/99.preset", "disable off.service\n"),
    ];
    agrees(&files, &[&["--global", "preset-all"], &["--global", "enable", "off.service"]]);
}

#[test]
fn mistakes_have_near_names() {
    let mut root = Root::new(UNITS);
    root.ours(|editor| {
        enable(
            editor,
            Scope::System,
            &named(&["getti@.service", "masked.service", "static.service", "multi@.service"]),
        )
        .unwrap();
        disable(editor, Scope::System, &named(&["loca.service"])).unwrap();
        mask(editor, Scope::System, &named(&["local.service"])).unwrap();
    });
    let said: Vec<String> =
        root.said.iter().map(|one| format!("{} {}: {}", one.severity.word(), one.code, one.message)).collect();
    assert_eq!(
        said,
        [
            "error unknown-unit: there is no unit `getti@.service`",
            "error masked-unit: `masked.service` is masked and cannot be enabled",
            "warning static-unit: `static.service` has no [Install] section: there is nothing to enable",
            "error template-unit: `multi@.service` is a template without a default instance",
            "error unknown-unit: there is no unit `loca.service`",
            "error unit-in-etc: `local.service` cannot be masked: `/etc/systemd/system/local.service` is there",
        ]
    );
    assert_eq!(root.said[0].hint.as_deref(), Some("did you mean `getty@.service`?"));
    assert_eq!(root.said[4].hint.as_deref(), Some("did you mean `local.service`?"));
}
