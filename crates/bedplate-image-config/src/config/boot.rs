//! Kernel, boot loader, settings of the kernel.

use crate::names::{Console, KernelParameter, ModuleName, ModuleOptions};
use crate::node::{Node, Value};
use crate::shape::{Bounded, Context, Grammar, Setting, Shape, section, words};
use crate::spanned::{Pairs, Spanned};

section! {
    /// The kernel: its command line and its modules.
    pub struct Kernel {
        "command-line" => command_line: CommandLine = Otherwise(""), "";
        "modules" => modules: Modules = Otherwise(""), "";
    }
}

section! {
    /// The command line that the kernel is started with. What the image needs of itself (its root, its verity) is added without being
    /// written here.
    pub struct CommandLine {
        /// Parameters that are added, in this order.
        "add" => add: Vec<Spanned<KernelParameter>> = Otherwise(""), "[\"quiet\", \"lockdown=integrity\"]";
        /// Parameters that are taken out of what packages and bedplate itself would add: `name` for all with that name, `name=value` for just that.
        "remove" => remove: Vec<Spanned<KernelParameter>> = Otherwise(""), "[\"rhgb\"]";
    }
}

section! {
    /// Modules of the kernel.
    pub struct Modules {
        /// Modules that are loaded when the system starts.
        "load" => load: Vec<Spanned<ModuleName>> = Otherwise(""), "[\"br_netfilter\"]";
        /// Modules that are never loaded, not even by name.
        "blacklist" => blacklist: Vec<Spanned<ModuleName>> = Otherwise(""), "[\"floppy\"]";
        /// Options of modules: the module, and what it is given.
        "options" => options: Pairs<ModuleName, ModuleOptions> = Otherwise(""), "{ nvme_core = \"io_timeout=255\" }";
        /// Modules that the initramfs has beside those that it needs to find the root.
        "initramfs" => initramfs: Vec<Spanned<ModuleName>> = Otherwise(""), "[\"hv_storvsc\", \"nvme\"]";
    }
}

words! {
    /// How the image boots.
    pub enum BootKind {
        /// The firmware starts one unified kernel image.
        Uki = "uki",
        /// The firmware starts systemd-boot, which starts the unified kernel image that it finds.
        SystemdBoot = "systemd-boot",
        /// The image does not boot by itself: it is a container, or what starts it has a kernel of its own.
        None = "none",
    }
}

section! {
    /// How the image boots. Only UEFI is there.
    pub struct Boot {
        /// What the firmware starts.
        "kind" => kind: Spanned<BootKind> = Default("\"uki\""), "\"systemd-boot\"";
        /// Consoles of the kernel, the last of which is `/dev/console`.
        "console" => console: Vec<Spanned<Console>> = Otherwise("what the kernel chooses"), "[\"tty0\", \"ttyS0,115200n8\"]";
        /// How many seconds systemd-boot shows its menu; 0 shows none.
        "timeout" => timeout: Spanned<Bounded<0, 3600>> = Default("0"), "3";
    }
}

/// The value of a key of sysctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysctlValue(pub String);

impl Setting for SysctlValue {
    fn shape() -> Shape {
        let text = Grammar {
            what: "a value of sysctl",
            pattern: "^[^\\n\\x00-\\x1f]*$",
            rule: "a number, or one line of text",
            check: |text| if text.chars().any(char::is_control) { Err(String::new()) } else { Ok(()) },
        };
        Shape::NumberOr { least: i64::MIN, most: i64::MAX, text }
    }

    fn take(node: &Node, _: &Context) -> Option<Self> {
        match &node.value {
            Value::Number(number) => Some(Self(number.to_string())),
            Value::Text(text) => Some(Self(text.clone())),
            _ => None,
        }
    }
}

impl std::fmt::Display for SysctlValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
