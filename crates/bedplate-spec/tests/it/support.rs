//! The conformance cases in memory, an engine over them, and the checks that hold for every answer.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use bedplate_diag::{Diagnostic, Sources};
use bedplate_spec::host::{Files, Machine, MemoryFiles, Shell};
use bedplate_spec::{ConfigRequest, Dialect, Evaluation, MacroConfig, SpecInput, evaluate};
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::entry::{OneAnswer, with_stack};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/conformance");

/// One spec of the conformance suite.
#[derive(Debug)]
pub(crate) struct Case {
    /// `GROUP/NAME`
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
}

impl Case {
    /// The folder of the case in [`Suite::files`].
    pub(crate) fn folder(&self) -> String {
        format!("/cases/{}", self.name.split('/').next().unwrap())
    }

    pub(crate) fn path(&self) -> String {
        format!("/cases/{}.spec", self.name)
    }
}

/// The conformance suite in memory.
pub(crate) struct Suite {
    pub(crate) cases: Vec<Case>,
    files: Arc<dyn Files>,
    shell: Arc<dyn Shell>,
    machine: Arc<Machine>,
    configs: BTreeMap<Dialect, Arc<MacroConfig>>,
}

fn read_below(folder: &Path, prefix: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            read_below(&path, &name, found);
        } else {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
}

/// The suite, read once.
pub(crate) fn suite() -> &'static Suite {
    static SUITE: OnceLock<Suite> = OnceLock::new();
    SUITE.get_or_init(|| {
        let mut found = BTreeMap::new();
        read_below(&Path::new(DATA).join("cases"), "/cases", &mut found);
        let specs = found.iter().filter_map(|(path, content)| {
            let name = path.strip_prefix("/cases/")?.strip_suffix(".spec")?;
            Some(Case { name: name.to_owned(), content: content.clone() })
        });
        let cases = specs.collect();
        read_below(&Path::new(DATA).join("macros"), "/conf", &mut found);
        let files: Arc<dyn Files> = Arc::new(MemoryFiles::new(found));
        let shell: Arc<dyn Shell> = Arc::new(OneAnswer);
        let machine = Machine::default();
        let configs = Dialect::ALL.into_iter().map(|dialect| {
            let mut request = ConfigRequest::of_directory("/conf", dialect);
            request.target = Some("x86_64".to_owned());
            let config = with_stack(|| MacroConfig::read(&request, &files, &shell, &machine));
            assert!(config.diagnostics().is_empty(), "the suite's own macros are good: {:?}", config.diagnostics());
            (dialect, config)
        });
        let configs = configs.collect();
        Suite { cases, files, shell, machine: Arc::new(machine), configs }
    })
}

impl Suite {
    /// Evaluates a spec as if it stood at `path`; needs [`with_stack`].
    pub(crate) fn evaluate(&self, path: &str, folder: &str, content: &[u8], dialect: Dialect) -> Evaluation {
        let input = SpecInput { source_dir: Some(folder.to_owned()), ..SpecInput::new(path, content) };
        evaluate(&self.configs[&dialect], input, &self.files, &self.shell, &self.machine)
    }

    /// Expands a text; needs [`with_stack`].
    pub(crate) fn expand(&self, text: &str, dialect: Dialect) -> (Option<String>, Vec<Diagnostic>, Sources) {
        bedplate_spec::expand(&self.configs[&dialect], text, &self.files, &self.shell, &self.machine)
    }
}

/// Checks a property for `cases` values of a strategy (times `PROPTEST_CASES` / 256 if that is set), on a thread with room
/// for deep macros, and shows the smallest value that fails.
pub(crate) fn property<S>(cases: u32, strategy: &S, holds: impl Fn(S::Value) + Send + Sync)
where
    S: Strategy + Sync,
    S::Value: std::fmt::Debug,
{
    let factor = Config::default().cases.max(256) / 256;
    let config = Config { cases: cases * factor, failure_persistence: None, ..Config::default() };
    let result = with_stack(|| {
        let mut runner = TestRunner::new(config);
        let result = runner.run(strategy, |value| {
            holds(value);
            Ok(())
        });
        result.map_err(|error| match error {
            TestError::Fail(why, value) => format!("{why}\nsmallest input: {value:#?}"),
            TestError::Abort(why) => format!("aborted: {why}"),
        })
    });
    if let Err(text) = result {
        eprintln!("{text}");
        panic!("the property does not hold");
    }
}
