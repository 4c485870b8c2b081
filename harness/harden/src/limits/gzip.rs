//! A gzip stream without compression (RFC 1951, section 3.2.4), which needs no library.

/// Returns bytes as a gzip stream of one stored block.
pub(super) fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a stored block has at most 64 KiB");
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend_from_slice(bytes);
    stream.extend(crc32(bytes).to_le_bytes());
    stream.extend(u32::from(length).to_le_bytes());
    stream
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::{crc32, stored};

    #[test]
    fn the_checksum_is_that_of_the_standard_and_the_stream_ends_with_it() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let stream = stored(b"123456789");
        assert_eq!(stream[stream.len() - 8..], [0x26, 0x39, 0xf4, 0xcb, 9, 0, 0, 0]);
    }
}
