//! What protects partitions: hash trees, and signatures of their root hashes.

use bedplate_diag::Diagnostic;
use bedplate_disk::{RootHash, RootHashSignature, Salt, Uuid, VerityNames, VerityRequest, content_uuid, write_verity};
use bedplate_image_config::{PartitionType, PlannedPartition, Verity};
use bedplate_sign::{CertificateSigner, Enclosed, MessageDigest, detached_pkcs7};

use crate::partitions::{Content, Identity, Partition};
use crate::{ComposeError, Request, Workshop};

/// The size of a signature partition, as systemd-repart makes it: the table of partitions is the same for every key.
const SIGNATURE_SIZE: usize = 16 << 10;

fn is_signature(kind: PartitionType) -> bool {
    matches!(kind, PartitionType::RootVeritySignature | PartitionType::UsrVeritySignature)
}

/// Whether there is a key for each root hash that is to be signed. Gives a warning if there is one and nothing to sign.
pub(crate) fn check_key(request: &Request<'_>) -> Result<Vec<Diagnostic>, ComposeError> {
    let is_disk = request.formats.iter().any(|format| format.is_disk());
    let plans = request.config.storage.layout();
    let signed: Vec<&PlannedPartition> = plans.iter().filter(|plan| is_disk && is_signature(plan.kind)).collect();
    match request.verity_signer {
        Some(_) if signed.is_empty() => {
            let message = "a key for root hashes is named, and nothing of this image is signed by it";
            let hint = "write `verity = \"signed\"` at the partition";
            Ok(vec![Diagnostic::warning("verity-key-unused", message).hint(hint)])
        }
        None if !signed.is_empty() => {
            let mistake = |plan: &&PlannedPartition| {
                let data = plan.kind.protects().map_or("", PartitionType::word);
                let message = format!("the root hash of `{data}` is to be signed, and no key is named");
                let hint = "name a key and its certificate: `--verity-key FILE --verity-certificate FILE`, or write `verity = \"hash\"`";
                Diagnostic::error("no-verity-key", message).at(plan.span).hint(hint)
            };
            Err(ComposeError::Mistakes(signed.iter().map(mistake).collect()))
        }
        _ => Ok(Vec::new()),
    }
}

/// Makes the hash trees, which stand beside what they protect, and the signatures of their root hashes.
pub(crate) fn protect(
    shop: &Workshop<'_>,
    plans: &[PlannedPartition],
    identity: &Identity,
    partitions: &mut [Option<Partition>],
) -> Result<(), ComposeError> {
    for (at, plan) in plans.iter().enumerate() {
        let is_data =
            |other: &PlannedPartition| Some(other.kind) == plan.kind.protects() && *other.verity != Verity::Off;
        let Some(data) = plans.iter().position(is_data).filter(|_| !is_signature(plan.kind)) else { continue };
        let Some(protected) = partitions[data].clone() else { continue };
        let (tree_partition, root_hash) = hash_tree(shop, plan, &protected)?;
        let names = VerityNames::of(&root_hash);
        partitions[data] = Some(Partition { guid: names.data, root_hash: Some(root_hash), ..protected });
        partitions[at] = Some(Partition { guid: names.tree, root_hash: Some(root_hash), ..tree_partition });
    }
    for (at, plan) in plans.iter().enumerate().filter(|(_, plan)| is_signature(plan.kind)) {
        let data = plans.iter().position(|other| Some(other.kind) == plan.kind.protects());
        let root_hash = data.and_then(|data| partitions[data].as_ref()?.root_hash);
        let (Some(root_hash), Some(signer)) = (root_hash, shop.verity_signer) else { return Err(ComposeError::Cache) };
        partitions[at] = Some(signature(shop, plan, identity, root_hash, signer)?);
    }
    Ok(())
}

fn hash_tree(
    shop: &Workshop<'_>,
    plan: &PlannedPartition,
    data: &Partition,
) -> Result<(Partition, RootHash), ComposeError> {
    let (Content::File(source), Some(digest)) = (&data.content, data.digest) else { return Err(ComposeError::Cache) };
    let request = VerityRequest { salt: Salt::of(&digest.hash), uuid: content_uuid(&[b"verity", &digest.hash]) };
    let target = shop.work.path().join(format!("verity-{}", plan.kind.word()));
    let verity = write_verity(source, &target, &request)?;
    let partition = Partition {
        content: Content::File(target),
        length: verity.tree_size,
        used: verity.tree_size,
        ..Partition::empty(plan, Uuid::nil())
    };
    Ok((partition, verity.root_hash))
}

/// Its name comes from the tree and its place, and not from the key.
fn signature(
    shop: &Workshop<'_>,
    plan: &PlannedPartition,
    identity: &Identity,
    root_hash: RootHash,
    signer: &dyn CertificateSigner,
) -> Result<Partition, ComposeError> {
    let digest = MessageDigest::Sha256(RootHashSignature::digest(&root_hash));
    let bare = signer.sign_digest(&digest)?;
    let pkcs7 = detached_pkcs7(signer.certificate(), &digest, &bare, Enclosed::Certificate)?;
    let signature = RootHashSignature::new(root_hash, signer.certificate(), pkcs7);
    let mut bytes = signature.to_partition();
    let used = bytes.len() as u64;
    bytes.resize(bytes.len().next_multiple_of(SIGNATURE_SIZE), 0);
    let target = shop.work.path().join(format!("signature-{}", plan.kind.word()));
    std::fs::write(&target, &bytes).map_err(ComposeError::io("write", &target))?;
    Ok(Partition {
        content: Content::File(target),
        length: bytes.len() as u64,
        used,
        // It has the form of a root hash.
        signed_by: Some(RootHash::from_bytes(*signature.fingerprint()).to_string()),
        ..Partition::empty(plan, identity.uuid(&plan.label.to_string()))
    })
}
