use super::*;
use crate::prng::Prng;

fn home(uid: u32, text: &str) -> Option<String> {
    home_of(uid, text.as_bytes()).unwrap().map(|home| String::from_utf8(home).unwrap())
}

const PLAIN: &str = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000:Ann,,,:/home/ann:/bin/sh\n";

#[test]
fn by_number() {
    assert_eq!(home(0, PLAIN).as_deref(), Some("/root"));
    assert_eq!(home(1000, PLAIN).as_deref(), Some("/home/ann"));
    assert_eq!(home(1, PLAIN), None);
    assert_eq!(home(0, ""), None);
    assert_eq!(home(1000, PLAIN.trim_end()).as_deref(), Some("/home/ann"), "no last newline");
    assert_eq!(home(4_294_967_295, "x:x:4294967295:0::/x:").as_deref(), Some("/x"));
}

#[test]
fn a_name_is_never_a_number() {
    let text = "1000:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:\n";
    assert_eq!(home(1000, text).as_deref(), Some("/home/ann"));
    assert_eq!(home(1000, "1000:x:0:0:root:/root:/bin/sh\n"), None);
    assert_eq!(home(1000, "x:1000:0:1000:1000:/root:\n"), None, "nor is any other field");
}

#[test]
fn the_first_line_that_fits() {
    assert_eq!(home(7, "a:x:7:7::/a:\nb:x:7:7::/b:\n").as_deref(), Some("/a"));
    assert_eq!(home(7, "a:x:7:7:::\nb:x:7:7::/b:\n"), None, "even without a home");
}

#[test]
fn lines_that_say_nothing() {
    for line in [
        "",
        ":",
        "::::::",
        "+::::::",
        "a",
        "a:x",
        "a:x:",
        "a:x::0::/h:",
        "a:x: 0:0::/h:",
        "a:x:0 :0::/h:",
        "a:x:+0:0::/h:",
        "a:x:-0:0::/h:",
        "a:x:0x0:0::/h:",
        "a:x:4294967296:0::/h:",
        "#a:x:0:0::/h:",
        "a:x:0",
        "a:x:0:0:gecos",
        "a:x:0:0::",
        "a:x:0:0::\0:",
        "a:x:0:0::/a\0b:",
        "a:x:00000000000000000000:0::/h:",
    ] {
        assert_eq!(home(0, line), None, "{line:?}");
        let before_a_good_one = format!("{line}\nb:x:5:5::/five:/bin/sh");
        assert_eq!(home(5, &before_a_good_one).as_deref(), Some("/five"), "{line:?}");
    }
    assert_eq!(home(0, "a:x:0:0::/h").as_deref(), Some("/h"), "a shell is not needed");
    assert_eq!(home(7, "a:x:007:0::/h:").as_deref(), Some("/h"));
}

#[test]
fn the_longest_home() {
    let line = |length| format!("a:x:0:0::/{}:/bin/sh\n", "h".repeat(length - 1));
    assert_eq!(home(0, &line(MAX_HOME)).map(|home| home.len()), Some(MAX_HOME));
    assert_eq!(home(0, &line(MAX_HOME + 1)), None);
    assert_eq!(home(0, &line(1 << 20)), None);
}

#[test]
fn any_bytes_are_a_home() {
    let found = home_of(0, &b"a:x:0:0::/\xff\xfe:/bin/sh\n"[..]).unwrap();
    assert_eq!(found.as_deref(), Some(&b"/\xff\xfe"[..]));
}

/// Gives out `left` bytes of one kind and says how many were taken.
struct Endless {
    byte: u8,
    left: u64,
    taken: u64,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        buffer[..length].fill(self.byte);
        self.left -= length as u64;
        self.taken += length as u64;
        Ok(length)
    }
}

#[test]
fn a_line_without_end_is_given_up() {
    for byte in [b'a', b':', b'\n', b'0', 0] {
        let mut endless = Endless { byte, left: u64::MAX, taken: 0 };
        assert_eq!(home_of(0, &mut endless).unwrap(), None);
        assert_eq!(endless.taken, MAX_FILE);
    }
}

#[test]
fn a_long_line_takes_no_memory() {
    let mut line = Line::default();
    for _ in 0..3 {
        for byte in
            b"a:x:".iter().chain([b'0'; 100_000].iter()).chain(b":0::").chain(&[b'/'; 100_000])
        {
            line.push(*byte);
        }
        assert!(line.id.capacity() <= 2 * (MAX_ID + 1) && line.home.capacity() <= 4 * MAX_HOME);
        line.clear();
    }
    let text = format!("{}\nb:x:5:5::/five:\n", "a".repeat(10 << 20));
    assert_eq!(home(5, &text).as_deref(), Some("/five"));
}

/// Fails now and then with EINTR and gives what is left in small pieces.
struct Pieces<'a>(&'a [u8], Prng);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.below(4) == 0 {
            return Err(ErrorKind::Interrupted.into());
        }
        let length = self.0.len().min(buffer.len()).min(1 + self.1.below(7));
        let (now, later) = self.0.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

#[test]
fn pieces_make_no_difference() {
    for seed in 0..200 {
        let found = home_of(1000, Pieces(PLAIN.as_bytes(), Prng(seed))).unwrap();
        assert_eq!(found.as_deref(), Some(&b"/home/ann"[..]));
    }
}

#[test]
fn errors_of_the_reader_are_passed_on() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(ErrorKind::PermissionDenied.into())
        }
    }
    assert_eq!(home_of(0, Broken).unwrap_err().kind(), ErrorKind::PermissionDenied);
}

/// Against a reading of the same text that splits it whole.
#[test]
fn agrees_with_the_plain_reading() {
    let pieces = ["a", ":", ":", ":", "0", "7", "\n", "/h", "x", ":x:7:0::", "#", "\0"];
    let mut random = Prng(4);
    for _ in 0..20_000 {
        let text: String = (0..random.below(24)).map(|_| *random.pick(&pieces)).collect();
        let expected = text
            .split('\n')
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.get(2).is_some_and(|id| id.parse() == Ok(7_u32)))
            .and_then(|fields| fields.get(5).map(|home| (*home).to_owned()))
            .filter(|home| !home.is_empty() && !home.contains('\0'));
        assert_eq!(home(7, &text), expected, "{text:?}");
    }
}
