//! All steps, in their order.

use bedplate_image_config::ImageConfig;

use crate::unit::Scope;
use crate::{Accounts, CustomiseError, Editor, Programs, Specifiers};

/// What a tree is customised by.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The image config.
    pub config: &'a ImageConfig,
    /// Lines of sysusers.d that packages only have as provides (see [`provided_line`](crate::provided_line)).
    pub provided_users: &'a [String],
    /// How programs run that make indexes. None: there is no sandbox; then depmod does not run, and systemd makes its own indexes when the
    /// image boots.
    pub programs: Option<Programs<'a>>,
}

/// Does all steps; gives the accounts of the image. What is wrong is in the editor's diagnostics; the tree is good only if none of
/// them is an error.
///
/// # Errors
///
/// If a file cannot be read or written.
pub fn customise(editor: &mut Editor<'_>, request: Request<'_>) -> Result<Accounts, CustomiseError> {
    let config = request.config;
    let version = config.image_version.as_ref().map(|version| version.as_str());
    crate::identify(editor, config.name.as_str(), version)?;
    let specifiers = Specifiers::of(editor, config.architecture.value.word())?;
    crate::create_system_users(editor, &specifiers, request.provided_users)?;
    let accounts = crate::create_users(editor, config)?;
    crate::place_files(editor, config, &accounts)?;
    crate::name_system(editor, config)?;
    crate::configure_kernel(editor, config, &accounts)?;
    for scope in [Scope::System, Scope::User] {
        crate::apply_presets(editor, scope)?;
    }
    crate::disable(editor, Scope::System, &config.services.disable)?;
    crate::enable(editor, Scope::System, &config.services.enable)?;
    crate::mask(editor, Scope::System, &config.services.mask)?;
    crate::make_temporary_files(editor, &specifiers, &accounts)?;
    crate::cache_libraries(editor)?;
    if let Some(programs) = request.programs {
        crate::index_modules(editor, programs)?;
        crate::index_systemd(editor, programs, config.architecture.value.word() == std::env::consts::ARCH)?;
    }
    crate::clean_state(editor, config)?;
    crate::check_tree(editor, config, &accounts);
    Ok(accounts)
}
