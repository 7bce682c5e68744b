//! A WAV file that can be played at any moment while it grows: 8 kHz, stereo, 16 bit.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::SAMPLE_RATE;

const HEADER_LEN: u64 = 44;
const CHANNELS: u16 = 2;
/// Bytes of one moment: a sample of each channel.
pub(super) const MOMENT_LEN: usize = 4;
/// The sizes in the header have 32 bits. This is 37 hours.
const DATA_MAX: u64 = (u32::MAX as u64 - HEADER_LEN) / MOMENT_LEN as u64 * MOMENT_LEN as u64;

pub(super) struct WavFile {
    file: File,
    data_len: u64,
}

impl WavFile {
    /// An empty recording that only its owner may read, in a folder that is made where there is none.
    pub(super) fn create(path: &Path) -> io::Result<WavFile> {
        let file = create_file(path)?;
        file.write_all_at(&header(0), 0)?;
        Ok(WavFile { file, data_len: 0 })
    }

    /// Whole moments, left sample first, little endian. The header counts them only once they are there, so the file is
    /// playable whatever happens in between.
    pub(super) fn append(&mut self, moments: &[u8]) -> io::Result<()> {
        let data_len = self.data_len + moments.len() as u64;
        if data_len > DATA_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.file.write_all_at(moments, HEADER_LEN + self.data_len)?;
        self.file.write_all_at(&header(data_len as u32), 0)?;
        self.data_len = data_len;
        Ok(())
    }

    /// Bytes that count.
    pub(super) fn len(&self) -> u64 {
        HEADER_LEN + self.data_len
    }
}

/// Which only its owner may read, in a folder that is made where there is none.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn header(data_len: u32) -> [u8; HEADER_LEN as usize] {
    let frame_len = MOMENT_LEN as u16;
    let mut bytes = [0; HEADER_LEN as usize];
    bytes[..4].copy_from_slice(b"RIFF");
    bytes[4..8].copy_from_slice(&(data_len + HEADER_LEN as u32 - 8).to_le_bytes());
    bytes[8..16].copy_from_slice(b"WAVEfmt ");
    bytes[16..20].copy_from_slice(&16u32.to_le_bytes());
    bytes[20..22].copy_from_slice(&1u16.to_le_bytes());
    bytes[22..24].copy_from_slice(&CHANNELS.to_le_bytes());
    bytes[24..28].copy_from_slice(&SAMPLE_RATE.to_le_bytes());
    bytes[28..32].copy_from_slice(&(SAMPLE_RATE * u32::from(frame_len)).to_le_bytes());
    bytes[32..34].copy_from_slice(&frame_len.to_le_bytes());
    bytes[34..36].copy_from_slice(&16u16.to_le_bytes());
    bytes[36..40].copy_from_slice(b"data");
    bytes[40..44].copy_from_slice(&data_len.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_is_playable_after_each_piece() {
        let folder = std::env::temp_dir().join(format!("media-wav-{}", std::process::id()));
        let path = folder.join("day").join("call.wav");
        let mut file = WavFile::create(&path).unwrap();
        let mut expected: Vec<i16> = Vec::new();
        for n in 0..4i16 {
            let mut wav = hound::WavReader::open(&path).unwrap();
            assert_eq!((wav.spec().channels, wav.spec().sample_rate), (2, 8000));
            assert_eq!(wav.samples::<i16>().collect::<Result<Vec<_>, _>>().unwrap(), expected);
            assert_eq!(file.len(), fs::metadata(&path).unwrap().len());
            let moments = [n, -n, n + 1, 7];
            file.append(&moments.map(i16::to_le_bytes).concat()).unwrap();
            expected.extend(moments);
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_disk_and_a_folder_that_cannot_be_made_are_errors() {
        let error = |path: &str| WavFile::create(Path::new(path)).map(|_| ()).unwrap_err().kind();
        assert_eq!(error("/dev/full"), io::ErrorKind::StorageFull);
        assert_eq!(error("/dev/null/day/call.wav"), io::ErrorKind::NotADirectory);
    }
}
