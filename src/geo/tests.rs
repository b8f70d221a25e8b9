//! Tests of the reading of databases, with small ones written here.

use super::{
    sample::{country, database, map, text},
    *,
};
use std::net::Ipv6Addr;

const NOW: Moment = Moment::from_unix(1_770_000_000);

fn sample(built: Moment) -> Vec<u8> {
    database(
        built,
        &[
            ("192.0.2.0/24", country("DE")),
            ("198.51.100.0/25", country("FR")),
            ("203.0.113.0/24", map(&[("registered_country", map(&[("iso_code", text("BR"))]))])),
            ("100.64.0.0/10", country("not a country")),
            ("2001:db8::/32", country("JP")),
        ],
    )
}

fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn an_address_is_in_the_country_of_its_network() {
    let file = written(&sample(NOW));
    let geo = Geo::open(file.path(), NOW).unwrap();
    for (address, wanted) in [
        ("192.0.2.77", Some("DE")),
        ("::ffff:192.0.2.77", Some("DE")),
        ("198.51.100.1", Some("FR")),
        ("198.51.100.200", None),
        ("203.0.113.5", Some("BR")),
        ("100.64.1.1", None),
        ("2001:db8:1::1", Some("JP")),
        ("127.0.0.1", None),
        ("::", None),
    ] {
        let found = geo.country(address.parse().unwrap());
        assert_eq!(found.as_ref().map(Country::as_str), wanted, "{address}");
    }
}

#[test]
fn what_cannot_be_read_is_an_error_that_names_the_file_and_the_old_one_stays() {
    let missing = Geo::open(Path::new("/nowhere/geo.mmdb"), NOW).unwrap_err().to_string();
    assert!(missing.contains("/nowhere/geo.mmdb") && missing.contains("geo.database"), "{missing}");
    let file = written(&sample(NOW));
    let geo = Geo::open(file.path(), NOW).unwrap();
    let address = "192.0.2.1".parse().unwrap();
    let whole = sample(NOW);
    for broken in [&b"no database"[..], b"", &whole[..whole.len() - 40]] {
        fs::write(file.path(), broken).unwrap();
        assert!(geo.reload(Some(file.path()), NOW).is_err());
        assert!(geo.country(address).is_some());
    }
    fs::write(file.path(), database(NOW, &[("192.0.2.0/24", country("IT"))])).unwrap();
    geo.reload(Some(file.path()), NOW).unwrap();
    assert_eq!(geo.country(address).unwrap().as_str(), "IT");
    geo.reload(None, NOW).unwrap();
    assert_eq!(geo.country(address), None);
}

#[test]
fn it_knows_its_age() {
    let file = written(&sample(NOW - Span::days(50)));
    let geo = Geo::open(file.path(), NOW).unwrap();
    assert!(geo.age(NOW).unwrap() > OLD);
    assert_eq!(Geo::default().age(NOW), None);
}

#[test]
fn a_broken_database_never_panics() {
    let whole = sample(NOW);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let file = written(&bytes);
        let Ok(geo) = Geo::open(file.path(), NOW) else { continue };
        for last in 0..=255u8 {
            let _ = geo.country([192, 0, 2, last].into());
            let _ = geo.country(Ipv6Addr::from([0x2001, 0xdb8, u16::from(last), 0, 0, 0, 0, 1]).into());
        }
    }
}
