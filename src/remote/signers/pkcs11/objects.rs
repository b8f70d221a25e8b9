//! Keys as the objects of a token: how they are found, what their public halves look like, and how each is signed with.

use super::{Opened, Trouble};
use crate::{
    base::digest::{from_hex, sha256, sha384},
    jose::{
        Alg,
        outside::{elliptic, rsa},
    },
};
use cryptoki::{
    mechanism::{
        Mechanism, MechanismType,
        eddsa::{EddsaParams, EddsaSignatureScheme},
        rsa::{PkcsMgfType, PkcsPssParams},
    },
    object::{Attribute, AttributeType, ObjectClass, ObjectHandle},
};

/// The object identifiers of the curves, DER.
pub(super) const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
pub(super) const P384: [u8; 7] = [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
/// The name of the curve, DER: modules know Ed25519 by it (PKCS#11 3.0 §2.3.10).
pub(super) const ED25519: [u8; 14] =
    [0x13, 0x0c, b'e', b'd', b'w', b'a', b'r', b'd', b's', b'2', b'5', b'5', b'1', b'9'];

impl Opened {
    pub(super) fn private(&mut self, id: &str) -> Result<ObjectHandle, Trouble> {
        if let Some(known) = self.keys.get(id) {
            return Ok(*known);
        }
        let template = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::Id(bytes(id)?)];
        let found = self.session.find_objects(&template)?.into_iter().next().ok_or(Trouble::NoKey)?;
        self.keys.insert(id.to_owned(), found);
        Ok(found)
    }

    /// Destroys whatever has this name.
    pub(super) fn destroy(&mut self, id: &str) -> Result<(), Trouble> {
        self.keys.remove(id);
        for object in self.session.find_objects(&[Attribute::Id(bytes(id)?)])? {
            self.session.destroy_object(object)?;
        }
        Ok(())
    }

    pub(super) fn public(&self, alg: Alg, key: ObjectHandle) -> Result<serde_json::Value, Trouble> {
        let wanted: &[AttributeType] = match alg {
            Alg::Es256 | Alg::Es384 | Alg::EdDsa => &[AttributeType::EcPoint],
            Alg::Rs256 | Alg::Ps256 => &[AttributeType::Modulus, AttributeType::PublicExponent],
        };
        let (mut point, mut modulus, mut exponent) = (None, None, None);
        for attribute in self.session.get_attributes(key, wanted)? {
            if let Attribute::EcPoint(value) = attribute {
                point = Some(value);
            } else if let Attribute::Modulus(value) = attribute {
                modulus = Some(value);
            } else if let Attribute::PublicExponent(value) = attribute {
                exponent = Some(value);
            }
        }
        let garbage = || Trouble::Garbage(format!("the PKCS#11 token made no key for {alg}"));
        match (point, modulus, exponent) {
            (Some(point), _, _) => elliptic(alg, unwrapped(alg, &point)).map_err(|_| garbage()),
            (None, Some(modulus), Some(exponent)) => Ok(rsa(&modulus, &exponent)),
            (None, _, _) => Err(garbage()),
        }
    }
}

/// A point as the standard has it stands in an octet string of DER; some modules leave that out.
fn unwrapped(alg: Alg, point: &[u8]) -> &[u8] {
    let size = match alg {
        Alg::Es256 => 65,
        Alg::Es384 => 97,
        Alg::EdDsa | Alg::Rs256 | Alg::Ps256 => 32,
    };
    match point {
        [4, length, inner @ ..] if usize::from(*length) == size && inner.len() == size => inner,
        bare => bare,
    }
}

pub(super) fn bytes(id: &str) -> Result<Vec<u8>, Trouble> {
    let bytes = from_hex(id);
    bytes.filter(|bytes| !bytes.is_empty()).ok_or_else(|| Trouble::Garbage(format!("{id:?} is no name of an object")))
}

/// How it is signed, and what is handed over: for ECDSA the hash, of which modules know more than of hashing.
pub(super) fn way(alg: Alg, input: &[u8]) -> (Mechanism<'static>, Vec<u8>) {
    match alg {
        Alg::Es256 => (Mechanism::Ecdsa, sha256(input).to_vec()),
        Alg::Es384 => (Mechanism::Ecdsa, sha384(input).to_vec()),
        Alg::EdDsa => (Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)), input.to_vec()),
        Alg::Rs256 => (Mechanism::Sha256RsaPkcs, input.to_vec()),
        Alg::Ps256 => {
            // RFC 7518 §3.5: a salt as long as the hash.
            let pss =
                PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: 32.into() };
            (Mechanism::Sha256RsaPkcsPss(pss), input.to_vec())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_object_is_read_back_and_garbage_is_none() {
        assert_eq!(bytes("00ff7a").ok(), Some(vec![0, 255, 122]));
        for bad in ["", "0", "0g", "000"] {
            assert!(bytes(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_point_is_taken_with_and_without_its_wrapping() {
        let bare: Vec<u8> = [4].into_iter().chain([7; 64]).collect();
        let wrapped: Vec<u8> = [4, 65].into_iter().chain(bare.clone()).collect();
        assert_eq!(unwrapped(Alg::Es256, &wrapped), bare);
        assert_eq!(unwrapped(Alg::Es256, &bare), bare);
        assert_eq!(unwrapped(Alg::EdDsa, &[vec![4, 32], vec![9; 32]].concat()), [9; 32]);
    }
}
