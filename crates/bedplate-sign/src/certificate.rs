//! What a public key says of itself, by signatures that it made: may it sign, until when, was it revoked.

use std::time::{Duration, SystemTime};

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, Timestamp};

use crate::KeyProblem;

/// What is wrong with the primary key as a signer at a moment.
pub(crate) fn primary_problem(key: &SignedPublicKey, at: SystemTime) -> Option<KeyProblem> {
    whole_key_problem(key, at).or_else(|| {
        let newest = newest_self_signature(key)?;
        // Keys without flags are older than these and may do everything.
        let has_flags = newest.key_flags().sign() || !newest.key_flags().certify();
        (!has_flags).then_some(KeyProblem::NotForSigning)
    })
}

/// What is wrong with a subkey as a signer at a moment.
pub(crate) fn subkey_problem(key: &SignedPublicKey, subkey: &SignedPublicSubKey, at: SystemTime) -> Option<KeyProblem> {
    if let Some(problem) = whole_key_problem(key, at) {
        return Some(problem);
    }
    let is_bound = |one: &&Signature| one.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok();
    let of = |kind| subkey.signatures.iter().filter(move |one| one.typ() == Some(kind)).filter(is_bound);
    if of(SignatureType::SubkeyRevocation).next().is_some() {
        return Some(KeyProblem::Revoked);
    }
    let Some(binding) = of(SignatureType::SubkeyBinding).filter(|one| is_made(one, at)).max_by_key(|one| one.created())
    else {
        return Some(KeyProblem::NotBound);
    };
    if let Some(problem) = expired(subkey.key.created_at(), binding, at) {
        return Some(problem);
    }
    if !binding.key_flags().sign() {
        return Some(KeyProblem::NotForSigning);
    }
    // The subkey has to say, too, that it belongs to this key: else anybody could adopt it.
    let agrees = |back: &Signature| back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok();
    if binding.embedded_signature().is_some_and(agrees) { None } else { Some(KeyProblem::NotBound) }
}

fn whole_key_problem(key: &SignedPublicKey, at: SystemTime) -> Option<KeyProblem> {
    let revocations = &key.details.revocation_signatures;
    if revocations.iter().any(|one| one.verify_key(&key.primary_key).is_ok()) {
        return Some(KeyProblem::Revoked);
    }
    match newest_self_signature(key) {
        None => Some(KeyProblem::NotBound),
        Some(newest) => expired(key.primary_key.created_at(), newest, at),
    }
}

/// The newest good signature of the key over itself or one of its names.
fn newest_self_signature(key: &SignedPublicKey) -> Option<&Signature> {
    let primary = &key.primary_key;
    let direct = key.details.direct_signatures.iter().filter(|one| one.verify_key(primary).is_ok());
    let names = key.details.users.iter().flat_map(|user| {
        let good = |one: &&Signature| {
            one.typ() != Some(SignatureType::CertRevocation)
                && one.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        user.signatures.iter().filter(good)
    });
    direct.chain(names).max_by_key(|one| one.created())
}

fn is_made(signature: &Signature, at: SystemTime) -> bool {
    signature.created().is_some_and(|created| SystemTime::from(created) <= at)
}

fn expired(created: Timestamp, signature: &Signature, at: SystemTime) -> Option<KeyProblem> {
    let life = signature.key_expiration_time().map(|life| Duration::from_secs(life.as_secs().into()))?;
    let end = SystemTime::from(created) + life;
    (!life.is_zero() && end <= at).then_some(KeyProblem::Expired(end))
}
