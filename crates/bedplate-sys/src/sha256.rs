//! SHA-256 of two texts at a time.
//!
//! The instructions of x86 for SHA-256 wait for their own results most of the time: two texts on one core take little longer
//! than one. The digest of a package file and that of the payload in it are two such texts.
//!
//! Only the compression function is here; padding and the portable code are those of the `sha2` crate.

/// The state of a hash between blocks: eight words, A to H.
pub type State = [u32; 8];

/// Length of a block in bytes.
pub const BLOCK: usize = 64;

/// Takes the whole blocks of two texts, as many of each as the shorter has, into two states; gives how many bytes of each
/// text were taken: none on a processor that lacks the instructions.
pub fn compress_pair(states: [&mut State; 2], texts: [&[u8]; 2]) -> usize {
    let blocks = texts[0].len().min(texts[1].len()) / BLOCK;
    #[cfg(target_arch = "x86_64")]
    if blocks > 0 && x86::is_supported() {
        let [first, second] = texts.map(|text| &text[..blocks * BLOCK]);
        x86::compress_pair(states, [first, second]);
        return blocks * BLOCK;
    }
    let _ = (states, blocks);
    0
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the instructions are there only on some processors")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
        _mm_storeu_si128,
    };

    use super::{BLOCK, State};

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
    #[rustfmt::skip]
    const K: [u32; 64] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ];

    pub(super) fn is_supported() -> bool {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1")
    }

    /// Both texts have the same number of whole blocks, and the processor has the instructions.
    pub(super) fn compress_pair(states: [&mut State; 2], texts: [&[u8]; 2]) {
        assert!(is_supported() && texts[0].len() == texts[1].len() && texts[0].len().is_multiple_of(BLOCK));
        // SAFETY: the processor has all features that the function is compiled for.
        unsafe { compress_both(states, texts) }
    }

    /// Written out without loops over the rounds or the texts: compilers keep the words in registers only so.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    fn compress_both(states: [&mut State; 2], texts: [&[u8]; 2]) {
        let [first, second] = states;
        let ((mut abef, mut cdgh), (mut abef_2, mut cdgh_2)) = (unpack(first), unpack(second));
        /// Four rounds of both texts, with their words.
        macro_rules! rounds {
            ($four:literal, $w:ident, $w_2:ident) => {
                let k = load_words(&K[4 * $four..4 * $four + 4]);
                let (sum, sum_2) = (_mm_add_epi32($w, k), _mm_add_epi32($w_2, k));
                cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
                cdgh_2 = _mm_sha256rnds2_epu32(cdgh_2, abef_2, sum_2);
                abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
                abef_2 = _mm_sha256rnds2_epu32(abef_2, cdgh_2, _mm_shuffle_epi32(sum_2, 0x0e));
            };
        }
        /// The next four words of one text take the place of the oldest.
        macro_rules! schedule {
            ($w0:ident, $w1:ident, $w2:ident, $w3:ident) => {
                let sum = _mm_add_epi32(_mm_sha256msg1_epu32($w0, $w1), _mm_alignr_epi8($w3, $w2, 4));
                $w0 = _mm_sha256msg2_epu32(sum, $w3);
            };
        }
        for (block, block_2) in texts[0].chunks_exact(BLOCK).zip(texts[1].chunks_exact(BLOCK)) {
            let before = (abef, cdgh, abef_2, cdgh_2);
            let [mut a, mut b, mut c, mut d] = load_block(block);
            let [mut a_2, mut b_2, mut c_2, mut d_2] = load_block(block_2);
            rounds!(0, a, a_2);
            rounds!(1, b, b_2);
            rounds!(2, c, c_2);
            rounds!(3, d, d_2);
            macro_rules! scheduled {
                ($a:literal, $b:literal, $c:literal, $d:literal) => {
                    schedule!(a, b, c, d);
                    schedule!(a_2, b_2, c_2, d_2);
                    rounds!($a, a, a_2);
                    schedule!(b, c, d, a);
                    schedule!(b_2, c_2, d_2, a_2);
                    rounds!($b, b, b_2);
                    schedule!(c, d, a, b);
                    schedule!(c_2, d_2, a_2, b_2);
                    rounds!($c, c, c_2);
                    schedule!(d, a, b, c);
                    schedule!(d_2, a_2, b_2, c_2);
                    rounds!($d, d, d_2);
                };
            }
            scheduled!(4, 5, 6, 7);
            scheduled!(8, 9, 10, 11);
            scheduled!(12, 13, 14, 15);
            abef = _mm_add_epi32(abef, before.0);
            cdgh = _mm_add_epi32(cdgh, before.1);
            abef_2 = _mm_add_epi32(abef_2, before.2);
            cdgh_2 = _mm_add_epi32(cdgh_2, before.3);
        }
        pack(first, abef, cdgh);
        pack(second, abef_2, cdgh_2);
    }

    /// The words in the order of the instructions: A B E F and C D G H, highest first.
    #[target_feature(enable = "ssse3,sse4.1")]
    fn unpack(state: &State) -> (__m128i, __m128i) {
        let cdab = _mm_shuffle_epi32(load_words(&state[..4]), 0xb1);
        let efgh = _mm_shuffle_epi32(load_words(&state[4..]), 0x1b);
        (_mm_alignr_epi8(cdab, efgh, 8), _mm_blend_epi16(efgh, cdab, 0xf0))
    }

    #[target_feature(enable = "ssse3,sse4.1")]
    fn pack(state: &mut State, abef: __m128i, cdgh: __m128i) {
        let (feba, dchg) = (_mm_shuffle_epi32(abef, 0x1b), _mm_shuffle_epi32(cdgh, 0xb1));
        let (low, high) = state.split_at_mut(4);
        store_words(low, _mm_blend_epi16(feba, dchg, 0xf0));
        store_words(high, _mm_alignr_epi8(dchg, feba, 8));
    }

    /// The 16 words of a block.
    #[target_feature(enable = "ssse3,sse4.1")]
    fn load_block(block: &[u8]) -> [__m128i; 4] {
        [0, 16, 32, 48].map(|at| load_big_endian(&block[at..at + 16]))
    }

    #[target_feature(enable = "sse4.1")]
    fn load_words(words: &[u32]) -> __m128i {
        assert_eq!(words.len(), 4);
        // SAFETY: there are 16 bytes to read; the instruction needs no alignment.
        unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
    }

    #[target_feature(enable = "sse4.1")]
    fn store_words(words: &mut [u32], value: __m128i) {
        assert_eq!(words.len(), 4);
        // SAFETY: there is room for 16 bytes; the instruction needs no alignment.
        unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), value) }
    }

    #[target_feature(enable = "ssse3,sse4.1")]
    fn load_big_endian(bytes: &[u8]) -> __m128i {
        assert_eq!(bytes.len(), 16);
        let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        // SAFETY: there are 16 bytes to read; the instruction needs no alignment.
        let words = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
        _mm_shuffle_epi8(words, order)
    }
}
