//! Which partition has a service.

/// Changes if any service would get another partition. It never does under a journal that is in use.
pub const PLACEMENT_VERSION: u8 = 1;

/// The partition of a service, from 0.
///
/// FNV-1a in 64 bits, mixed as `MurmurHash3` does it, modulo `partitions`. Clients' own partitioners differ from each other.
///
/// # Panics
///
/// If there are no partitions.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the remainder is below `partitions`")]
pub fn partition(service_id: &str, partitions: u32) -> u32 {
    (mix(fnv1a(service_id.as_bytes())) % u64::from(partitions)) as u32
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

fn mix(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let hash = (hash ^ hash >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    hash ^ hash >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        // From the test suite of its authors.
        for (text, hash) in
            [("", 0xCBF2_9CE4_8422_2325), ("a", 0xAF63_DC4C_8601_EC8C), ("foobar", 0x8594_4171_F739_67E8)]
        {
            assert_eq!(hash, fnv1a(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn services_are_spread_evenly() {
        for partitions in [1, 2, 3, 12, 64] {
            let mut services = vec![0_u32; partitions as usize];
            for number in 0..1000 * partitions {
                services[partition(&format!("service-{number}"), partitions) as usize] += 1;
            }
            assert!(services.iter().all(|count| (850..1150).contains(count)), "{services:?}");
        }
    }
}
