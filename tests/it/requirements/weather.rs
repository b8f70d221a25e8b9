//! R7 and R111: the worked example, `examples/weather`, as its own script runs it: the server, a real nginx and the
//! example's service, and an application whose key is rotated.

use crate::world::ports::free_port;
use std::{path::Path, process::Command};

#[test]
fn r007_r111_the_weather_examples_key_identifies_its_caller_is_counted_is_limited_and_is_rotated_with_no_failed_request()
 {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/weather/test");
    // Where Debian has it, also for those who are not root.
    let nginx = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    for program in [nginx, "python3", "curl"] {
        if Command::new(program).arg("-V").output().is_err() {
            eprintln!("not tested: {program} is not installed");
            return;
        }
    }
    let mut command = Command::new(script);
    let ports = [(); 4].map(|()| free_port().to_string()).join(" ");
    let done = command.env("KEYWRIGHT", env!("CARGO_BIN_EXE_keywright")).env("PORTS", ports).output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{told}{errors}");
    let checked = told.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(checked, 10, "{told}{errors}");
}
