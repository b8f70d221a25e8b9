//! A PKCS#11 token of SoftHSM 2, with a configuration and a folder of its own.

use crate::commands::Installation;
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    object::{Attribute, AttributeType},
    session::UserType,
    types::AuthPin,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Where distributions put the module.
const MODULES: [&str; 6] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
];

/// Names the module to the process that is asked what is in a token.
const ASKED: &str = "TEST_PKCS11_ASKED";

pub const PIN: &str = "73914468-of-softhsm";

pub struct SoftHsm {
    folder: tempfile::TempDir,
    module: &'static str,
}

impl SoftHsm {
    /// A token; none where SoftHSM is not installed, which is told.
    pub fn start() -> Option<Self> {
        let module = MODULES.into_iter().find(|path| Path::new(path).exists());
        let found = module.filter(|_| Command::new("softhsm2-util").arg("--version").output().is_ok());
        let Some(module) = found else {
            eprintln!("not tested: there is no SoftHSM 2");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tokens")).unwrap();
        let tokens = folder.path().join("tokens");
        let conf =
            format!("directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n", tokens.display());
        fs::write(folder.path().join("conf"), conf).unwrap();
        let hsm = Self { folder, module };
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "keys", "--so-pin", "officer-of-softhsm", "--pin", PIN])
            .env("SOFTHSM2_CONF", hsm.conf())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(hsm)
    }

    fn conf(&self) -> PathBuf {
        self.folder.path().join("conf")
    }

    /// Has an installation make its keys for these algorithms there.
    pub fn holds(&self, it: &Installation, algs: &str) {
        it.set("SOFTHSM2_CONF", self.conf().to_str().unwrap());
        it.set("KEYWRIGHT_KEYS_PKCS11", algs);
        it.set("KEYWRIGHT_KEYS_SIGNATURE_DEADLINE", "30s");
        it.set("KEYWRIGHT_KEYS_PKCS11_MODULE", self.module);
        it.set("KEYWRIGHT_KEYS_PKCS11_TOKEN", "keys");
        it.set("KEYWRIGHT_KEYS_PKCS11_PIN", PIN);
    }

    fn token(&self) -> PathBuf {
        fs::read_dir(self.folder.path().join("tokens")).unwrap().next().unwrap().unwrap().path()
    }

    /// The files of the objects: two for each pair of keys.
    pub fn objects(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.token()).unwrap().map(|entry| entry.unwrap().path());
        let is_object = |path: &PathBuf| path.extension().is_some_and(|end| end == "object");
        files.filter(|path| is_object(path) && !path.ends_with("token.object")).collect()
    }

    /// How many objects with a name are there, as the module itself tells a program of its own: what was cut off while it was
    /// made may have left a file, but none that has a name or could be found by it.
    pub fn named(&self) -> usize {
        let asked = Command::new(env::current_exe().unwrap())
            .args(["--exact", "world::softhsm::a_token_tells_its_objects_where_it_is_told_to", "--nocapture"])
            .env("SOFTHSM2_CONF", self.conf())
            .env(ASKED, self.module)
            .output()
            .unwrap();
        let told = String::from_utf8(asked.stdout).unwrap();
        let count = told.lines().find_map(|line| line.strip_prefix("objects: "));
        count.unwrap_or_else(|| panic!("{told} {}", String::from_utf8_lossy(&asked.stderr))).parse().unwrap()
    }

    /// The token is pulled out.
    pub fn pull(&self) {
        fs::rename(self.token(), self.folder.path().join("pulled")).unwrap();
    }

    /// It is put back.
    pub fn put_back(&self) {
        let at = self.folder.path().join("tokens/0b3c9a0e-7d55-4f7b-9f0b-1f2f3a4b5c6d");
        fs::rename(self.folder.path().join("pulled"), at).unwrap();
    }
}

/// The process that is asked; as a test of its own it does nothing.
#[test]
fn a_token_tells_its_objects_where_it_is_told_to() {
    let Some(module) = env::var_os(ASKED) else { return };
    let module = Pkcs11::new(module).unwrap();
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
    let slots = module.get_slots_with_token().unwrap();
    let slot = slots.into_iter().find(|slot| module.get_token_info(*slot).unwrap().label().trim_end() == "keys");
    let session = module.open_ro_session(slot.unwrap()).unwrap();
    session.login(UserType::User, Some(&AuthPin::from(PIN.to_owned()))).unwrap();
    let named = |object| {
        // Of one that was cut off while it was made, its name cannot be read.
        let told = session.get_attributes(object, &[AttributeType::Id]).unwrap_or_default();
        told.iter().any(|attribute| matches!(attribute, Attribute::Id(id) if !id.is_empty()))
    };
    // On a line of its own, after what the runner of tests has begun.
    println!("\nobjects: {}", session.find_objects(&[]).unwrap().into_iter().filter(|object| named(*object)).count());
}
