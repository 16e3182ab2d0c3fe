//! Compression of repodata: by bounded decoders, so that a small file cannot fill the memory.

use std::cell::Cell;
use std::io::{self, BufRead, Read, Write};

use zstd::stream::raw::{self, InBuffer, Operation, OutBuffer};
use zstd::stream::zio;

use crate::Problem;

thread_local! {
    /// A thread reads many packages: the window of the decoder (8 MiB at high levels) need not be made for each of them.
    static DECODER: Cell<Option<raw::Decoder<'static>>> = const { Cell::new(None) };
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// zstd, level 9 as createrepo_c.
    Zstd,
    /// gzip, level 5, without a name or time in its header: 6 gains 1 % and costs a third more time.
    Gzip,
    /// xz, level 3: more gains 2 % and costs twice the time.
    Xz,
    /// Not at all.
    None,
}

impl Compression {
    /// What a file name ends in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::Xz => ".xz",
            Self::None => "",
        }
    }

    /// The compression that the first bytes show; [`Compression::None`] if they show none that we know.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        match bytes {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::None,
        }
    }

    /// Compresses bytes; the same bytes give the same result on every machine.
    pub fn compress(self, bytes: &[u8]) -> Vec<u8> {
        let packed = match self {
            Self::None => Ok(bytes.to_vec()),
            Self::Zstd => zstd::bulk::compress(bytes, 9),
            Self::Gzip => {
                let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::new(5));
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
            Self::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 3);
                encoder.write_all(bytes).and_then(|()| encoder.finish())
            }
        };
        packed.expect("writing to memory does not fail")
    }

    /// A reader of what another reader has packed. It bounds nothing but its own memory.
    pub(crate) fn decoder<'a>(self, packed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::None => Box::new(packed),
            Self::Zstd => Box::new(zio::Reader::new(packed, ZstdDecoder::new()?)),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
            Self::Xz => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(packed)),
        })
    }

    /// Unpacks bytes, to at most `limit` bytes.
    ///
    /// # Errors
    /// [`Problem::Compressed`] for data that is broken or ends early, [`Problem::TooLarge`] for more than the limit.
    pub fn decompress(self, bytes: &[u8], limit: u64) -> Result<Vec<u8>, Problem> {
        let decoder = self.decoder(bytes);
        let broken = |error: io::Error| Problem::Compressed { why: error.to_string() };
        let mut plain = Vec::new();
        decoder.map_err(broken)?.take(limit.saturating_add(1)).read_to_end(&mut plain).map_err(broken)?;
        if plain.len() as u64 > limit {
            return Err(Problem::TooLarge { limit });
        }
        Ok(plain)
    }
}

/// The decoder of this thread, or another one if that is in use.
struct ZstdDecoder(Option<raw::Decoder<'static>>);

impl ZstdDecoder {
    fn new() -> io::Result<Self> {
        let mut decoder = match DECODER.take() {
            Some(decoder) => decoder,
            None => raw::Decoder::new()?,
        };
        decoder.reinit()?;
        Ok(Self(Some(decoder)))
    }

    fn inner(&mut self) -> &mut raw::Decoder<'static> {
        self.0.as_mut().expect("only `drop` takes it")
    }
}

impl Operation for ZstdDecoder {
    fn run<C: zstd::zstd_safe::WriteBuf + ?Sized>(
        &mut self,
        input: &mut InBuffer<'_>,
        output: &mut OutBuffer<'_, C>,
    ) -> io::Result<usize> {
        self.inner().run(input, output)
    }

    fn flush<C: zstd::zstd_safe::WriteBuf + ?Sized>(&mut self, output: &mut OutBuffer<'_, C>) -> io::Result<usize> {
        self.inner().flush(output)
    }

    fn reinit(&mut self) -> io::Result<()> {
        self.inner().reinit()
    }

    fn finish<C: zstd::zstd_safe::WriteBuf + ?Sized>(
        &mut self,
        output: &mut OutBuffer<'_, C>,
        finished_frame: bool,
    ) -> io::Result<usize> {
        self.inner().finish(output, finished_frame)
    }
}

impl Drop for ZstdDecoder {
    fn drop(&mut self) {
        // A thread that ends needs none any more.
        let _ = DECODER.try_with(|kept| kept.set(self.0.take()));
    }
}

/// Packs what is written to it for another writer.
pub(crate) enum Encoder<W: Write> {
    Zstd(zstd::stream::write::Encoder<'static, W>),
    Gzip(flate2::write::GzEncoder<W>),
    Xz(liblzma::write::XzEncoder<W>),
    None(W),
}

impl<W: Write> Encoder<W> {
    /// Packs with a level, if there is one: else with that which rpm takes where none is named.
    pub(crate) fn new(kind: Compression, level: Option<u32>, output: W) -> io::Result<Self> {
        Ok(match kind {
            Compression::None => Self::None(output),
            Compression::Zstd => {
                let level = level.and_then(|level| i32::try_from(level).ok()).unwrap_or(3);
                Self::Zstd(zstd::stream::write::Encoder::new(output, level)?)
            }
            Compression::Gzip => {
                let level = flate2::Compression::new(level.unwrap_or(9).min(9));
                Self::Gzip(flate2::GzBuilder::new().write(output, level))
            }
            Compression::Xz => Self::Xz(liblzma::write::XzEncoder::new(output, level.unwrap_or(6).min(9))),
        })
    }

    /// Writes what is left, and gives the other writer back.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Xz(encoder) => encoder.finish(),
            Self::None(output) => Ok(output),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(encoder) => encoder.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Xz(encoder) => encoder.write(bytes),
            Self::None(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Xz(encoder) => encoder.flush(),
            Self::None(output) => output.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Compression; 4] = [Compression::Zstd, Compression::Gzip, Compression::Xz, Compression::None];

    #[test]
    fn what_is_packed_unpacks_and_shows_its_kind() {
        let plain = "text of metadata ".repeat(1000);
        for one in ALL {
            let packed = one.compress(plain.as_bytes());
            assert_eq!(Compression::of_bytes(&packed), one);
            assert_eq!(one.decompress(&packed, plain.len() as u64).unwrap(), plain.as_bytes(), "{one:?}");
            assert_eq!(packed, one.compress(plain.as_bytes()));
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit_and_a_cut_file_is_broken() {
        let plain = vec![0; 1 << 20];
        for one in ALL {
            let packed = one.compress(&plain);
            let bomb = one.decompress(&packed, 1000).unwrap_err();
            assert!(matches!(bomb, Problem::TooLarge { limit: 1000 }), "{one:?}: {bomb}");
            if one != Compression::None {
                let cut = one.decompress(&packed[..packed.len() - 5], 2 << 20).unwrap_err();
                assert!(matches!(cut, Problem::Compressed { .. }), "{one:?}: {cut}");
            }
        }
    }
}
