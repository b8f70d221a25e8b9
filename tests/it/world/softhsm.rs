//! A PKCS#11 token of SoftHSM 2, with a configuration and a folder of its own.

use crate::commands::Installation;
use std::{
    fs,
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

    /// How many of them hold anything: of one whose maker was killed before it said what it is there is but a number.
    pub fn keys(&self) -> usize {
        self.objects().iter().filter(|file| fs::metadata(file).unwrap().len() > 64).count()
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
