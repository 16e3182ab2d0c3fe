//! The commands that scripts are, as rpm would start them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use bedplate_sandbox::{Bind, Command};
use bedplate_tree::FileTree;

use crate::{Owner, Package, RunOptions, Script, ScriptError, Step};

/// Where the script's text lies while it runs.
pub(crate) const SCRIPT: &str = "/var/tmp/rpm-tmp.script";
/// Where rpm's Lua is shown.
pub(crate) const LUA: &str = "/run/rpm-lua";
/// `SCRIPT_PATH` of `lib/rpmscript.c`.
const PATH: &str = "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin";

/// What commands are made with.
pub(crate) struct Tools<'a> {
    pub(crate) tree: &'a FileTree,
    pub(crate) packages: &'a [Package],
    pub(crate) options: &'a RunOptions,
}

impl Tools<'_> {
    /// Refuses scripts that cannot be run here, all at once.
    pub(crate) fn check(&self, steps: &[&Step<'_>]) -> Result<(), ScriptError> {
        let expanded = steps.iter().filter_map(|step| {
            let options = [(Script::EXPAND, "-e"), (Script::QUERY_FORMAT, "-q")];
            let (_, option) = options.into_iter().find(|(flag, _)| step.script.flags & flag != 0)?;
            Some(step.title(self.packages).replacen(' ', &format!(" {option} "), 1))
        });
        let scripts: Vec<String> = expanded.collect();
        if !scripts.is_empty() {
            return Err(ScriptError::Expanded { scripts });
        }
        let in_lua = steps.iter().filter(|step| step.script.is_lua());
        let scripts: Vec<String> = in_lua.map(|step| step.title(self.packages)).collect();
        if scripts.is_empty() || self.lua_argv().is_some() { Ok(()) } else { Err(ScriptError::NoLua { scripts }) }
    }

    /// The command that a step is, as rpm would start it. It was checked.
    pub(crate) fn command(&self, step: &Step<'_>) -> Command {
        let prefixes: &[String] = match step.owner {
            Owner::Package(package) => &self.packages[package].prefixes,
            Owner::Config(_) => &[],
        };
        let mut env: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), PATH.into()),
            ("HOME".into(), "/root".into()),
            ("LANG".into(), "C".into()),
            ("TERM".into(), "dumb".into()),
            // Tools of systemd then only change files.
            ("SYSTEMD_OFFLINE".into(), "1".into()),
            ("SOURCE_DATE_EPOCH".into(), self.options.epoch.to_string().into()),
        ];
        for (number, prefix) in prefixes.iter().enumerate() {
            env.push((format!("RPM_INSTALL_PREFIX{number}").into(), prefix.into()));
            if number == 0 {
                env.push(("RPM_INSTALL_PREFIX".into(), prefix.into()));
            }
        }
        let mut argv: Vec<OsString> = step.script.program.iter().map(Into::into).collect();
        let mut content = step.script.body.clone();
        if step.script.is_lua() {
            argv = self.lua_argv().unwrap_or(argv);
            // An image without rpm has no configuration of it either.
            if self.tree.get("/usr/lib/rpm/rpmrc").is_none() {
                env.push(("RPM_CONFIGDIR".into(), format!("{LUA}/usr/lib/rpm").into()));
            }
            content = Some(lua_script(step, prefixes));
        }
        // A program that runs alone gets no arguments.
        if content.is_some() {
            argv.push(SCRIPT.into());
            if !step.script.is_lua() {
                argv.extend(step.arguments.iter().map(Into::into));
            }
        }
        let input = step.input.iter().flat_map(|path| [path.as_bytes(), b"\n"].concat()).collect();
        Command { argv, env, input, file: content.map(|content| (SCRIPT.into(), content)) }
    }

    /// What of the host the scripts see: rpm's Lua, if one needs it.
    pub(crate) fn binds(&self, steps: &[&Step<'_>]) -> Vec<Bind> {
        let needs_lua = steps.iter().any(|step| step.script.is_lua());
        let root = self.options.lua.as_ref().filter(|_| needs_lua);
        let bind = |root: &PathBuf| Bind { source: root.clone(), target: LUA.into(), writable: false };
        root.map(bind).into_iter().collect()
    }

    /// rpm's Lua out of another root, with that root's own loader and libraries; None if it is not there.
    fn lua_argv(&self) -> Option<Vec<OsString>> {
        let root = self.options.lua.as_deref()?;
        let entries = |folder: &Path| -> Option<Vec<PathBuf>> {
            let mut entries: Vec<_> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
            entries.sort();
            Some(entries)
        };
        let is_loader = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux")) && path.is_file()
        };
        let folders = entries(&root.join("usr/lib"))?.into_iter().chain([root.join("usr/lib64")]);
        let loader = folders.filter_map(|folder| entries(&folder)).flatten().find(is_loader)?;
        if !root.join("usr/bin/rpmlua").is_file() {
            return None;
        }
        let inside = |path: &Path| Path::new(LUA).join(path.strip_prefix(root).unwrap_or(path));
        let argv = [
            inside(&loader).into_os_string(),
            "--library-path".into(),
            inside(loader.parent()?).into_os_string(),
            format!("{LUA}/usr/bin/rpmlua").into(),
        ];
        Some(argv.into())
    }
}

/// A script with what rpm sets up before it: `runLuaScript` of `lib/rpmscript.c`. All of it is on the first line, so that messages
/// name the right one.
fn lua_script(step: &Step<'_>, prefixes: &[String]) -> Vec<u8> {
    let text = |text: &str| format!("[==[{text}]==]");
    let mut head = String::from("local opt, arg = {}, {'<lua>'");
    // Those of packages, the only ones in Lua, are numbers.
    step.arguments.iter().for_each(|number| head.push_str(&format!(", {number}")));
    head.push_str("} ");
    if !step.input.is_empty() {
        head.push_str("rpm.next_file = function() return io.read() end ");
    }
    if !prefixes.is_empty() {
        let prefixes: Vec<_> = prefixes.iter().map(|prefix| text(prefix)).collect();
        head.push_str(&format!("RPM_INSTALL_PREFIX = {{{}}} ", prefixes.join(", ")));
    }
    [head.as_bytes(), step.script.body.as_deref().unwrap_or_default()].concat()
}
