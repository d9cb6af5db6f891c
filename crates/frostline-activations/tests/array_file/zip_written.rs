//! Zip archives, written byte by byte, also such as no library writes.

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// An entry of an archive, with everything that can be wrong about it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) method: u16,
    pub(crate) flags: u16,
    pub(crate) checksum: u32,
    pub(crate) length: u64,
    /// Of another entry, whose place it takes.
    pub(crate) place_of: Option<usize>,
    pub(crate) zip64: bool,
}

pub(crate) fn stored(name: &str, bytes: &[u8]) -> Entry {
    let mut checksum = Crc::new();
    checksum.update(bytes);
    Entry {
        name: name.to_string(),
        bytes: bytes.to_vec(),
        method: 0,
        flags: 0,
        checksum: checksum.sum(),
        length: bytes.len() as u64,
        place_of: None,
        zip64: false,
    }
}

pub(crate) fn deflated(name: &str, bytes: &[u8]) -> Entry {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    Entry {
        bytes: encoder.finish().unwrap(),
        method: 8,
        ..stored(name, bytes)
    }
}

pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut places = Vec::new();
    for entry in entries {
        let place = entry.place_of.map_or(bytes.len(), |other| places[other]);
        places.push(place);
        if entry.place_of.is_some() {
            continue;
        }
        bytes.extend(b"PK\x03\x04\x14\0");
        bytes.extend(entry.flags.to_le_bytes());
        bytes.extend(entry.method.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(entry.checksum.to_le_bytes());
        bytes.extend((entry.bytes.len() as u32).to_le_bytes());
        bytes.extend((entry.length as u32).to_le_bytes());
        bytes.extend((entry.name.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(entry.name.as_bytes());
        bytes.extend(&entry.bytes);
    }
    let start = bytes.len();
    for (entry, &place) in entries.iter().zip(&places) {
        let mut extra = Vec::new();
        let (stored, length, place) = if entry.zip64 {
            extra.extend([1, 0, 24, 0]);
            extra.extend(entry.length.to_le_bytes());
            extra.extend((entry.bytes.len() as u64).to_le_bytes());
            extra.extend((place as u64).to_le_bytes());
            (u32::MAX, u32::MAX, u32::MAX)
        } else {
            (entry.bytes.len() as u32, entry.length as u32, place as u32)
        };
        bytes.extend(b"PK\x01\x02\x14\0\x14\0");
        bytes.extend(entry.flags.to_le_bytes());
        bytes.extend(entry.method.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(entry.checksum.to_le_bytes());
        bytes.extend(stored.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend((entry.name.len() as u16).to_le_bytes());
        bytes.extend((extra.len() as u16).to_le_bytes());
        bytes.extend([0; 10]);
        bytes.extend(place.to_le_bytes());
        bytes.extend(entry.name.as_bytes());
        bytes.extend(extra);
    }
    let length = bytes.len() - start;
    let end = bytes.len() as u64;
    let is_zip64 = entries.iter().any(|entry| entry.zip64);
    if is_zip64 {
        bytes.extend(b"PK\x06\x06");
        bytes.extend(44_u64.to_le_bytes());
        bytes.extend([45, 0, 45, 0]);
        bytes.extend([0; 8]);
        bytes.extend((entries.len() as u64).to_le_bytes());
        bytes.extend((entries.len() as u64).to_le_bytes());
        bytes.extend((length as u64).to_le_bytes());
        bytes.extend((start as u64).to_le_bytes());
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(end.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    let elsewhere = |number: usize| if is_zip64 { u32::MAX } else { number as u32 };
    let count = elsewhere(entries.len()) as u16;
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(elsewhere(length).to_le_bytes());
    bytes.extend(elsewhere(start).to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}
