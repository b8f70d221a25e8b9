//! Where the secrets of the settings are kept: each source reads what it is told a name of. A setting
//! that may be a secret may name one instead: `env:NAME` (or `${NAME}`), `file:PATH`, `cmd:COMMAND`,
//! `vault:PATH#FIELD`, `transit:MOUNT/KEY#CIPHERTEXT`. Names may be shown, but for a command's, whose arguments are its own affair.

use crate::base::secret::Secret;
use std::{
    cell::OnceCell,
    fs::File,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use zeroize::Zeroize;

/// The most bytes that are read of a secret.
const MAX_BYTES: u64 = 64 * 1024;
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked after a command.
const LOOK: Duration = Duration::from_millis(5);

/// Somewhere that secrets are kept.
pub trait Source {
    /// The secret of this name.
    ///
    /// # Errors
    /// What is wrong, to be read after the name; nothing of the secret is in it.
    fn fetch(&self, name: &str) -> Result<Secret<String>, String>;
}

/// How Vault, or OpenBao, is reached.
#[derive(Clone, Debug)]
pub struct VaultAccess {
    /// Its address.
    pub address: String,
    /// The namespace there, if any.
    pub namespace: Option<String>,
    /// How to sign in there.
    pub login: VaultLogin,
}

/// How to sign in at Vault.
#[derive(Clone, Debug)]
pub enum VaultLogin {
    /// With a token.
    Token(Secret<String>),
    /// With a role and its secret (AppRole).
    AppRole {
        /// The role.
        role_id: String,
        /// Its secret.
        secret_id: Secret<String>,
    },
    /// As a service account of Kubernetes.
    Kubernetes {
        /// Where the method is mounted.
        mount: String,
        /// The role there.
        role: String,
        /// The file with the token of the account.
        token: PathBuf,
    },
}

/// Opens Vault; given by whoever may call other servers.
pub type OpenVault = dyn Fn(VaultAccess) -> Result<Box<dyn Source>, String>;

/// For whoever calls no other servers: tests, and pages of documentation.
pub(super) fn no_vault(_: VaultAccess) -> Result<Box<dyn Source>, String> {
    Err("is in Vault, which is not asked here".into())
}

/// The ways to name a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Env,
    File,
    Cmd,
    Vault,
    Transit,
}

/// The scheme of a reference and the name after it; `None` where the text is no reference.
fn split(text: &str) -> Option<(Scheme, &str)> {
    let text = text.trim();
    if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        return Some((Scheme::Env, name));
    }
    let schemes = [
        ("env:", Scheme::Env),
        ("file:", Scheme::File),
        ("cmd:", Scheme::Cmd),
        ("vault:", Scheme::Vault),
        ("transit:", Scheme::Transit),
    ];
    schemes.into_iter().find_map(|(prefix, scheme)| text.strip_prefix(prefix).map(|name| (scheme, name)))
}

/// Whether a text names a secret instead of being one.
pub(super) fn is_reference(text: &str) -> bool {
    split(text).is_some()
}

/// What a command calls, without its arguments and without the variables that it is given before, any of which may be a
/// secret. A value with quotation marks may go on behind a space, so of such a command nothing is told.
fn program(command: &str) -> &str {
    let mut words = command.split_whitespace().skip_while(|word| word.contains('=') && !word.contains(QUOTING));
    words.next().filter(|word| !word.contains('=')).unwrap_or_default()
}

/// What the shell joins words by, or reads on behind.
const QUOTING: [char; 5] = ['\'', '"', '\\', '$', '`'];

/// A reference as messages show it.
pub(super) fn shown(text: &str) -> String {
    match split(text) {
        Some((Scheme::Cmd, command)) => format!("cmd:{}", program(command)),
        Some((Scheme::Transit, name)) => format!("transit:{}", name.split('#').next().unwrap_or_default()),
        Some((Scheme::Env | Scheme::File | Scheme::Vault, _)) => text.trim().to_owned(),
        None => String::new(),
    }
}

/// Reads references; opens Vault when the first of its own is met.
pub(super) struct References<'r> {
    open_vault: &'r OpenVault,
    /// How Vault is reached, from the settings themselves.
    access: Box<dyn Fn() -> Result<VaultAccess, String> + 'r>,
    vault: OnceCell<Result<Box<dyn Source>, String>>,
}

impl<'r> References<'r> {
    pub(super) fn new(open_vault: &'r OpenVault, access: impl Fn() -> Result<VaultAccess, String> + 'r) -> Self {
        Self { open_vault, access: Box::new(access), vault: OnceCell::new() }
    }

    /// The secret that a text names.
    ///
    /// # Errors
    /// What is wrong, with the reference as it may be shown.
    pub(super) fn fetch(&self, text: &str) -> Result<Secret<String>, String> {
        let told = |wrong: String| format!("{}: {wrong}", shown(text));
        match split(text) {
            Some((Scheme::Vault | Scheme::Transit, _)) => {
                let open = || (self.access)().and_then(self.open_vault);
                match self.vault.get_or_init(open) {
                    Ok(vault) => vault.fetch(text.trim()).map_err(told),
                    Err(wrong) => Err(told(wrong.clone())),
                }
            }
            Some((Scheme::Env | Scheme::File | Scheme::Cmd, _)) | None => local(text),
        }
    }
}

/// The secret that a text names on this machine; the text itself where it is no reference.
pub(super) fn local(text: &str) -> Result<Secret<String>, String> {
    let (source, name): (&dyn Source, &str) = match split(text) {
        Some((Scheme::Env, name)) => (&Variable, name),
        Some((Scheme::File, name)) => (&OwnFile, name),
        Some((Scheme::Cmd, name)) => (&Output, name),
        Some((Scheme::Vault | Scheme::Transit, _)) => {
            return Err(format!("{}: what opens Vault cannot be in it", shown(text)));
        }
        None => return Ok(Secret::new(text.to_owned())),
    };
    let secret = source.fetch(name).map_err(|wrong| format!("{}: {wrong}", shown(text)))?;
    if secret.expose().is_empty() { Err(format!("{}: is empty", shown(text))) } else { Ok(secret) }
}

/// All of it, if it is not too long for a secret: one that was cut would be another.
fn whole(from: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = from.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"));
    if read.is_ok() && u64::try_from(bytes.len()).is_ok_and(|n| n <= MAX_BYTES) {
        return Ok(bytes);
    }
    bytes.zeroize();
    read.and(Err("is longer than 64 KiB".into()))
}

/// Without the one newline that editors and commands put at its end.
fn line(mut bytes: Vec<u8>) -> Result<Secret<String>, String> {
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    String::from_utf8(bytes).map(Secret::new).map_err(|e| {
        e.into_bytes().zeroize();
        "is not UTF-8 text".to_owned()
    })
}

/// Environment variables.
struct Variable;

impl Source for Variable {
    fn fetch(&self, name: &str) -> Result<Secret<String>, String> {
        let value = std::env::var_os(name).ok_or("the variable is unset")?;
        value.into_string().map(Secret::new).map_err(|_| "is not UTF-8 text".to_owned())
    }
}

/// Files, unless every user of the machine can read them: what they hold is open already.
struct OwnFile;

impl Source for OwnFile {
    fn fetch(&self, name: &str) -> Result<Secret<String>, String> {
        let cannot = |e: io::Error| format!("cannot be read: {e}");
        let file = File::open(name).map_err(cannot)?;
        let mode = file.metadata().map_err(cannot)?.permissions().mode() & 0o777;
        if mode & 0o007 != 0 {
            return Err(format!("is open to every user of this machine (mode {mode:03o}): run `chmod 600 {name}`"));
        }
        line(whole(file)?)
    }
}

/// What commands print, run by the shell. What they say on standard error is not repeated: it may be secret.
struct Output;

impl Source for Output {
    fn fetch(&self, name: &str) -> Result<Secret<String>, String> {
        let until = Instant::now() + PATIENCE;
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(name).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = shell.spawn().map_err(|e| format!("cannot be run: {e}"))?;
        let out = child.stdout.take().ok_or("has no output")?;
        // On a thread of its own: whoever waits for the output of a command that hangs waits for ever.
        let (told, output) = mpsc::channel();
        thread::spawn(move || {
            // Whoever has given up needs no output; it goes away with its bytes wiped.
            if let Err(mpsc::SendError(Ok(mut bytes))) = told.send(whole(out)) {
                bytes.zeroize();
            }
        });
        let status = ended(&mut child, until)?;
        // Something that it has left behind may hold its output, and write more of it.
        let left = until.saturating_duration_since(Instant::now());
        let bytes = output.recv_timeout(left).map_err(|_| too_slow())?;
        match (bytes, status.success()) {
            (Ok(bytes), true) => line(bytes),
            // A command may fail because nobody reads all that it has to say.
            (Err(wrong), _) => Err(format!("its output {wrong}")),
            (Ok(mut bytes), false) => {
                bytes.zeroize();
                Err(format!("the command failed ({status})"))
            }
        }
    }
}

fn too_slow() -> String {
    format!("the command, or what it has started, did not end within {} s", PATIENCE.as_secs())
}

/// Waits for the end of a command, but not for ever.
fn ended(child: &mut Child, until: Instant) -> Result<ExitStatus, String> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if Instant::now() < until => thread::sleep(LOOK),
            Ok(None) => {
                // It is told of below either way.
                let _ = child.kill();
                let _ = child.wait();
                return Err(too_slow());
            }
            Err(e) => return Err(format!("the command cannot be waited for: {e}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn told(text: &str) -> String {
        local(text).unwrap_err()
    }

    #[test]
    fn a_reference_is_known_by_its_beginning() {
        for text in ["env:A", "${A}", " file:/a", "cmd:pass a", "vault:secret/data/a#b"] {
            assert!(is_reference(text), "{text}");
        }
        for text in ["", "postgres://a", "sqlite:a", "$A", "00112233", "environment"] {
            assert!(!is_reference(text), "{text}");
        }
        assert_eq!(shown("cmd:pass --password hunter2"), "cmd:pass");
    }

    #[test]
    fn a_variable_a_file_and_a_command_are_read() {
        let path = std::env::var_os("PATH").unwrap();
        assert_eq!(local("env:PATH").unwrap().expose(), path.to_str().unwrap());
        assert_eq!(local("${PATH}").unwrap().expose(), path.to_str().unwrap());
        assert!(told("env:NO_SUCH_VARIABLE_HERE").contains("unset"));
        assert_eq!(local("cmd:printf 'a b\\n'").unwrap().expose(), "a b");
        assert!(told("cmd:echo hunter2 >&2; exit 3").contains("failed (exit status: 3)"));
        assert!(!told("cmd:echo hunter2 >&2; exit 3").contains("hunter2"));
        assert!(told("cmd:true").contains("is empty"));
        assert!(told("vault:a#b").contains("cannot be in it"));
    }

    #[test]
    fn what_a_command_leaves_behind_with_its_output_in_hand_is_not_waited_for_for_ever() {
        let began = Instant::now();
        let told = told("cmd:printf hunter2; sleep 31 & exit 0");
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
        assert!(told.contains("within 10 s") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_secret_that_is_too_long_is_refused_and_not_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let most = usize::try_from(MAX_BYTES).unwrap();
        fs::write(&path, "a".repeat(most)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let (file, command) = (format!("file:{}", path.display()), format!("cmd:cat {}", path.display()));
        assert!([&file, &command].into_iter().all(|text| local(text).unwrap().expose().len() == most));
        fs::write(&path, "a".repeat(most + 1)).unwrap();
        for text in [file, command] {
            assert!(told(&text).contains("longer than 64 KiB"), "{text}: {}", told(&text));
        }
    }

    #[test]
    fn a_variable_that_a_command_is_given_is_not_shown() {
        for text in ["cmd:TOKEN=hunter2 pass show a", "cmd: A=1 TOKEN=hunter2  pass", "cmd:pass hunter2"] {
            assert_eq!(shown(text), "cmd:pass", "{text}");
        }
        for text in [
            "cmd:TOKEN=hunter2",
            "cmd:TOKEN='a hunter2' pass",
            "cmd:A=1 TOKEN=a\\ hunter2 pass",
            "cmd:T=\"a hunter2\" p",
        ] {
            assert_eq!(shown(text), "cmd:", "{text}");
        }
    }

    #[test]
    fn a_file_that_every_user_can_read_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        fs::write(&path, "hunter2\n").unwrap();
        let text = format!("file:{}", path.display());
        for (mode, good) in [(0o600, true), (0o640, true), (0o644, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match (local(&text), good) {
                (Ok(secret), true) => assert_eq!(secret.expose(), "hunter2"),
                (Err(told), false) => assert!(told.contains("chmod 600") && !told.contains("hunter2"), "{told}"),
                (read, _) => panic!("{mode:o} {read:?}"),
            }
        }
        fs::remove_file(&path).unwrap();
        assert!(told(&text).contains("cannot be read"));
    }
}
